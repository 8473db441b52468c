"""What a store's room goes to, and what dropping checkpoints and compacting give back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import sqlalchemy as sa

from mmcore import Checkpoint, RunConfig, RunState, RunStore, corpus_from_words
from mmcore.architectures import model_config
from mmcore.store import PARTS, Progress, SavedWeights, StoreSize
from mmcore.store.schema import CHECKPOINTS
from mmcore.training import Step
from tests.databases import Databases, of_files


@pytest.fixture
def store(database: Databases) -> RunStore:
    return RunStore(database("store"))


@pytest.fixture
def config(store: RunStore) -> RunConfig:
    sha256 = store.add_corpus(corpus_from_words(["emma", "ava", "zoë"], "three"))
    return RunConfig(corpus_sha256=sha256, model=model_config(context_size=2, embedding_dim=2, hidden_sizes=(4,)))


def ended(store: RunStore, config: RunConfig, checkpoints: int = 0, kilobytes: int = 1) -> str:
    """A run with a point, a sample, weights of 1,000 and a state of 2,000 bytes, and checkpoints of one size."""
    run = store.create(config, token="mine")
    film = [Checkpoint(step=step, weights=b"f" * 1_000 * kilobytes) for step in range(checkpoints)]
    point = Step(step=50, learning_rate=0.1, seconds=0.0, train_loss=3.0)
    saved = SavedWeights(weights=b"w" * 1_000, train_state=b"t" * 2_000)
    progress = Progress(points=[point], samples=(0, ["ann"]), saved=saved, checkpoints=film)
    store.finish(run.id, "mine", RunState.FINISHED, progress)
    return run.id


def test_each_part_is_what_the_runs_have(store: RunStore, config: RunConfig) -> None:
    first, second = ended(store, config, checkpoints=3), ended(store, config)
    size = store.size()
    assert (size.weights, size.train_states, size.checkpoints) == (2 * 2_000, 2 * 2_000, 3 * 2_000)
    assert (size.curves, size.samples, size.deleted) == (2 * 56, 2 * len('["ann"]'), 0)
    assert size.corpora == len("emma\nava\nzoë\n".encode())
    of_runs = size.weights + size.train_states + size.checkpoints + size.curves + size.samples
    assert of_runs == sum(store.stored().values())
    store.delete(first)
    after = store.size()
    assert after.deleted + store.stored([second])[second] == of_runs and after.checkpoints == 0
    assert set(PARTS) == set(asdict(size)) == set(StoreSize.__dataclass_fields__)


@of_files("files")
def test_all_parts_make_the_files_on_the_disk(store: RunStore, config: RunConfig, tmp_path: Path) -> None:
    ended(store, config, checkpoints=20, kilobytes=100)
    files = [tmp_path / name for name in ("store.sqlite", "store.sqlite-wal")]
    on_disk = sum(file.stat().st_size for file in files if file.exists())
    assert store.size().total == store.file_bytes() == on_disk > 2_000_000
    room = store.room()
    assert room is not None and room > 0


@of_files("pages that a file keeps")
def test_what_was_dropped_is_free_until_it_is_compacted(store: RunStore, config: RunConfig) -> None:
    run = ended(store, config, checkpoints=20, kilobytes=100)
    store.compact()
    before = store.size()
    assert store.collect([run], limit=0, dry_run=True) == store.collect([run], limit=0) == (20, 2_000_000)
    dropped = store.size()
    assert dropped.checkpoints == 0 and dropped.free >= 1_900_000
    store.compact()
    assert store.size().free == 0 and store.size().total < before.total - 1_900_000


def test_the_largest_runs_come_first(store: RunStore, config: RunConfig) -> None:
    runs = [ended(store, config, checkpoints=count) for count in (2, 5, 0, 3)]
    assert list(store.largest(3)) == [runs[1], runs[3], runs[0]]
    assert store.largest(1) == store.stored([runs[1]])
    store.delete(runs[1])
    assert runs[1] not in store.largest()


def test_only_runs_beyond_the_limit_are_written_to(
    store: RunStore, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [ended(store, config, checkpoints=count) for count in (0, 1, 2, 5)]
    looked: list[str] = []

    def looks(db: sa.Connection, run_id: str) -> dict[int, int]:
        looked.append(run_id)
        query = sa.select(CHECKPOINTS.c.step).where(CHECKPOINTS.c.run_id == run_id, CHECKPOINTS.c.kind == "film")
        return dict.fromkeys(db.scalars(query), 1_000)

    monkeypatch.setattr("mmcore.store.store.checkpoint_sizes", looks)
    assert store.collect(runs, limit=2_000) == (1 + 3, 4_000)
    assert looked == [runs[1], runs[3]]
