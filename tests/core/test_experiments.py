"""The experiments: which runs each makes, finding their results again, what is left to train or to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mmcore import experiments
from mmcore.architectures import ARCHITECTURES
from mmcore.corpus import corpus_from_words
from mmcore.dataset import Vocab, build_dataset
from mmcore.experiments import (
    CONTEXT_SIZES,
    DEPTHS,
    EMBEDDING_DIMS,
    Setting,
    architectures,
    context_and_embedding,
    initialisation,
    missing,
    results,
    unfinished,
)
from mmcore.jobs import run_inline
from mmcore.losses import SHOWN
from mmcore.presets import PRESETS, preset_for
from mmcore.store import RunState, RunStore

SHA = "ab" * 32
SIZES = {initialisation: 2 * 2 * len(DEPTHS), architectures: len(ARCHITECTURES)}
SIZES[context_and_embedding] = len(CONTEXT_SIZES) * len(EMBEDDING_DIMS)

Make = Callable[[str], Iterator[Setting]]


@pytest.mark.parametrize("make", SIZES, ids=lambda make: make.__name__)
def test_every_setting_is_there_once_and_says_where_it_stands(make: Make) -> None:
    settings = list(make(SHA))
    assert len(settings) == len({setting.config for setting in settings}) == SIZES[make]
    assert len({setting.name for setting in settings}) == len(settings)
    assert len({tuple(setting.at.items()) for setting in settings}) == len(settings)
    assert len({tuple(setting.at) for setting in settings}) == 1, "the same columns for all"
    assert {setting.config.corpus_sha256 for setting in settings} == {SHA}
    assert len({setting.config.split for setting in settings}) == 1


def test_the_experiment_on_depth_varies_the_model_only() -> None:
    settings = list(initialisation(SHA))
    assert len({setting.config.train for setting in settings}) == 1
    names = [setting.name for setting in settings]
    assert {"Lecture initialisation, 1 layer", "Scaled initialisation, 6 layers, batch normalisation"} < set(names)
    for setting in settings:
        model = setting.config.model.to_dict()
        assert setting.at["depth"] == len(model["hidden_sizes"])
        assert (setting.at["init"], setting.at["norm"]) == (model["init"], model["normalisation"] == "batch")


def test_the_experiment_on_context_varies_two_fields_of_a_preset() -> None:
    blink = PRESETS["blink"]
    settings = list(context_and_embedding(SHA))
    for setting in settings:
        model = setting.config.model.to_dict()
        assert setting.at == {name: model[name] for name in ("context_size", "embedding_dim")}
        assert setting.config.model == blink.model.replace(**setting.at)
        assert setting.config.train == blink.train
    assert "Context 4, embedding 10" in [setting.name for setting in settings]
    assert blink.model in [setting.config.model for setting in settings], "a run of the preset is one of them"


def test_every_architecture_is_there_with_its_own_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting, family in zip(architectures(SHA), ARCHITECTURES.values(), strict=True):
        preset = PRESETS[preset_for(family.architecture)]
        assert (setting.config.model, setting.config.train) == (preset.model, preset.train)
        assert setting.name == f"{family.title}, its preset"
    monkeypatch.setattr(experiments, "ARCHITECTURES", dict(list(ARCHITECTURES.items())[:2]))
    assert len(list(architectures(SHA))) == 2, "what there is decides"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    opened = RunStore(f"sqlite:///{tmp_path}/store.sqlite")
    yield opened
    opened.close()


CORPUS = corpus_from_words([f"w{i}" for i in range(60)], "some")
VOCAB_SIZE = Vocab.from_words(CORPUS.words).size


@pytest.fixture(params=list(SIZES), ids=lambda make: make.__name__)
def short(request: pytest.FixtureRequest, store: RunStore) -> list[Setting]:
    """An experiment on few words, in runs of three steps."""
    settings = request.param(store.add_corpus(CORPUS))
    return [
        replace(setting, config=setting.config.replace(train=setting.config.train.replace(max_steps=3)))
        for setting in settings
    ]


def test_results_are_those_that_finished_else_the_newest(store: RunStore, short: list[Setting]) -> None:
    first, second = short[0], short[1]
    assert results(short, store.runs(), VOCAB_SIZE).empty
    trained = run_inline(store, store.create(second.config).id)
    stopped = store.create(first.config)
    store.request_stop(stopped.id)
    store.create(first.config)
    store.create(second.config)
    table = results(short, store.runs(), VOCAB_SIZE)
    assert table["name"].tolist() == [first.name, second.name]
    assert [row[name] for _, row in table.iterrows() for name in first.at] == [*first.at.values(), *second.at.values()]
    assert table.state.tolist() == ["queued", "finished"]
    for name in SHOWN:
        assert table[name].isna().tolist() == [True, False]
        assert table[name][1] == pytest.approx(trained.losses[name])
    assert (table.step[1], table.seconds[1]) == (3, trained.seconds)


def test_parameters_are_those_of_the_model_trained(store: RunStore, short: list[Setting]) -> None:
    from mmcore.train_state import TrainState

    setting = short[-1]
    run_inline(store, store.create(setting.config).id)
    data = build_dataset(CORPUS, setting.config.split, setting.config.model.context_size)
    state = TrainState(setting.config.model, setting.config.train, data.vocab.size)
    trained = sum(t.numel() for name, t in state.model.tensors.items() if "running" not in name)
    assert results(short, store.runs(), VOCAB_SIZE).parameters.tolist() == [trained]


def test_missing_is_what_no_run_has_or_was_cut_short(store: RunStore, short: list[Setting]) -> None:
    assert missing(short, []) == (short, [])
    runs = [store.create(setting.config) for setting in short[:3]]
    store.request_stop(runs[1].id)
    new, cut_short = missing(short, store.runs())
    assert new == short[3:]
    assert [run.id for run in cut_short] == [runs[1].id]


def test_what_can_be_stopped_waits_or_runs_and_the_first_to_stop_is_one_that_waits(
    store: RunStore, short: list[Setting]
) -> None:
    runs = [store.create(setting.config) for setting in short[:5]]
    other = store.create(short[0].config.replace(train=short[0].config.train.replace(max_steps=4)))
    tokens = [store.claim(run.id) for run in runs[:3]]
    store.request_stop(runs[1].id)  # on its way already
    assert tokens[2] is not None
    store.finish(runs[2].id, tokens[2], RunState.FINISHED)
    assert [run.id for run in unfinished(short, store.runs())] == [runs[3].id, runs[4].id, runs[0].id]
    assert other.state is RunState.QUEUED
