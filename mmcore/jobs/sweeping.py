"""Sweeps under way: which runs each has next, and giving them to the store as others end."""

from __future__ import annotations

import itertools
import logging
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ..config import RunConfig
from ..logs import about
from ..search import Tried, next_setting
from ..store import LIVE, Run, RunFilter, RunState, RunStore, StoredSweep, StoreUnavailable, SweepRun, SweepState
from ..store.digest import digest
from ..sweeps import Sweep

log = logging.getLogger(__name__)

AHEAD = 3  # runs of a sweep that wait or run, for each worker: enough that none has to wait for the next
MOST_INTERRUPTIONS = 3  # of one run at the same saved step, by this process's count, before its sweep stops


class Sweeping:
    """Lets the active sweeps of a store go on. Several may do so for one store: each run is still added once."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self._interrupted: Counter[tuple[str, int | None]] = Counter()  # by run and the step it goes on from
        self._plans: dict[str, _Plan] = {}
        self._settled: dict[str, object] = {}  # how a sweep looked that had only to wait for its runs

    def advance(self, workers: int, only: str | None = None) -> bool:
        """See what each active sweep, or only one, needs for so many workers; whether any has got a run."""
        active = self.store.sweeps(SweepState.ACTIVE)
        return any([self._advance(stored, workers) for stored in active if only in (None, stored.id)])

    def _advance(self, stored: StoredSweep, workers: int) -> bool:
        """What goes wrong with one sweep stops that one, says so there, and keeps nobody else waiting."""
        try:
            with about(sweep=stored.id):
                return self._go_on(stored, workers)
        except StoreUnavailable:
            raise
        except Exception as problem:
            log.debug("sweep %s met an error", stored.id, exc_info=True, extra={"sweep": stored.id})
            said = str(problem) if isinstance(problem, ValueError) else f"{type(problem).__name__}: {problem}"
            self.store.end_sweep(stored, SweepState.STOPPED, said)  # such as no more room for its owner's runs
            log.warning("sweep %s stopped: %s", stored.id, said, extra={"sweep": stored.id})
            return False

    def _go_on(self, stored: StoredSweep, workers: int) -> bool:
        if self.store.count(RunFilter(sweep=stored.id, states=LIVE)) > (AHEAD - 1) * workers:
            return False
        runs = self.store.sweep_runs(stored.id)
        looks = stored.config, workers, [(run.id, run.state) for run in runs]
        if self._settled.get(stored.id) == looks:
            return False
        continued = self._continue([run for run in runs if run.state is RunState.INTERRUPTED])
        live = continued + sum(run.state in LIVE for run in runs)
        room = _room(stored.config, runs, workers, live)
        wanted = self._next(stored, runs, room) if room > 0 else []
        if wanted:
            return self._add(stored.id, wanted, known=len(runs))
        if not live:
            self.store.end_sweep(stored, SweepState.FINISHED)
            log.info("sweep %s has finished with %d runs", stored.id, len(runs))
        elif not continued:
            self._settled[stored.id] = looks
        return continued > 0

    def _continue(self, runs: Iterable[SweepRun]) -> int:
        """Let runs go on whose worker or server has gone, unless they are what ends it; how many there are.

        One that got further each time is not what ended it.
        """
        count = 0
        for run in runs:
            here = run.id, run.weights_step
            if self._interrupted[here] >= MOST_INTERRUPTIONS:
                raise ValueError(f"run {run.id} ended its worker {MOST_INTERRUPTIONS} times: too large, or damaged?")
            if self._continued(run.id, RunState.INTERRUPTED):
                self._interrupted[here] += 1
            count += 1
        return count

    def _continued(self, run_id: str, state: RunState) -> bool:
        """Queue a run again; False where another server did, or its worker was only slow."""
        try:
            self.store.continue_run(run_id, waits=False)
        except ValueError:
            if self.store.run(run_id).state is state:
                raise
            return False
        return True

    def _add(self, sweep_id: str, wanted: Sequence[tuple[RunConfig, str]], known: int) -> bool:
        """Give a sweep runs; one that somebody had stopped before it became the sweep's goes on."""
        added = self.store.add_to_sweep(sweep_id, wanted, known=known) or []
        for run in self.store.summaries(RunFilter(ids=added, states=[RunState.STOPPED])) if added else []:
            self._continued(run.id, RunState.STOPPED)
        return bool(added)

    def _next(self, stored: StoredSweep, runs: Sequence[SweepRun], room: int) -> list[tuple[RunConfig, str]]:
        sweep, have = stored.config, {run.config_digest for run in runs}
        if sweep.method == "grid":
            left = ((config, name) for key, config, name in self._plan(stored) if key not in have)
            return list(itertools.islice(left, room))
        tried = settings_tried(sweep, self.store.runs(RunFilter(sweep=stored.id)))
        wanted = [pair for one in tried for pair in _missing(sweep, one.setting, have)]
        while len(wanted) < room and len(tried) < sweep.settings_to_try and (drawn := next_setting(sweep, tried)):
            tried.append(Tried(setting=drawn, ended=False))
            wanted += _missing(sweep, drawn, have)
        return wanted

    def _plan(self, stored: StoredSweep) -> _Plan:
        known = self._plans.get(stored.id)
        if known is None or known.sweep != stored.config:
            known = self._plans[stored.id] = _Plan(stored.config)
        return known


class _Plan:
    """Every run of a grid as (digest, config, name): the first seed of every setting, then the next seed.

    Made when they are come to: a large grid's take seconds.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self._made: list[tuple[str, RunConfig, str]] = []
        pairs = (named(sweep, setting, seed) for seed in sweep.seeds for setting in sweep.grid())
        self._rest = ((digest(config), config, name) for config, name in pairs)

    def __iter__(self) -> Iterator[tuple[str, RunConfig, str]]:
        yield from self._made
        for one in self._rest:
            self._made.append(one)
            yield one


def _room(sweep: Sweep, runs: Sequence[SweepRun], workers: int, live: int) -> int:
    """How many more runs may wait or run: enough that no worker has to wait, as far as the budget lets them begin."""
    ahead = AHEAD * max(workers, 1)
    if sweep.method == "tpe":
        ahead = max(workers, 1) + 1  # what it draws next is the better, the more has ended
    if not sweep.minutes:
        return ahead - live
    over = [run.seconds for run in runs if run.state not in LIVE]
    if not over:  # how long one takes is not known yet
        return max(workers, 1) - live
    each = math.fsum(over) / len(over)
    waiting = [max(each, run.seconds) for run in runs if run.state in LIVE]
    affordable = (60 * sweep.minutes - math.fsum([*over, *waiting])) / max(each, 1e-3)
    return min(ahead - live, math.ceil(affordable))


def _missing(sweep: Sweep, setting: Mapping[str, object], have: Collection[str]) -> list[tuple[RunConfig, str]]:
    """The runs that a setting lacks, one for each seed that it has none with; `have`: digests of those there are."""
    pairs = [named(sweep, setting, seed) for seed in sweep.seeds]
    return [(config, name) for config, name in pairs if digest(config) not in have]


def named(sweep: Sweep, setting: Mapping[str, object], seed: int) -> tuple[RunConfig, str]:
    """The run of a setting and a seed, and what it is called."""
    said = sweep.said(setting)
    return sweep.config(setting, seed), said if len(sweep.seeds) == 1 else f"{said}, seed {seed}"


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
