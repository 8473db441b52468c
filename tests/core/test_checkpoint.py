"""Weights along the way: when they are kept, that they are the run's own, and that keeping them changes nothing."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmcore.architectures import model_config
from mmcore.checkpoint import COUNT, MAX_BYTES, affordable, checkpoint_steps, restore, weights_of
from mmcore.config import RunConfig, TrainConfig
from mmcore.corpus import Corpus, corpus_from_words
from mmcore.dataset import Dataset, build_dataset
from mmcore.export import artifact
from mmcore.jobs import execution as jobs
from mmcore.jobs import run_inline
from mmcore.model import Model
from mmcore.schedules import learning_rate_at
from mmcore.store import Run, RunState, RunStore
from mmcore.train_state import TrainState
from mmcore.training import Pace, Step, train

TINY = model_config(context_size=2, embedding_dim=2, hidden_sizes=(8,))
SHORT = TrainConfig(max_steps=300, batch_size=16, schedule="constant", learning_rate=0.005, weight_decay=0.1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    store = RunStore(str(tmp_path / "runs.sqlite"))
    yield store
    store.close()


@pytest.fixture
def config(store: RunStore, names: Corpus) -> RunConfig:
    sha256 = store.add_corpus(corpus_from_words(names.words[:1_000], "some names"))
    return RunConfig(corpus_sha256=sha256, model=TINY, train=SHORT)


# ---- when


@given(max_steps=st.integers(1, 10_000_000), count=st.integers(2, 80))
def test_steps_are_ascending_from_the_first_to_the_last(max_steps: int, count: int) -> None:
    steps = checkpoint_steps(max_steps, count)
    assert (steps[0], steps[-1]) == (0, max_steps)
    assert all(a < b for a, b in itertools.pairwise(steps))
    assert min(max_steps + 1, 0.9 * count) <= len(steps) <= count
    gaps = np.diff(np.log1p(steps))
    assert gaps.max() <= max(2.2 * gaps[len(gaps) // 2 :].min(), math.log(2) + 1e-9)  # even, where whole numbers allow


def test_the_first_steps_are_dense() -> None:
    assert checkpoint_steps(5_000)[:10] == (0, 1, 2, 3, 4, 5, 6, 8, 10, 12)
    assert checkpoint_steps(5_000, 4) == (0, 16, 291, 5_000)
    assert checkpoint_steps(3) == (0, 1, 2, 3)
    assert checkpoint_steps(5_000, 1) == checkpoint_steps(5_000, 0) == ()
    with pytest.raises(ValueError, match="max_steps must be at least 1, got 0"):
        checkpoint_steps(0)


@pytest.mark.parametrize(("parameters", "count"), [(12_000, COUNT), (2**18, 4), (2**19, 2), (2**20 + 1, 0)])
def test_large_models_keep_fewer(parameters: int, count: int) -> None:
    assert affordable(parameters) == count
    assert 4 * parameters * count <= MAX_BYTES


# ---- what


@pytest.mark.parametrize("architecture", ["mlp", "wavenet", "gru"])
def test_a_checkpoint_gives_the_model_back(architecture: str) -> None:
    model = Model(model_config(architecture=architecture), 27, seed=3)
    kept = jobs.Checkpoint(step=7, weights=weights_of(model))
    twin = restore(Model(model.config, 27, seed=4), kept)
    assert torch.equal(twin.flat, model.flat)
    contexts = torch.zeros(1, model.config.context_size, dtype=torch.long)
    assert torch.equal(twin(contexts), model(contexts))
    twin.flat.zero_()
    assert model.flat.any() and kept.weights == weights_of(model)


def test_a_checkpoint_that_does_not_fit_is_refused() -> None:
    model = Model(TINY, 27)
    kept = jobs.Checkpoint(step=7, weights=weights_of(model))
    with pytest.raises(ValueError, match=r"checkpoint must be .* bytes of float32 for this model, got '4 bytes'"):
        restore(model, dataclasses.replace(kept, weights=b"1234"))
    model.flat[5] = math.nan
    with pytest.raises(ValueError, match="checkpoint must be finite numbers, got 'others at step 7'"):
        restore(model, dataclasses.replace(kept, weights=weights_of(model)))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_recorded_updates_are_those_that_training_made(small: Dataset, optimizer: str) -> None:
    config = SHORT.replace(max_steps=12, optimizer=optimizer)
    model_config = TINY.replace(context_size=3)
    state = TrainState(model_config, config, small.vocab.size)
    before, seen = state.model.flat.clone(), 0
    for step in train(state, small, pace=Pace(every=1, at=frozenset({3, 7, 12}))):
        assert (step.updates is not None) == (step.step in (3, 7, 12))
        for name, update in (step.updates or {}).items():
            parts = {key: Model(model_config, small.vocab.size) for key in ("old", "new")}
            parts["old"].flat.copy_(before)
            parts["new"].flat.copy_(state.model.flat)
            old, new = (parts[key].tensors[name].double().numpy() for key in ("old", "new"))
            assert update.ratio == pytest.approx((new - old).std() / new.std(), rel=1e-4)
            if optimizer == "sgd":  # the gradient follows from the update, weight decay taken off
                rate = learning_rate_at(config, step.step - 1)
                decay = 1 - rate * config.weight_decay if old.ndim == 2 else 1.0
                gradient = (old * decay - new) / rate
                assert update.gradient_std == pytest.approx(gradient.std(), rel=1e-3, abs=1e-6)
                assert update.gradient_mean == pytest.approx(gradient.mean(), rel=1e-2, abs=1e-5)
            seen += 1
        before = state.model.flat.clone()
    assert seen == 3 * 5


# ---- in a run


def test_a_run_keeps_exactly_its_steps_whatever_the_speed(
    store: RunStore, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tick in (0.0, 1e9):  # a Step whenever the clock moves; none but those asked for
        monkeypatch.setattr(jobs, "TICK_SECONDS", tick)
        run = run_inline(store, store.create(config).id)
        kept = store.checkpoints(run.id)
        assert tuple(checkpoint.step for checkpoint in kept) == checkpoint_steps(300)
        last = artifact.load(store.weights(run.id) or b"").model
        assert torch.equal(restore(last, kept[-1]).flat, last.flat)
        assert kept[0].updates == {} and all(set(one.updates) == set(last.tensors) for one in kept[1:])
        assert set(checkpoint_steps(300)) <= set(store.history(run.id).step)


def weights_at(config: RunConfig, store: RunStore, step: int) -> torch.Tensor:
    """What training alone gives after some steps, at a rate that does not depend on how many there will be."""
    dataset = build_dataset(store.corpus(config.corpus_sha256), config.split, config.model.context_size)
    state = TrainState(config.model, config.train.replace(max_steps=step), dataset.vocab.size)
    for _ in train(state, dataset, pace=Pace(every=1_000, losses=False)):
        pass
    return state.model.flat


def test_kept_weights_are_those_of_their_step_and_keeping_changes_nothing(store: RunStore, config: RunConfig) -> None:
    with_film = run_inline(store, store.create(config).id)
    without = run_inline(store, store.create(config, checkpoints=0).id)
    assert store.checkpoints(without.id) == []
    first, second = (artifact.load(store.weights(run.id) or b"").model for run in (with_film, without))
    assert torch.equal(first.flat, second.flat)
    for kept in store.checkpoints(with_film.id)[1::9]:
        assert torch.equal(restore(first, kept).flat, weights_at(config, store, kept.step))


def test_a_run_that_keeps_nothing_along_the_way_measures_little_there_and_ends_the_same(
    store: RunStore, config: RunConfig
) -> None:
    watched, sparing = (run_inline(store, store.create(config, checkpoints=count).id) for count in (40, 0))
    assert (store.run(sparing.id).losses, sparing.step) == (watched.losses, watched.step)
    assert store.samples(sparing.id).step.tolist() == [watched.step] and len(store.samples(watched.id)) > 1
    assert store.samples(sparing.id).words.iloc[-1] == store.samples(watched.id).words.iloc[-1]
    first, last = (store.history(sparing.id).iloc[place] for place in (0, -1))
    assert (first.step, last.step) == (0, watched.step)
    assert math.isnan(first.train_loss) and last.val_loss == watched.losses["val_loss"]


def test_a_few_are_asked_for_and_only_those_are_kept(store: RunStore, config: RunConfig) -> None:
    run = run_inline(store, store.create(config, checkpoints=3).id)
    assert [kept.step for kept in store.checkpoints(run.id)] == list(checkpoint_steps(300, 3))
    with pytest.raises(ValueError, match="checkpoints must be a whole number from 0 to 1,000, got -1"):
        store.create(config, checkpoints=-1)


def test_a_continued_run_has_the_film_of_one_that_was_not(
    store: RunStore, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "TICK_SECONDS", 0.0)
    whole = run_inline(store, store.create(config).id)
    run_id = store.create(config).id

    def stop(step: Step) -> None:
        if step.step == 3:
            store.request_stop(run_id)

    run: Run = run_inline(store, run_id, stop)
    assert (run.state, run.step) == (RunState.STOPPED, 4)  # a step of the film, whose update it no longer knows
    store.continue_run(run_id)
    assert run_inline(store, run_id).state is RunState.FINISHED
    assert store.checkpoints(run_id) == store.checkpoints(whole.id)


def test_a_run_that_diverges_keeps_finite_weights_up_to_its_last_step(store: RunStore, config: RunConfig) -> None:
    hot = config.train.replace(optimizer="sgd", learning_rate=1_000.0, weight_decay=10.0, max_steps=1_000)
    run = run_inline(store, store.create(config.replace(train=hot)).id)
    assert run.state is RunState.FAILED
    kept = store.checkpoints(run.id)
    model = artifact.load(store.weights(run.id) or b"").model
    assert kept and all(restore(model, one).flat.isfinite().all() for one in kept)
    assert kept[-1].step <= run.step
