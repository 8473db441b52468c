"""The training loop, as a generator: ``for step in train(...)`` runs it, ``break`` stops it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from . import compiled
from .architectures.interface import is_statistic
from .backprop import Gradients, gradients_of
from .checkpoint import TensorUpdate
from .config import TrainConfig
from .contexts import share
from .dataset import Dataset
from .evaluation import evaluate_splits, expected_seconds, losses_on
from .fields import require
from .losses import SHOWN
from .model import Model, views
from .optimizer import Update, update
from .presets import calmer_rate
from .samplers import SAMPLERS, Sampler
from .schedules import learning_rate_at
from .train_state import TrainState

FIRST_SECONDS = 2.0  # that the exact losses before the first update may take
EARLY_SECONDS = 2.0  # that those at round steps may take before their share of the time allows it
HEAD_START = 0.5  # seconds, so that a run's first moments can be evaluated


@dataclass(frozen=True, kw_only=True)
class Step:
    """What training has to say at one moment. Numbers only; losses in nats per character."""

    step: int  # updates done
    learning_rate: float  # of the next update; after the last one, of the last
    seconds: float  # training and evaluating since this call began
    batch_loss: float | None = None  # mean over the updates since the last Step
    train_loss: float | None = None  # exact, as all below; None where this Step was not evaluated
    val_loss: float | None = None
    val_loss_unseen: float | None = None
    updates: Mapping[str, TensorUpdate] | None = None  # by tensor, of the update just done; at the steps of Pace.at

    @property
    def losses(self) -> dict[str, float]:
        """The exact losses, as far as they were measured."""
        return {name: loss for name in SHOWN if (loss := getattr(self, name)) is not None}


@dataclass(frozen=True, kw_only=True)
class Pace:
    """When a training run reports. Never changes the weights.

    ``every`` updates if given: the same curve on every machine. Otherwise by the clock: often at first, when the
    loss falls, later every ``seconds``; evaluated as long as evaluations take no more than ``share`` of the time.
    At round steps (:func:`is_round`) it reports on every machine, so that curves have the same places, and evaluates
    there as long as that takes no more than ``early`` seconds beyond its share. At the steps ``at`` it reports too,
    though without exact losses unless it is time for them.
    """

    every: int | None = None
    seconds: float = 0.2
    share: float = 0.2
    at: frozenset[int] = frozenset()
    first: float = FIRST_SECONDS  # that the exact losses before the first update may take; longer ones wait their turn
    early: float = EARLY_SECONDS  # that those at round steps may take beyond their share, which is small at first
    head_start: float = HEAD_START  # seconds that count as passed when it begins: what evaluations have a share of
    losses: bool = True  # False: no exact losses at all, for a caller that only wants the speed or the weights

    def __post_init__(self) -> None:
        require(self.every is None or self.every >= 1, "every", "at least 1 update", self.every)
        require(self.seconds >= 0, "seconds", "at least 0", self.seconds)
        require(0 <= self.share <= 1, "share", "from 0 to 1", self.share)
        require(self.first >= 0, "first", "at least 0 seconds", self.first)
        require(self.early >= 0, "early", "at least 0 seconds", self.early)
        require(self.head_start >= 0, "head_start", "at least 0 seconds", self.head_start)


def is_round(step: int) -> bool:
    """Whether a step is 1, 2 or 5 times a power of ten: evenly spaced on a logarithmic axis, whatever the length."""
    return str(step).rstrip("0") in ("1", "2", "5")


class TrainingDiverged(RuntimeError):
    """The loss stopped being a finite number. The state holds the last weights whose loss was finite."""

    def __init__(self, step: int, learning_rate: float, calmer: float) -> None:
        self.step, self.learning_rate, self.calmer = step, learning_rate, calmer
        super().__init__(
            f"The loss was no longer a finite number at step {step:,} with learning_rate {learning_rate:g}. "
            f"Try a learning_rate of {calmer:g}."
        )

    def __reduce__(self) -> tuple[type[TrainingDiverged], tuple[int, float, float]]:
        return type(self), (self.step, self.learning_rate, self.calmer)  # it crosses processes


class _Reporter:
    """Decides when to report and evaluate, and makes the Steps."""

    def __init__(self, state: TrainState, dataset: Dataset, pace: Pace, stop: Callable[[], bool]) -> None:
        self.state, self.dataset, self.pace, self.stop = state, dataset, pace, stop
        self.began = self.reported = time.perf_counter()
        self.evaluating = 0.0
        self.losses: list[float] = []

    def due(self) -> bool:
        """Whether it is time for a Step."""
        if self.pace.every is not None:
            return self.state.step % self.pace.every == 0
        now = time.perf_counter()
        often = min(self.pace.seconds, 0.01 + 0.15 * (now - self.began))
        return is_round(self.state.step) or now - self.reported >= often

    def affordable(self) -> bool:
        """Whether evaluating now keeps evaluations within their share of the time."""
        elapsed = time.perf_counter() - self.began + self.pace.head_start
        allowed = self.pace.share * elapsed + (self.pace.early if is_round(self.state.step) else 0.0)
        return self.pace.every is not None or self.evaluating <= allowed

    def quick(self) -> bool:
        """Whether the losses before the first update come at once; others wait their turn, as if just measured."""
        if self.pace.every is not None or not self.pace.losses or self.stop():
            return True
        expected = expected_seconds(self.state.model, self.dataset, tries=2 if self.pace.first else 1)
        self.evaluating = expected if expected > self.pace.first else 0.0
        return not self.evaluating

    def step(self, *, evaluated: bool, due: bool = True) -> Step:
        start, state = time.perf_counter(), self.state
        exact: dict[str, Any] = {}
        if evaluated and self.pace.losses:
            exact = evaluate_splits(state.model, self.dataset, test=False, stop=self.stop)
        now = time.perf_counter()
        self.evaluating += now - start
        mean = sum(self.losses) / len(self.losses) if self.losses else None
        self.losses, self.reported = [], now if due else self.reported
        rate = learning_rate_at(state.config, min(state.step, state.config.max_steps - 1))
        return Step(step=state.step, learning_rate=rate, seconds=now - self.began, batch_loss=mean, **exact)


def train(
    state: TrainState,
    dataset: Dataset,
    *,
    pace: Pace | None = None,
    autograd: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Step]:
    """Train ``state`` in place; yields a :class:`Step` now, from time to time, and at the end.

    Between two Steps the state is the caller's: evaluate it, copy it, stop. The weights depend on the
    configs, the dataset, the machine and the number of threads, and on nothing else. That number is the
    caller's too, as it is the whole process's: ``with torch_threads(config.threads):``. Gradients are those
    derived by hand where there are some; with ``autograd`` they are PyTorch's, the same up to rounding, and so is what
    is compiled where the config says so.

    Parameters
    ----------
    stop : asked every fraction of a second while losses are computed, which may take minutes: if it says so, the
        Step comes at once and has none.

    Raises
    ------
    TrainingDiverged
        When a loss is not finite.
    ValueError
        For a config that is to be compiled where Numba is not installed.
    """
    config, model = state.config, state.model
    sample, gradients, move = parts_of(state, dataset, autograd=autograd)
    dropout = state.generators["dropout"]
    report, finite = _Reporter(state, dataset, pace or Pace(), stop), _Finite(state)
    _check(state, dataset, stop)
    if state.step < config.max_steps and not state.out_of_patience:
        yield report.step(evaluated=report.quick())
    while state.step < config.max_steps and not state.out_of_patience:
        contexts, targets = sample(state.generators["batches"])
        loss = gradients(contexts, targets, dropout)  # forward, loss, backward
        finite.check(loss)
        finite.remember()
        move(state, gradients.gradient, learning_rate_at(config, state.step))
        state.step += 1
        report.losses.append(loss)
        state.check_due = _is_check(config, state.step)
        _check(state, dataset, stop)
        due, wanted = report.due() or state.check_due, state.step in report.pace.at
        if state.step < config.max_steps and not state.out_of_patience and (due or wanted):
            updates = _updates(model, finite.flat, gradients) if wanted else None
            step = report.step(evaluated=due and report.affordable(), due=due)
            finite.check(step.train_loss)
            yield replace(step, updates=updates)
    updates = _updates(model, finite.flat, gradients) if state.step in report.pace.at and report.losses else None
    if state.best is not None and not state.check_due:
        model.flat.copy_(state.best)
    last = report.step(evaluated=True)
    finite.check(last.train_loss)  # the last update may have been the one that went too far
    yield replace(last, updates=updates)


def parts_of(state: TrainState, dataset: Dataset, *, autograd: bool = False) -> tuple[Sampler, Gradients, Update]:
    """What draws a state's batches, what computes its gradients, and what moves its parameters; compiled if it says so.

    Raises
    ------
    ValueError
        If it says so and cannot be, as Numba is not installed; or for a dataset that the model cannot read.
    """
    config = state.config
    if config.compiled:
        steps = compiled.load(state.model.config)
        parts: tuple[Sampler, Gradients, Update] = steps.parts(state, dataset.train, autograd=autograd)
        return parts
    sample = SAMPLERS[config.sampler](dataset.train, config.batch_size)
    return sample, gradients_of(state.model, config.batch_size, autograd=autograd), update


def _updates(model: Model, before: Tensor, gradients: Gradients) -> dict[str, TensorUpdate]:
    """What the update from the flat weights ``before`` did to each tensor, whatever optimiser made it."""
    old, found = views(before, model.config.shapes(model.vocab_size)), {}
    for name, tensor in model.tensors.items():
        if not is_statistic(name):
            spread, gradient = tensor.std(correction=0).item(), gradients.gradients[name]
            moved = (tensor - old[name]).std(correction=0).item()
            slope = gradient.std(correction=0).item()
            found[name] = TensorUpdate(moved / spread if spread else math.nan, gradient.mean().item(), slope)
    return found


class _Finite:
    """The last weights whose loss was a finite number, to go back to when one is not."""

    def __init__(self, state: TrainState) -> None:
        self.state, self.flat, self.step = state, state.model.flat.clone(), state.step

    def remember(self) -> None:
        self.flat.copy_(self.state.model.flat)
        self.step = self.state.step

    def check(self, loss: float | None) -> None:
        """Go back and raise :class:`TrainingDiverged` unless the loss is finite (or was not measured)."""
        if loss is None or math.isfinite(loss):
            return
        state, diverged_at = self.state, self.state.step
        state.model.flat.copy_(self.flat)
        state.step = self.step
        rate = state.config.learning_rate
        raise TrainingDiverged(diverged_at, rate, calmer_rate(state.model.config, state.config))


def _is_check(config: TrainConfig, step: int) -> bool:
    """Whether early stopping looks at validation after so many updates."""
    return config.patience > 0 and (step % config.check_every == 0 or step >= config.max_steps)


def _check(state: TrainState, dataset: Dataset, stop: Callable[[], bool]) -> None:
    """Early stopping: remember the weights if validation improved. A check that is left for a stop stays due."""
    if not state.check_due:
        return
    loss = losses_on(state.model, share({"val_loss": dataset.val.counts}), stop).get("val_loss", math.nan)
    if math.isnan(loss) and stop():
        return  # the caller is asked at once, and who goes on from here begins with it
    state.check_due = False
    if loss < state.best_loss:
        state.best, state.best_loss, state.checks_since_best = state.model.flat.clone(), loss, 0
    else:
        state.checks_since_best += 1
