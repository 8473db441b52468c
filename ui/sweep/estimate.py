"""What the runs of a sweep will take: how many there are, how many are there already, time and room."""

from __future__ import annotations

import contextlib
import itertools
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mmcore import cost
from mmcore.config import RunConfig
from mmcore.corpus import Corpus
from mmcore.cost import Estimate, amount
from mmcore.jobs import WORKERS
from mmcore.store import RunFilter, RunState
from mmcore.sweeps import Axis, Sweep
from ui import session, visitor

LOOKED_AT = 60  # settings of a sweep, evenly taken, that say what all of them take
LOOKED_UP = 1_000  # runs up to which those that are there already are counted
AT_ONCE = 500  # that the store is asked about
SPEEDS = Sequence[tuple[RunConfig, int, float]]  # config, steps and seconds of earlier runs


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What starting a sweep means."""

    runs: int
    there: int  # of these, runs that the store has already
    time: Estimate  # until the last one ends
    stored: int  # bytes

    def __str__(self) -> str:
        there = f"{self.there:,} of them {'is' if self.there == 1 else 'are'} there already. " if self.there else ""
        return f"{there}{WORKERS} at a time: {self.time}. They take about {amount(self.stored, 2)} in the store."


def plan(sweep: Sweep, corpus: Corpus) -> Plan:
    """What a sweep will take; ``ValueError`` where one of its runs, or all together, would take too much."""
    typical = settings_of(sweep)
    costs = [cost.accept(config, corpus.report, 0) for config in typical]
    there = _there(sweep)
    left = sweep.run_count - there
    stored = int(sum(each.stored for each in costs) / len(costs) * left)
    visitor.usage().check(waiting=min(1, left), stored=stored)
    size = session.vocab(corpus.sha256).size
    return Plan(
        runs=sweep.run_count, there=there, time=time_of(sweep, left, size, session.earlier_runs()), stored=stored
    )


def time_of(sweep: Sweep, runs: float, vocab_size: int, earlier: SPEEDS, *, spent: float = 0.0) -> Estimate:
    """Until so many of a sweep's runs have ended, with so many seconds of its budget spent already."""
    each = [cost.expected_time(config, vocab_size, earlier) for config in settings_of(sweep)]
    seconds = sum(one.seconds for one in each) / len(each) * runs
    if sweep.minutes:
        seconds = min(seconds, max(0.0, 60 * sweep.minutes - spent))
    return Estimate(seconds / WORKERS, measured=all(one.measured for one in each))


@lru_cache(maxsize=32)
def settings_of(sweep: Sweep) -> tuple[RunConfig, ...]:
    """A run of each setting, or of some drawn ones that stand for many; of a range its ends and its middle."""
    values = [_values(axis) for axis in sweep.axes]
    settings: Iterable[tuple[Any, ...]] = itertools.product(*values)
    if math.prod(map(len, values)) > LOOKED_AT:
        draw = random.Random(0)
        settings = [tuple(map(draw.choice, values)) for _ in range(LOOKED_AT)]
    found = []
    for setting in settings:
        with contextlib.suppress(ValueError):  # what a random sweep draws may not fit together
            found.append(sweep.config({axis.name: value for axis, value in zip(sweep.axes, setting, strict=True)}, 1))
    return tuple(found) or (sweep.base,)


def _values(axis: Axis) -> tuple[Any, ...]:
    if axis.low is None or axis.high is None:
        return axis.values
    middle = (axis.low * axis.high) ** 0.5 if axis.log else (axis.low + axis.high) / 2
    return axis.low, round(middle) if isinstance(axis.low, int) else middle, axis.high


def _there(sweep: Sweep) -> int:
    """How many of its runs the store has, whoever trained them."""
    if sweep.method != "grid" or sweep.run_count > LOOKED_UP:
        return 0
    configs = [sweep.config(setting, seed) for setting in sweep.grid() for seed in sweep.seeds]
    parts = (configs[i : i + AT_ONCE] for i in range(0, len(configs), AT_ONCE))
    others = [state for state in RunState if state is not RunState.FAILED]
    found = (session.store().runs(RunFilter(configs=part, states=others)) for part in parts)
    return len({run.config for runs in found for run in runs})
