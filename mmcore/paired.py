"""What a sweep has found, seed by seed: means over seeds, the paired difference of two settings, and the winner.

All of it is about the validation loss of runs that have finished. A run that failed or diverged has none: it is
counted as such and never as a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .store import Run, RunState
from .sweeps import Sweep

Key = tuple[Any, ...]
"""A setting's values, in the order of the sweep's axes."""
Losses = Mapping[int, float]
"""Validation losses by seed, nats per character."""

FEWEST_PAIRS = 3  # of two, resampling gives three different means: no interval
RESAMPLES = 9_999
BOOTSTRAP_SEED = 1
CONFIDENCE = 0.95


def runs_by_setting(sweep: Sweep, runs: Iterable[Run]) -> dict[Key, dict[int, Run]]:
    """The run of each setting with each seed; settings in the order of the grid, else of their first run.

    Of runs alike it is the one that has finished, else the newest. A run that was trained for longer than the sweep
    says is not among them, nor is one with a seed or a value that the sweep does not have any more.
    """
    grid = sweep.method == "grid"
    found: dict[Key, dict[int, Run]] = {tuple(setting.values()): {} for setting in sweep.grid()} if grid else {}
    for run in sorted(runs, key=lambda run: (run.created, run.id)):
        setting, seed = sweep.setting_of(run.config), run.config.train.seed
        key = tuple(setting.values())
        if seed not in sweep.seeds or (grid and key not in found) or run.config != sweep.config(setting, seed):
            continue
        earlier = found.setdefault(key, {}).get(seed)
        if earlier is None or earlier.state is not RunState.FINISHED or run.state is RunState.FINISHED:
            found[key][seed] = run
    return found


def val_losses(runs: Mapping[int, Run]) -> dict[int, float]:
    """The validation loss of each seed that has finished with a finite one."""
    known = {seed: run.losses.get("val_loss", math.nan) for seed, run in runs.items() if run.state is RunState.FINISHED}
    return {seed: loss for seed, loss in sorted(known.items()) if math.isfinite(loss)}


def without_loss(runs: Mapping[int, Run]) -> list[int]:
    """The seeds that failed, or finished with no finite loss: they diverged, or met an error."""
    over = {seed for seed, run in runs.items() if run.state in (RunState.FINISHED, RunState.FAILED)}
    return sorted(over - set(val_losses(runs)))


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean over seeds with its standard error, which is NaN below two seeds."""

    mean: float
    error: float
    seeds: int


def mean_of(losses: Iterable[float]) -> Mean | None:
    """The mean and s / √n, s being the sample standard deviation (n − 1); None of none."""
    values = np.fromiter(losses, dtype=np.float64)
    if not len(values):
        return None
    error = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return Mean(mean=float(values.mean()), error=error, seeds=len(values))


def averaged(settings: Sequence[Losses]) -> dict[int, float]:
    """For each seed that all of several settings have, the mean of their losses.

    A mean over what each happens to have would compare settings with different neighbours.
    """
    seeds = reduce(set.intersection, (set(losses) for losses in settings)) if settings else set()
    return {seed: float(np.mean([losses[seed] for losses in settings])) for seed in sorted(seeds)}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The validation loss of A minus that of B over the seeds that both have; negative where A is better.

    ``low`` and ``high``: the 95 % bootstrap interval of the mean; NaN below :data:`FEWEST_PAIRS` pairs.
    """

    seeds: tuple[int, ...]
    mean: float
    low: float
    high: float

    @property
    def pairs(self) -> int:
        """How many seeds both have."""
        return len(self.seeds)

    @property
    def undecided(self) -> bool:
        """Whether the interval includes 0."""
        return self.low <= 0 <= self.high


def paired_difference(a: Losses, b: Losses) -> Difference:
    """How much higher the validation loss of A is than that of B, seed by seed.

    The same seed draws the same initial weights where sizes allow, and the same batches, on the same split: what the
    seed does to both cancels, which makes the interval narrower than that of two separate means.

    Notes
    -----
    The interval is the percentile bootstrap of the mean of the pairs' differences (Efron 1979), as
    ``scipy.stats.bootstrap(paired=True)`` computes it, with a seed of its own: the same losses give the same
    interval. With few pairs it is too narrow, see :data:`COVERAGE`. The bias-corrected and the basic bootstrap
    cover no better there.
    """
    seeds = tuple(sorted(set(a) & set(b)))
    ours, theirs = (np.array([losses[seed] for seed in seeds]) for losses in (a, b))
    mean = float((ours - theirs).mean()) if seeds else math.nan
    low, high = interval(ours, theirs) if len(seeds) >= FEWEST_PAIRS else (math.nan, math.nan)
    return Difference(seeds=seeds, mean=mean, low=float(low), high=float(high))


def interval(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of the bootstrap interval of the mean of ``a − b`` along the last axis."""
    from scipy.stats import bootstrap  # half a second and more: only who compares waits for it

    found = bootstrap(
        (a, b),
        lambda ours, theirs, axis: (ours - theirs).mean(axis=axis),
        paired=True,
        vectorized=True,
        axis=-1,
        n_resamples=RESAMPLES,
        batch=max(1, 2_000_000 // max(1, a.size)),
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(BOOTSTRAP_SEED),
    ).confidence_interval
    return found.low, found.high


COVERAGE: Mapping[int, float] = {3: 0.75, 4: 0.79, 5: 0.84, 6: 0.86, 8: 0.89, 10: 0.90, 15: 0.92, 20: 0.93}
"""How often the interval holds the true difference, by the number of pairs.

Simulated with normal differences, 20,000 experiments each. It should be 0.95; a mean of so few values varies more than
resampling them shows.
"""


ROUGH = 0.93  # an interval that holds the difference less often is called rough


def coverage(pairs: int) -> float:
    """How often the interval of so many pairs holds the true difference, as far as simulated: at least that often."""
    return COVERAGE[max(count for count in COVERAGE if count <= pairs)]


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The setting with the lowest mean validation loss of those that have finished with every seed."""

    key: Key
    runs: Mapping[int, Run]
    val: Mean
    complete: int  # settings with every seed
    settings: int  # all that have a run, or are to have one


def winner(sweep: Sweep, found: Mapping[Key, Mapping[int, Run]]) -> Winner | None:
    """Chosen by validation alone; None while no setting has a loss for every seed.

    A setting that has not finished with every seed, or diverged with one, could be the lowest by luck.
    """
    complete = {key: val_losses(runs) for key, runs in found.items() if len(val_losses(runs)) == len(sweep.seeds)}
    means = {key: mean for key, losses in complete.items() if (mean := mean_of(losses.values()))}
    if not means:
        return None
    key = min(means, key=lambda key: means[key].mean)
    return Winner(key=key, runs=found[key], val=means[key], complete=len(complete), settings=len(found))
