"""Runs that pause and go on: the weights, the optimiser's state and the losses of never having paused, bit for bit."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load as load_tensors

from mmcore.architectures.interface import ModelConfig
from mmcore.config import RunConfig, SplitConfig, TrainConfig
from mmcore.corpus import corpus_from_words
from mmcore.dataset import Dataset, build_dataset
from mmcore.jobs import execution, run_inline
from mmcore.losses import SHOWN
from mmcore.store import RunState, RunStore
from mmcore.train_state import TrainState
from mmcore.training import Pace, Step, train
from tests.databases import Databases
from tests.models import SMALL

STEPS = 12
WORDS = ["emma", "olivia", "ava", "mia", "anna", "ella", "liam", "noah", "zoe", "amelia", "bob", "eve"] * 2
Losses = dict[int, dict[str, float]]
Tensors = dict[str, list[float]]


def with_dropout(model: ModelConfig) -> ModelConfig:
    """The same with every dropout that it has."""
    return model.replace(**{name: 0.3 for name in ("dropout", "state_dropout") if name in model.settings()})


CASES = {
    f"{name}-{optimizer}-{sampler}": (with_dropout(model), TrainConfig(optimizer=optimizer, sampler=sampler))
    for name, model in SMALL.items()
    for optimizer in ("sgd", "adamw")
    for sampler in model.samplers
} | {
    f"{name}-compiled-{sampler}": (with_dropout(model), TrainConfig(compiled=True, sampler=sampler))
    for name, model in SMALL.items()
    for sampler in model.samplers
}
every_case = pytest.mark.parametrize(("model", "config"), CASES.values(), ids=CASES)
patience = st.sampled_from([(0, 5), (2, 1), (1, 2), (9, 3)])  # and how often it looks


def data(model: ModelConfig) -> Dataset:
    return build_dataset(WORDS, SplitConfig(), model.context_size)


def go_on(state: TrainState, dataset: Dataset, losses: Losses, until: float = math.inf) -> TrainState:
    """Train until a step, or to the end, remembering the exact losses of each step."""
    for step in train(state, dataset, pace=Pace(every=1)):
        losses[step.step] = step.losses
        if step.step >= until and step.step < state.config.max_steps:
            break
    return state


def put_away(state: TrainState) -> TrainState:
    """What a worker that begins anew has of a state that was saved."""
    fresh = TrainState(state.model.config, state.config, state.model.vocab_size)
    fresh.load(state.tensors())
    return fresh


def numbers(state: TrainState) -> Tensors:
    return {name: tensor.tolist() for name, tensor in state.tensors().items()}


def whole(model: ModelConfig, config: TrainConfig, dataset: Dataset) -> tuple[Tensors, Losses]:
    losses: Losses = {}
    return numbers(go_on(TrainState(model, config, dataset.vocab.size), dataset, losses)), losses


def paused(model: ModelConfig, config: TrainConfig, dataset: Dataset, at: Iterable[int]) -> tuple[Tensors, Losses]:
    losses: Losses = {}
    state = TrainState(model, config, dataset.vocab.size)
    for step in at:
        state = put_away(go_on(state, dataset, losses, step))
    return numbers(go_on(state, dataset, losses)), losses


def stopped(model: ModelConfig, config: TrainConfig, dataset: Dataset, after: Iterable[int]) -> tuple[Tensors, Losses]:
    """As :func:`paused`, by someone who asks for a stop while losses are computed, after so many looks each time."""
    losses: Losses = {}
    state = TrainState(model, config, dataset.vocab.size)
    for looks in after:
        asked = functools.partial(next, iter([False] * looks), True)
        for _ in train(state, dataset, pace=Pace(every=4), stop=asked):
            if asked():
                break
        state = put_away(state)
    return numbers(go_on(state, dataset, losses)), losses


@every_case
@settings(max_examples=3)
@given(data_=st.data())
def test_pausing_at_any_step_changes_nothing(model: ModelConfig, config: TrainConfig, data_: st.DataObject) -> None:
    many, often = data_.draw(patience)
    schedule = data_.draw(st.sampled_from(["constant", "inverse-time", "step", "one-cycle"]))
    config = config.replace(max_steps=STEPS, batch_size=8, patience=many, check_every=often, schedule=schedule)
    config = config.replace(learning_rate=0.05, weight_decay=data_.draw(st.sampled_from([0.0, 0.1])))
    at = sorted(data_.draw(st.lists(st.integers(0, STEPS), min_size=1, max_size=4)))
    dataset = data(model)
    assert paused(model, config, dataset, at) == whole(model, config, dataset)


@pytest.mark.parametrize("name", ["mlp-batch-adamw-contexts", "gru-sgd-words"])
@settings(max_examples=25)
@given(
    how=st.sampled_from([(2, 1), (1, 2), (9, 3), (3, 5)]), after=st.lists(st.integers(0, 12), min_size=1, max_size=4)
)
def test_a_stop_in_the_midst_of_losses_changes_nothing(name: str, how: tuple[int, int], after: list[int]) -> None:
    model, config = CASES[name]
    many, often = how
    config = config.replace(max_steps=STEPS, batch_size=8, patience=many, check_every=often, learning_rate=0.05)
    dataset = data(model)
    tensors, losses = whole(model, config, dataset)
    got, after_stop = stopped(model, config, dataset, after)
    assert got == tensors and after_stop.items() <= losses.items()


@every_case
@pytest.mark.parametrize("schedule", ["constant", "inverse-time"])
def test_more_steps_are_those_of_a_run_that_had_them_from_the_start(
    model: ModelConfig, config: TrainConfig, schedule: str
) -> None:
    short = config.replace(max_steps=5, batch_size=8, schedule=schedule, learning_rate=0.05)
    longer, dataset = short.replace(max_steps=9), data(model)
    state, losses = TrainState(model, longer, dataset.vocab.size), dict[int, dict[str, float]]()
    state.load(go_on(TrainState(model, short, dataset.vocab.size), dataset, losses).tensors())
    assert (numbers(go_on(state, dataset, losses)), losses) == whole(model, longer, dataset)


# ---- through the store


@pytest.fixture
def store(database: Databases) -> Iterator[RunStore]:
    opened = RunStore(database("runs"))
    yield opened
    opened.close()


def cut_short(store: RunStore, run_id: str, at: int, *, saves: bool) -> int:
    """Train until a step; then the worker stops, or ends without saving. The step that the run goes on from."""

    def end(step: Step) -> None:
        if step.step >= at and saves:
            store.request_stop(run_id)
        elif step.step >= at:
            raise KeyboardInterrupt

    run = run_inline(store, run_id, end)
    assert run.state is RunState.STOPPED and run.weights_step is not None
    store.continue_run(run_id)
    return run.weights_step


@pytest.mark.parametrize("how", [(0, 5), (7, 3)], ids=["", "patience"])
@pytest.mark.parametrize("name", ["mlp-batch-adamw-contexts", "gru-sgd-words", "transformer-adamw-examples"])
def test_a_stored_run_goes_on_from_its_last_save(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, name: str, how: tuple[int, int]
) -> None:
    """Stopped, or cut off several steps after it was saved, time after time; its curve is that of one training."""
    monkeypatch.setattr(execution, "TICK_SECONDS", 0.0)
    monkeypatch.setattr(execution, "SAVE_SECONDS", 1e9)
    monkeypatch.setattr(execution, "SAVE_SHARE", 1.0)
    model, config = CASES[name]
    config = config.replace(max_steps=30, batch_size=8, patience=how[0], check_every=how[1])
    sha256 = store.add_corpus(corpus_from_words(WORDS, "names"))
    run = store.create(RunConfig(corpus_sha256=sha256, model=model, train=config))
    saved = [cut_short(store, run.id, at, saves=saves) for at, saves in ((5, False), (10, True), (17, False))]
    assert saved[0] == 0 and 10 <= saved[1] == saved[2] < 17
    ended, history = run_inline(store, run.id), store.history(run.id)
    tensors, losses = whole(model, config, data(model))
    state = load_tensors(store.train_state(run.id) or b"")
    assert {name: tensor.tolist() for name, tensor in state.items()} == tensors
    assert (ended.state, ended.step) == (RunState.FINISHED, max(losses))
    for step, *measured in history[["step", *SHOWN]].itertuples(index=False):
        known = {name: loss for name, loss in zip(SHOWN, measured, strict=True) if not math.isnan(loss)}
        assert known.items() <= losses[step].items()
    assert history.batch_loss.notna().sum() >= len(history) - 1, "none at step 0 only"
