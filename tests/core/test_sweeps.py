"""Sweeps as data, and as the store keeps them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmcore import RunConfig, RunState, RunStore, TrainConfig, corpus_from_words
from mmcore.architectures import model_config
from mmcore.presets import PRESETS
from mmcore.store import RunFilter, SweepState
from mmcore.sweeps import Axis, Sweep, axis_settings, read_axis, read_seeds

MODEL = model_config(context_size=2, embedding_dim=2, hidden_sizes=(4,))
CONTEXTS = Axis(name="context_size", values=(1, 2, 3))
SIZES = Axis(name="hidden_sizes", values=((4,), (4, 4)))


def sweep(sha256: str = "0" * 64, **changes: Any) -> Sweep:
    base = RunConfig(corpus_sha256=sha256, model=MODEL, train=TrainConfig(max_steps=20, batch_size=8))
    return Sweep(**{"base": base, "axes": (CONTEXTS, SIZES), "seeds": (1, 2), **changes})


def test_a_grid_has_every_combination_and_says_where_a_run_stands() -> None:
    grid = sweep()
    settings = list(grid.grid())
    assert len(settings) == 6 == grid.setting_count and grid.run_count == 12
    for setting in settings:
        config = grid.config(setting, 7)
        assert grid.setting_of(config) == setting and config.train.seed == 7
        assert config.split == grid.base.split, "the same split for all: that is what pairs them"
    assert grid.said(settings[1]) == "Context size 1, hidden units (per layer) 4 × 4"


def test_a_sweep_comes_back_from_json_as_it_was() -> None:
    ranges = (Axis(name="learning_rate", low=1e-3, high=0.1, log=True), SIZES)
    for one in (sweep(), sweep(method="tpe", axes=ranges, settings_to_try=7), sweep(axes=(PRESETS_AXIS,))):
        assert Sweep.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_axes_and_seeds_are_read_as_they_are_typed() -> None:
    possible = axis_settings(sweep().base)

    def read(name: str, text: str, **more: Any) -> Axis:
        return read_axis(name, possible[name], text, **more)

    assert read("context_size", "1, 2,3") == CONTEXTS
    assert read("hidden_sizes", "4, 4 x 4") == SIZES
    assert read("learning_rate", "0.001..0.1", log=True) == Axis(name="learning_rate", low=0.001, high=0.1, log=True)
    assert sweep(axes=(read("context_size", "1 to 3"), SIZES)) == sweep(), "a range of whole numbers is a list of them"
    assert read("preset", "quick, gru") == PRESETS_AXIS
    assert read_seeds("1 to 3") == read_seeds("1..3") == read_seeds("1,2, 3") == (1, 2, 3)
    for text in ("", "1, 2, two", "3 to", "9 to 1"):
        with pytest.raises(ValueError, match="context_size"):
            read("context_size", text)
    for text in ("1 to 1000", "5 to 1", "a"):
        with pytest.raises(ValueError, match="seeds must be"):
            read_seeds(text)


PRESETS_AXIS = Axis(name="preset", values=("quick", "gru"))


def test_presets_can_be_what_varies() -> None:
    presets = sweep(axes=(PRESETS_AXIS,))
    config = presets.config({"preset": "gru"}, 3)
    assert (config.model, config.train.replace(seed=1)) == (PRESETS["gru"].model, PRESETS["gru"].train)
    assert presets.setting_of(config) == {"preset": "gru"} and presets.said({"preset": "gru"}) == "GRU"


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(str(tmp_path / "store.sqlite"))


@pytest.fixture
def sha256(store: RunStore) -> str:
    return store.add_corpus(corpus_from_words(["emma", "olivia", "ava", "mia"] * 5, "names"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"axes": ()}, "axes must be 1 to 6, got 0"),
        ({"axes": (CONTEXTS, CONTEXTS)}, "axes must be all different"),
        ({"axes": (PRESETS_AXIS, CONTEXTS)}, "axes must be alone where they are presets"),
        ({"axes": [{"name": "seed", "values": [1, 2]}]}, "axis must be a setting that may vary here"),
        ({"axes": [{"name": "context_size", "values": [0]}]}, "context_size must be a whole number from 1 to 64"),
        ({"axes": [{"name": "context_size", "values": [2, 2]}]}, "values of context_size must be all different"),
        ({"axes": [{"name": "learning_rate", "low": 0.1, "high": 0.5}]}, "lists of values in a grid, not ranges"),
        ({"axes": [{"name": "max_steps", "low": 1, "high": 101}]}, "values of max_steps must be at most 100, got 101"),
        ({"axes": [{"name": "context_size", "low": 9, "high": 8}], "method": "tpe"}, "two numbers, low below high"),
        ({"axes": [{"name": "weight_decay", "low": 0, "high": 1, "log": True}], "method": "tpe"}, "above 0"),
        ({"axes": [{"name": "sampler", "low": 0, "high": 1}], "method": "tpe"}, "must be that of a number"),
        ({"axes": [{"name": "sampler", "values": ["words"]}]}, "sampler must be one of examples, contexts for MLP"),
        ({"seeds": ()}, "seeds must be 1 to 100, got 0"),
        ({"seeds": (1, 1)}, "seeds must be all different"),
        ({"seeds": (-1,)}, "seeds must be a whole number from 0"),
        ({"method": "guess"}, "method must be one of grid, random, tpe, got 'guess'"),
    ],
)
def test_what_is_no_sweep_is_refused_in_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as problem:
        sweep(**changes)
    assert sentence in str(problem.value)


def test_a_sweep_takes_runs_that_are_there_and_queues_the_others(store: RunStore, sha256: str) -> None:
    kept = store.create_sweep(sweep(sha256), name="Sizes", question="What pays more?", owner="someone")
    assert (kept.state, kept.owner, kept.question) == (SweepState.ACTIVE, "someone", "What pays more?")
    assert [found.id for found in store.sweeps(SweepState.ACTIVE)] == [kept.id]
    configs = [(kept.config.config(setting, 1), kept.config.said(setting)) for setting in kept.config.grid()]
    earlier = store.create(configs[0][0], name="Mine")
    added = store.add_to_sweep(kept.id, configs[:3], known=0)
    assert added is not None and added[0] == earlier.id and store.count() == 3
    assert {run.id for run in store.runs(RunFilter(sweep=kept.id))} == set(added)
    assert store.add_to_sweep(kept.id, configs[3:], known=0) is None, "somebody else was quicker"
    store.set_sweep_state(kept.id, SweepState.STOPPED)
    assert store.add_to_sweep(kept.id, configs[3:], known=3) is None
    store.change_sweep(kept.id, kept.config.replace(seeds=(1, 2, 3)))
    assert store.sweep(kept.id).config.seeds == (1, 2, 3)
    store.delete_sweep(kept.id)
    assert store.sweeps() == [] and store.count() == 3
    with pytest.raises(ValueError, match="sweep must be in the store, got id"):
        store.sweep(kept.id)


def test_a_failed_run_is_not_taken_over(store: RunStore, sha256: str) -> None:
    kept = store.create_sweep(sweep(sha256), name="Sizes")
    config = kept.config.config(next(kept.config.grid()), 1)
    failed = store.create(config)
    token = store.claim(failed.id)
    assert token
    store.finish(failed.id, token, RunState.FAILED)
    added = store.add_to_sweep(kept.id, [(config, "Again")], known=0)
    assert added and added != [failed.id]


def test_a_sweep_gets_another_name_or_question(store: RunStore, sha256: str) -> None:
    first, other = (store.create_sweep(sweep(sha256), name=name, question="Why?") for name in ("Sizes", "Other"))
    store.describe_sweep(first.id, name=" Two  words ")
    store.describe_sweep(first.id, question="How?")
    assert (store.sweep(first.id).name, store.sweep(first.id).question) == ("Two words", "How?")
    assert store.sweep(other.id) == other
    for words, sentence in (
        ({"name": ""}, "name must have 1 to 200 characters"),
        ({"question": "x" * 2001}, "question"),
    ):
        with pytest.raises(ValueError, match=sentence):
            store.describe_sweep(first.id, **words)
    with pytest.raises(ValueError, match="sweep must be in the store"):
        store.describe_sweep("none", name="x")
