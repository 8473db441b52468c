"""The learning-rate range test, the lecture's search: one short training whose rate climbs at every update."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .architectures.interface import ModelConfig
from .backprop import gradients_of
from .config import RunConfig, TrainConfig
from .dataset import Dataset
from .fields import require
from .jobs import Withdrawn, Worker
from .optimizer import update
from .samplers import SAMPLERS
from .train_state import TrainState

HALF_LIFE = 0.06  # of a power of ten, 20 updates of 1,000: a batch's loss is noisy, its trend over that is not
SPOILT = 4.0  # times the lowest smoothed loss: from there on the test only shows that it diverges
TIMED = 9  # updates, to tell how long one takes
GRACE_SECONDS = 10.0  # for what does not look at the clock: the dataset and the first updates
NEAR = 0.02  # of the whole fall: what counts as the bottom of the valley


def learning_rate_range_test(
    model: ModelConfig,
    config: TrainConfig,
    dataset: Dataset,
    *,
    steps: int = 1_000,
    low: float = -3.0,
    high: float = 0.0,
) -> Iterator[tuple[float, float]]:
    """Train a fresh model with the rates ``10 ** linspace(low, high, steps)``; yields (rate, batch loss).

    Everything but rate and schedule is as in ``config``. Ends early where the loss is no number or four times the
    lowest. The caller owns the loop: ``break`` stops it.
    """
    require(10 <= steps <= 100_000, "steps", "from 10 to 100,000", steps)
    require(low < high, "low", f"below high ({high:g})", low)
    state = TrainState(model, config, dataset.vocab.size)
    gradients = gradients_of(state.model, config.batch_size)
    sample = SAMPLERS[config.sampler](dataset.train, config.batch_size)
    keep, smooth, lowest = 0.5 ** ((high - low) / (steps - 1) / HALF_LIFE), math.nan, math.inf
    for rate in np.power(10.0, np.linspace(low, high, steps)).tolist():
        loss = gradients(*sample(state.generators["batches"]), state.generators["dropout"])
        if not math.isfinite(loss):
            return
        yield rate, loss
        smooth = loss if math.isnan(smooth) else keep * smooth + (1 - keep) * loss
        lowest = min(lowest, smooth)
        if smooth > SPOILT * lowest:
            return
        update(state, gradients.gradient, rate)
        state.step += 1


def range_test_steps(seconds: float, model: ModelConfig, config: TrainConfig, dataset: Dataset) -> int:
    """How many updates a range test of so many seconds has on this machine now: at most 1,000, at least 50."""
    marks = []
    for _ in learning_rate_range_test(model, config, dataset):
        marks.append(time.perf_counter())
        if len(marks) == TIMED:
            break
    each = float(np.median(np.diff(marks))) if len(marks) > 1 else 0.0  # others may have had the core meanwhile
    return int(np.clip(seconds / max(each, 1e-9), 50, 1_000))


@dataclass(frozen=True)
class RangeTest:
    """The rates that were tried, the batch loss at each, and how many updates there were to be."""

    rates: list[float]
    losses: list[float]
    steps: int


def request(worker: Worker, store_url: str, config: RunConfig, seconds: float, withdrawn: Path) -> RangeTest:
    """What a worker is given: a range test with updates for ``seconds``, that ends after twice as many.

    Raises
    ------
    Withdrawn
        When the file ``withdrawn`` appears.
    """
    with worker.ended_after(2 * seconds + GRACE_SECONDS), worker.threads(config.train.threads):
        dataset = worker.dataset(config, lambda: worker.store(store_url).corpus(config.corpus_sha256))
        steps = range_test_steps(seconds, config.model, config.train, dataset)
        pairs, ends = list[tuple[float, float]](), time.monotonic() + 2 * seconds  # the machine may become busy
        for pair in learning_rate_range_test(config.model, config.train, dataset, steps=steps):
            pairs.append(pair)
            if withdrawn.exists():
                raise Withdrawn
            if time.monotonic() > ends:
                break
    return RangeTest([rate for rate, _ in pairs], [loss for _, loss in pairs], steps)


@dataclass(frozen=True)
class RateSuggestion:
    """The smoothed losses, the rate of its lowest point, and the rate to take."""

    smooth: NDArray[np.float64]
    lowest: float
    rate: float


def suggest_rate(rates: Sequence[float], losses: Sequence[float]) -> RateSuggestion:
    """The left edge of the valley: the smallest rate whose smoothed loss is within 2 % of the fall from the lowest.

    The lecture reads the same off by eye. Further right the loss is as low but the run is nearer to diverging.
    """
    require(len(rates) == len(losses) and len(rates) >= 2, "losses", "as many as rates, at least 2", len(losses))
    updates = HALF_LIFE * (len(rates) - 1) / math.log10(rates[-1] / rates[0])
    smooth = pd.Series(losses, dtype=np.float64).ewm(halflife=updates).mean().to_numpy()
    bottom = int(smooth.argmin())
    edge = smooth[bottom] + NEAR * (smooth[: bottom + 1].max() - smooth[bottom])
    first = int((smooth[: bottom + 1] <= edge).argmax())
    return RateSuggestion(smooth, float(rates[bottom]), float(f"{rates[first]:.2g}"))
