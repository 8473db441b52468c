"""Writes ``schema-<version>.sqlite`` beside itself: run it once when a schema is released, and commit the file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from mmcore import RunConfig, RunStore, TrainConfig, corpus_from_words, run_inline
from mmcore.architectures import model_config
from mmcore.store.schema import SCHEMA_VERSION

if __name__ == "__main__":
    path = Path(__file__).parent / f"schema-{SCHEMA_VERSION}.sqlite"
    assert not path.exists(), "a released store is never written again"
    store = RunStore(str(path))
    corpus = corpus_from_words(["emma", "olivia", "ava", "isabella", "sophia", "mia", "zoë", "amelia"] * 3, "fixture")
    model = model_config(context_size=2, embedding_dim=2, hidden_sizes=(4,))
    config = RunConfig(
        corpus_sha256=store.add_corpus(corpus), model=model, train=TrainConfig(max_steps=20, batch_size=8)
    )
    run = store.create(config, name=f"From schema {SCHEMA_VERSION}", owner="someone")
    run_inline(store, run.id)
    store.annotate(run.id, "written by write_store.py")
    store.open_test(run.id)
    store.create(config, name="Waiting")
    store.close()
    with closing(sqlite3.connect(path)) as database:  # one file, without the side files of WAL mode
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute("VACUUM")
