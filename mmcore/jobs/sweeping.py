"""Sweeps under way: which runs each has next, and giving them to the store as others end."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterable, Sequence

from ..config import RunConfig
from ..search import Tried, next_setting
from ..store import Run, RunFilter, RunState, RunStore, StoredSweep, SweepRun, SweepState
from ..store.digest import digest
from ..sweeps import Sweep

AHEAD = 3  # runs of a sweep that wait or run, for each worker: enough that none has to wait for the next
LIVE = (RunState.QUEUED, RunState.RUNNING, RunState.STOPPING)
MOST_INTERRUPTIONS = 3  # of one run, by this process's count, before its sweep stops


class Sweeping:
    """Lets the active sweeps of a store go on. Several may do so for one store: each run is still added once."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self._interrupted: Counter[str] = Counter()

    def advance(self, workers: int, only: str | None = None) -> bool:
        """See what each active sweep, or only one, needs for so many workers; whether any has got a run."""
        active = self.store.sweeps(SweepState.ACTIVE)
        return any([self._advance(stored, workers) for stored in active if only in (None, stored.id)])

    def _advance(self, stored: StoredSweep, workers: int) -> bool:
        if self.store.count(RunFilter(sweep=stored.id, states=LIVE)) > (AHEAD - 1) * workers:
            return False
        runs = self.store.sweep_runs(stored.id)
        live = sum(run.state in LIVE for run in runs)
        try:
            continued = self._continue([run for run in runs if run.state is RunState.INTERRUPTED])
            room = AHEAD * max(workers, 1) - live - continued
            wanted = [] if _spent(stored.config, runs) else self._next(stored, runs, room, workers)
            if wanted:
                return bool(self.store.add_to_sweep(stored.id, wanted, known=len(runs)))
        except ValueError as problem:  # such as no more room for its owner's runs
            self.store.set_sweep_state(stored.id, SweepState.STOPPED, str(problem))
            return False
        if not live and not continued:
            self.store.set_sweep_state(stored.id, SweepState.FINISHED)
        return bool(continued)

    def _continue(self, runs: Iterable[SweepRun]) -> int:
        """Let runs go on whose worker or server has gone, unless they are what ends it."""
        count = 0
        for run in runs:
            self._interrupted[run.id] += 1
            if self._interrupted[run.id] > MOST_INTERRUPTIONS:
                raise ValueError(f"run {run.id} ended its worker {MOST_INTERRUPTIONS} times: too large, or damaged?")
            self.store.continue_run(run.id)
            count += 1
        return count

    def _next(
        self, stored: StoredSweep, runs: Sequence[SweepRun], room: int, workers: int
    ) -> list[tuple[RunConfig, str]]:
        sweep = stored.config
        if sweep.method == "grid":
            have = {run.config_digest for run in runs}
            return [(config, name) for key, config, name in planned(sweep) if key not in have][: max(0, room)]
        tried = settings_tried(sweep, self.store.runs(RunFilter(sweep=stored.id)))
        missing = [one.setting for one in tried if len(_missing(sweep, one.setting, runs)) > 0]
        if not missing and len(tried) < sweep.settings_to_try and sum(not one.ended for one in tried) < workers:
            drawn = next_setting(sweep, tried)
            missing = [drawn] if drawn else []
        return [pair for setting in missing for pair in _missing(sweep, setting, runs)]


def _missing(sweep: Sweep, setting: object, runs: Sequence[SweepRun]) -> list[tuple[RunConfig, str]]:
    """The runs that a setting lacks, one for each seed that it has none with."""
    have = {run.config_digest for run in runs}
    pairs = [named(sweep, setting, seed) for seed in sweep.seeds]  # type: ignore[arg-type]
    return [(config, name) for config, name in pairs if digest(config) not in have]


def _spent(sweep: Sweep, runs: Iterable[SweepRun]) -> bool:
    return bool(sweep.minutes) and sum(run.seconds for run in runs) >= 60 * sweep.minutes


def named(sweep: Sweep, setting: dict[str, object], seed: int) -> tuple[RunConfig, str]:
    """The run of a setting and a seed, and what it is called."""
    said = sweep.said(setting)
    return sweep.config(setting, seed), said if len(sweep.seeds) == 1 else f"{said}, seed {seed}"


@functools.lru_cache(maxsize=8)
def planned(sweep: Sweep) -> tuple[tuple[str, RunConfig, str], ...]:
    """Every run of a grid as (digest, config, name): the first seed of every setting, then the next seed."""
    pairs = (named(sweep, setting, seed) for seed in sweep.seeds for setting in sweep.grid())
    return tuple((digest(config), config, name) for config, name in pairs)


def settings_tried(sweep: Sweep, runs: Sequence[Run]) -> list[Tried]:
    """The settings of some runs, in the order of their first, and the mean validation loss of each.

    One has ended when its runs have: those that failed count for nothing.
    """
    found: dict[tuple[object, ...], list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.created, run.id)):
        found.setdefault(tuple(sweep.setting_of(run.config).values()), []).append(run)
    names = [axis.name for axis in sweep.axes]
    tried = []
    for values, of_setting in found.items():
        losses = [run.losses["val_loss"] for run in of_setting if run.state is RunState.FINISHED and run.losses]
        ended = not any(run.state in LIVE for run in of_setting)
        mean = math.fsum(losses) / len(losses) if losses and ended else None
        tried.append(Tried(setting=dict(zip(names, values, strict=True)), loss=mean, ended=ended))
    return tried
