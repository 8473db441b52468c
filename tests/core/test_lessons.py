"""The lesson on initialisation: which runs it makes, and finding their results again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmcore.data import corpus_from_words
from mmcore.jobs import run_inline
from mmcore.lessons import DEPTHS, initialisation, results
from mmcore.store import RunStore

SHA = "ab" * 32


def test_the_lesson_is_every_combination_once() -> None:
    settings = list(initialisation(SHA))
    configs = [setting.config for setting in settings]
    assert len(settings) == len(set(configs)) == 2 * 2 * len(DEPTHS)
    assert len({setting.name for setting in settings}) == len(settings)
    assert len({config.train for config in configs}) == 1, "they differ in the model only"
    assert "Lecture initialisation, 1 layer" in [setting.name for setting in settings]
    assert "Scaled initialisation, 6 layers, batch normalisation" in [setting.name for setting in settings]
    assert {len(config.model.to_dict()["hidden_sizes"]) for config in configs} == set(DEPTHS)


def test_results_are_those_of_the_newest_runs(tmp_path: object) -> None:
    store = RunStore(f"sqlite:///{tmp_path}/store.sqlite")
    sha256 = store.add_corpus(corpus_from_words([f"w{i}" for i in range(60)], "some"))
    short = [
        replace(s, config=s.config.replace(train=s.config.train.replace(max_steps=3))) for s in initialisation(sha256)
    ]
    first, second = short[0], short[5]
    assert results(short, store.runs()).empty
    old = store.create(first.config)
    run_inline(store, old.id)
    trained = run_inline(store, store.create(second.config).id)
    store.create(first.config)
    table = results(short, store.runs())
    assert table.depth.tolist() == [first.depth, second.depth]
    assert table.state.tolist() == ["queued", "finished"], "of two runs alike the newer one"
    assert table.val_loss[1] == pytest.approx(trained.losses["val_loss"])
    assert table.val_loss.isna().tolist() == [True, False]
    store.close()
