"""The experiments: which runs each makes, and finding their results again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
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
    STEPS,
    architectures,
    configs,
    context_and_embedding,
    covers,
    initialisation,
    results,
    to_microgpt,
)
from mmcore.jobs import run_inline
from mmcore.losses import SHOWN
from mmcore.presets import PRESETS, TO_MICROGPT, preset_for, starting_points
from mmcore.store import RunStore
from mmcore.sweeps import Sweep

SHA = "ab" * 32
SIZES = {initialisation: 2 * 2 * len(DEPTHS), architectures: len(ARCHITECTURES), to_microgpt: 8}
SIZES[context_and_embedding] = len(CONTEXT_SIZES) * len(EMBEDDING_DIMS)

Make = Callable[[str], Sweep]


@pytest.mark.parametrize("make", SIZES, ids=lambda make: make.__name__)
def test_every_setting_is_there_once(make: Make) -> None:
    sweep = make(SHA)
    found = list(configs(sweep))
    assert len(found) == len(set(found)) == SIZES[make] == sweep.run_count
    assert {(config.corpus_sha256, config.split, config.train.seed) for config in found} == {(SHA, sweep.base.split, 1)}


def test_the_experiment_on_depth_varies_the_model_only() -> None:
    found = list(configs(initialisation(SHA)))
    assert {config.train for config in found} == {experiments.TRAINING}
    varied = [config.model.to_dict() for config in found]
    assert {tuple(model["hidden_sizes"]) for model in varied} == {(100,) * depth for depth in DEPTHS}
    assert {(model["init"], model["normalisation"]) for model in varied} == {
        (init, norm) for init in ("scaled", "lecture") for norm in ("none", "batch")
    }


def test_the_experiment_on_context_varies_two_fields_of_a_preset() -> None:
    blink, sweep = PRESETS["blink"], context_and_embedding(SHA)
    for setting, config in zip(sweep.grid(), configs(sweep), strict=True):
        assert set(setting) == {"context_size", "embedding_dim"}
        assert (config.model, config.train) == (blink.model.replace(**setting), blink.train)
    assert blink.model in [config.model for config in configs(sweep)], "a run of the preset is one of them"


def test_every_architecture_is_there_with_its_own_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    for config, family in zip(configs(architectures(SHA)), ARCHITECTURES.values(), strict=True):
        preset = PRESETS[preset_for(family.architecture)]
        assert (config.model, config.train) == (preset.model, preset.train)
    monkeypatch.setattr(experiments, "ARCHITECTURES", dict(list(ARCHITECTURES.items())[:2]))
    assert architectures(SHA).run_count == 2, "what there is decides"


def test_a_step_to_microgpt_changes_what_it_says() -> None:
    """Between the two presets at the ends: nothing in the model, or nothing in the training."""
    points, changed = starting_points(), {}
    for before, name in pairwise(STEPS[1:]):
        one, other = points[before], points[name]
        fields = {f for f, value in other.model.to_dict().items() if value != one.model.to_dict().get(f)}
        changed[name] = fields | {f for f, value in vars(other.train).items() if value != getattr(one.train, f)}
    attention = {"architecture", "embedding_dim", "layers", "heads", "normalisation", "activation", "bias"}
    assert changed == {
        "context-16": {"context_size"},
        "attention": attention,
        "whole-words": {"sampler", "batch_size"},
        "rms": {"normalisation"},
        "no-biases": {"bias", "activation"},
        "microgpt": {"batch_size", "max_steps", "learning_rate", "schedule", "weight_decay"},
    }
    assert points["no-biases"].model == PRESETS["microgpt"].model
    assert (points["whole-words"].train.batch_size, points["context-16"].model.context_size) == (32, 16)
    assert [config.model for config in configs(to_microgpt(SHA))] == [points[name].model for name in STEPS]


@pytest.mark.parametrize("make", SIZES, ids=lambda make: make.__name__)
def test_a_sweep_covers_an_experiment_if_it_has_all_its_runs(make: Make) -> None:
    sweep = make(SHA)
    first, *others = sweep.axes
    wider = sweep.replace(seeds=(3, 1), axes=(first.replace(values=first.values[::-1]), *others))
    assert covers(sweep, sweep) and covers(wider, sweep) and not covers(sweep, wider)
    assert not covers(make("cd" * 32), sweep), "another corpus"
    assert not covers(sweep.replace(axes=(first.replace(values=first.values[1:]), *others)), sweep)
    assert not covers(sweep.replace(method="random"), sweep)
    assert not any(covers(other(SHA), sweep) for other in SIZES if other is not make)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    opened = RunStore(f"sqlite:///{tmp_path}/store.sqlite")
    yield opened
    opened.close()


CORPUS = corpus_from_words([f"w{i}" for i in range(60)], "some")
VOCAB_SIZE = Vocab.from_words(CORPUS.words).size


@pytest.fixture(params=list(SIZES), ids=lambda make: make.__name__)
def short(request: pytest.FixtureRequest, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """An experiment on few words, in runs of three steps."""
    short = {name: replace(preset, train=preset.train.replace(max_steps=3)) for name, preset in PRESETS.items()}
    steps = {name: replace(step, train=step.train.replace(max_steps=3)) for name, step in TO_MICROGPT.items()}
    for module in ("experiments", "presets"):
        monkeypatch.setattr(f"mmcore.{module}.PRESETS", short)
    monkeypatch.setattr("mmcore.presets.TO_MICROGPT", steps)
    monkeypatch.setattr(experiments, "TRAINING", experiments.TRAINING.replace(max_steps=3))
    made: Sweep = request.param(store.add_corpus(CORPUS))
    return made


def test_results_are_those_that_finished_else_the_newest(store: RunStore, short: Sweep) -> None:
    first, second, *_ = configs(short)
    assert results(short, store.runs(), VOCAB_SIZE).empty
    trained = run_inline(store, store.create(second).id)
    stopped = store.create(first)
    store.request_stop(stopped.id)
    store.create(first)
    store.create(second)
    table = results(short, store.runs(), VOCAB_SIZE)
    settings = list(short.grid())[:2]
    assert table["name"].tolist() == [short.said(setting) for setting in settings]
    assert [{axis.name: row[axis.name] for axis in short.axes} for _, row in table.iterrows()] == settings
    assert table.state.tolist() == ["queued", "finished"]
    for name in SHOWN:
        assert table[name].isna().tolist() == [True, False]
        assert table[name][1] == pytest.approx(trained.losses[name])
    assert (table.step[1], table.seconds[1]) == (3, trained.seconds)


def test_parameters_are_those_of_the_model_trained(store: RunStore, short: Sweep) -> None:
    from mmcore.train_state import TrainState

    *_, config = configs(short)
    run_inline(store, store.create(config).id)
    data = build_dataset(CORPUS, config.split, config.model.context_size)
    state = TrainState(config.model, config.train, data.vocab.size)
    trained = sum(t.numel() for name, t in state.model.tensors.items() if "running" not in name)
    assert results(short, store.runs(), VOCAB_SIZE).parameters.tolist() == [trained]
