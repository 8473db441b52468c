"""Throw-away models: settings in, everything worth drawing out, within half a second.

They are the results of a function call, not runs: nothing is stored until somebody keeps one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from . import compiled
from .config import RunConfig
from .dataset import Dataset, build_dataset
from .fields import require
from .jobs import Withdrawn, Worker
from .store import Progress, Run, RunState, RunStore, SavedWeights, new_token
from .store.schema import HISTORY

SHARE = 0.6  # of a time budget that goes into updates; the rest evaluates, samples and draws
UNTIMED, TIMED = 3, 12  # updates to measure a speed with
MIN_STEPS, MAX_STEPS = 10, 100_000
KEPT = 4  # a model has the steps asked for if they take up to so many times its budget, or down to so small a part
SAMPLES, SAMPLE_SEED = 12, 1
LOSSES = 0.15  # of the time of training, for the exact losses on the way
EARLY = 0.1  # seconds that those at round steps may take beyond it
MOST_SECONDS = 20.0  # that a model may train for on the worker that all visitors share
GRACE_SECONDS = 10.0  # beyond them, for what does not look at the clock: the dataset and the losses
COMPILING_SECONDS = 180.0  # that a machine may take for what it compiles once


@dataclass(frozen=True, kw_only=True)
class Play:
    """A trained throw-away model and what there is to see of it."""

    config: RunConfig
    curve: pd.DataFrame  # as RunStore.history
    losses: dict[str, float]  # SHOWN; the test split is not looked at
    samples: list[str]
    weights: bytes  # an artifact
    parameters: int
    step: int
    seconds: float  # from the request's start to here


class BudgetTooSmall(ValueError):
    """A time budget allows next to no update of such a model; :attr:`needed` seconds would allow a few."""

    def __init__(self, title: str, budget: float, each: float, measuring: float) -> None:
        self.parts = (title, budget, each, measuring)
        self.needed = MIN_STEPS * each + measuring
        super().__init__(
            f"budget must be at least {self.needed:.1f} seconds for this {title}, got {budget:g}: an update takes "
            f"{1000 * each:.1f} ms here, and the losses before and after {measuring:.1f} s."
        )

    def __reduce__(self) -> tuple[type[BudgetTooSmall], tuple[str, float, float, float]]:
        return type(self), self.parts  # it crosses processes


class TooManySteps(ValueError):
    """Training had to end before its last step, because of a limit in seconds."""

    def __init__(self, title: str, limit: float, step: int, steps: int) -> None:
        self.parts = (title, limit, step, steps)
        most = max(1, int(float(f"{0.9 * step:.1g}")))
        super().__init__(
            f"steps must be at most about {most:,} for this {title}, got {steps:,}: a model may train for {limit:g} s "
            f"here, and that was enough for {step:,} updates."
        )

    def __reduce__(self) -> tuple[type[TooManySteps], tuple[str, float, int, int]]:
        return type(self), self.parts  # it crosses processes


def play(
    config: RunConfig, dataset: Dataset, *, limit: float = math.inf, wanted: Callable[[], bool] = lambda: True
) -> Play:
    """Train a model from scratch. The same config gives the same weights.

    Parameters
    ----------
    limit : seconds that training may take.
    wanted : asked from time to time whether to go on.

    Raises
    ------
    TrainingDiverged
        If the loss stops being finite.
    TooManySteps
        If the limit comes before the last step.
    Withdrawn
        If it is no longer wanted.
    """
    from .export.artifact import Artifact
    from .sample import drawn_words
    from .train_state import TrainState
    from .training import Pace, train

    began = time.perf_counter()
    state = TrainState(config.model, config.train, dataset.vocab.size)
    steps = []
    for step in train(state, dataset, pace=Pace(seconds=0.04, share=LOSSES, early=EARLY), stop=lambda: not wanted()):
        steps.append(step)
        if not wanted():
            raise Withdrawn
        if step.seconds > limit and step.step < config.train.max_steps:
            raise TooManySteps(config.model.title, limit, step.step, config.train.max_steps)
    curve = pd.DataFrame([{name: getattr(step, name) for name in HISTORY} for step in steps], dtype="float64")
    losses = steps[-1].losses
    words = drawn_words(state.model, dataset.vocab, SAMPLES, SAMPLE_SEED)
    weights = Artifact(state.model, dataset.vocab, config, losses, state.step, dataset.cleaning).to_bytes()
    seconds = time.perf_counter() - began
    return Play(
        config=config,
        curve=curve,
        losses=losses,
        samples=words,
        weights=weights,
        parameters=config.model.parameters(dataset.vocab.size),
        step=state.step,
        seconds=seconds,
    )


def steps_within(budget: float, config: RunConfig, dataset: Dataset) -> int:
    """How many updates fit into ``budget`` seconds on this machine now, measured on a copy; two significant digits.

    The number is what makes a result reproducible: put it into the config, not the budget.

    Raises
    ------
    BudgetTooSmall
        If the losses before and after leave no time for :data:`MIN_STEPS` updates.
    """
    from .evaluation import expected_seconds
    from .train_state import TrainState
    from .training import Pace, train

    require(0.05 <= budget <= 60, "budget", "from 0.05 to 60 seconds", budget)
    trial = config.train.replace(max_steps=MAX_STEPS, patience=0, learning_rate=1e-6)
    state, marks = TrainState(config.model, trial, dataset.vocab.size), []
    for step in train(state, dataset, pace=Pace(every=1, losses=False)):
        marks.append(time.perf_counter())
        if step.step == UNTIMED + TIMED:
            break
    times = sorted(after - before for before, after in zip(marks[UNTIMED:], marks[UNTIMED + 1 :], strict=False))
    each, measuring = times[len(times) // 2], 2 * expected_seconds(state.model, dataset)
    least = MIN_STEPS * each + measuring
    if budget < least:
        raise BudgetTooSmall(config.model.title, budget, each, measuring)
    left = (1 - LOSSES) * (budget - measuring - EARLY)
    steps = min(SHARE * budget, left) / each
    return int(float(f"{min(max(steps, MIN_STEPS), MAX_STEPS):.2g}"))


def steps_for(budget: float, config: RunConfig, dataset: Dataset) -> int:
    """The config's own steps if they take about ``budget`` seconds (:data:`KEPT`), else as many as fit.

    Models that are compared must have the same number of updates, whatever one of them takes.
    """
    fitting, own = steps_within(budget, config, dataset), config.train.max_steps
    return own if fitting / KEPT <= own <= fitting * KEPT else fitting


def request(
    worker: Worker, store_url: str, config: RunConfig, budget: float | None = None, withdrawn: Path | None = None
) -> Play:
    """What a worker is given: :func:`play`, with steps for ``budget`` seconds if there is a budget.

    It ends when the file ``withdrawn`` appears, and has at most :data:`MOST_SECONDS` to train.
    """
    if config.train.compiled:
        with worker.ended_after(COMPILING_SECONDS), worker.threads(config.train.threads):
            compiled.load(config.model)  # or it is compiled now: before a clock runs
    with worker.ended_after(MOST_SECONDS + GRACE_SECONDS), worker.threads(config.train.threads):
        dataset = worker.dataset(config, lambda: worker.store(store_url).corpus(config.corpus_sha256))
        if budget is not None:
            config = config.replace(train=config.train.replace(max_steps=steps_for(budget, config, dataset)))
        wanted = (lambda: True) if withdrawn is None else lambda: not withdrawn.exists()
        return play(config, dataset, limit=MOST_SECONDS, wanted=wanted)


def keep(store: RunStore, kept: Play, name: str | None = None, owner: str | None = None) -> Run:
    """Store a throw-away model as a finished run, with its curve, samples and weights."""
    from .evaluation import evaluate_splits
    from .export.artifact import load
    from .training import Step

    config, token = kept.config, new_token()
    dataset = build_dataset(store.corpus(config.corpus_sha256), config.split, config.model.context_size)
    losses = evaluate_splits(load(kept.weights).model, dataset, test=True)
    points = [Step(**_known(row)) for row in kept.curve.to_dict("records")]
    run = store.create(config, name=name, owner=owner, token=token)
    saved = SavedWeights(weights=kept.weights, losses=losses)
    last = Progress(points=points, samples=(kept.step, kept.samples), saved=saved)
    store.finish(run.id, token, RunState.FINISHED, last)
    return store.run(run.id)


def _known(row: Mapping[Hashable, float]) -> dict[str, Any]:
    """A curve's row as a Step's fields: absent where nothing was measured."""
    measured = {str(name): value for name, value in row.items() if not math.isnan(value)}
    return measured | {"step": int(measured["step"])}
