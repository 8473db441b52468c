"""The lesson on initialisation: which runs it makes, and finding their results again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mmcore.data import corpus_from_words
from mmcore.jobs import run_inline
from mmcore.lessons import DEPTHS, TRAINING, Setting, initialisation, missing, results
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


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    opened = RunStore(f"sqlite:///{tmp_path}/store.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def short(store: RunStore) -> list[Setting]:
    """The lesson on few words, in runs of three steps."""
    sha256 = store.add_corpus(corpus_from_words([f"w{i}" for i in range(60)], "some"))
    train = TRAINING.replace(max_steps=3)
    return [replace(setting, config=setting.config.replace(train=train)) for setting in initialisation(sha256)]


def test_results_are_those_that_finished_else_the_newest(store: RunStore, short: list[Setting]) -> None:
    first, second = short[0], short[7]
    assert results(short, store.runs()).empty
    trained = run_inline(store, store.create(second.config).id)
    stopped = store.create(first.config)
    store.request_stop(stopped.id)
    store.create(first.config)
    store.create(second.config)
    table = results(short, store.runs())
    assert table.depth.tolist() == [first.depth, second.depth]
    assert table.state.tolist() == ["queued", "finished"]
    assert table.val_loss[1] == pytest.approx(trained.losses["val_loss"])
    assert table.val_loss.isna().tolist() == [True, False]


def test_missing_is_what_no_run_has_or_was_cut_short(store: RunStore, short: list[Setting]) -> None:
    assert missing(short, []) == (short, [])
    runs = [store.create(setting.config) for setting in short[:3]]
    store.request_stop(runs[1].id)
    new, cut_short = missing(short, store.runs())
    assert new == short[3:]
    assert [run.id for run in cut_short] == [runs[1].id]
