"""The bin: runs that were deleted and can still come back. Inside a transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from .clock import Now
from .locks import locking
from .run import WORKING, RunState, no_run
from .schema import RUNS, SWEEP_RUNS

KEPT_SECONDS = 24 * 3600.0  # that a run stays in the bin before it goes for good
AT_ONCE = 50  # runs that one transaction removes: a worker that wants to write must not wait long

KEPT = RUNS.c.deleted.is_(None)
"""Of a run that is not in the bin."""


def put(db: Connection, run_ids: Collection[str]) -> None:
    """Move runs into the bin, those that wait stopped; ``ValueError`` and none moved where a worker has one."""
    query = sa.select(RUNS.c.id, RUNS.c.state).where(RUNS.c.id.in_(run_ids), KEPT)
    states = {row.id: RunState(row.state) for row in db.execute(locking(query))}
    for run_id in run_ids:
        if run_id not in states:
            raise no_run(run_id)
        if states[run_id] in WORKING:
            raise ValueError(f"a run must be stopped before it is deleted, got one that is {states[run_id]}")
    chosen = RUNS.c.id.in_(run_ids)
    waiting = sa.update(RUNS).where(chosen, RUNS.c.state == RunState.QUEUED)
    db.execute(waiting.values(state=RunState.STOPPED, ended=Now()))
    db.execute(sa.update(RUNS).where(chosen).values(deleted=Now()))


def take_out(db: Connection, run_ids: Collection[str]) -> list[str]:
    """Take runs out of the bin, as far as they are still there, and return the ids of those."""
    query = sa.select(RUNS.c.id).where(RUNS.c.id.in_(run_ids), RUNS.c.deleted.is_not(None))
    found = list(db.scalars(locking(query)))
    _leave_to_others(db, found)
    db.execute(sa.update(RUNS).where(RUNS.c.id.in_(found)).values(deleted=None))
    return found


def _leave_to_others(db: Connection, run_ids: Collection[str]) -> None:
    """Take runs out of sweeps that have trained the same once more meanwhile, which would count it twice."""
    own, other, again = SWEEP_RUNS.alias(), SWEEP_RUNS.alias(), RUNS.alias()
    alike = (again.c.config_digest == RUNS.c.config_digest, again.c.deleted.is_(None), RUNS.c.id.in_(run_ids))
    twice = sa.select(own.c.sweep_id, own.c.run_id).join(RUNS, RUNS.c.id == own.c.run_id)
    twice = twice.join(other, other.c.sweep_id == own.c.sweep_id).join(again, again.c.id == other.c.run_id)
    for sweep_id, run_id in db.execute(twice.where(*alike).distinct()).all():
        this = (SWEEP_RUNS.c.sweep_id == sweep_id, SWEEP_RUNS.c.run_id == run_id)
        db.execute(sa.delete(SWEEP_RUNS).where(*this))


def remove(db: Connection, older_than: float, run_ids: Iterable[str] | None) -> int:
    """Remove some runs that have been in the bin for so many seconds, and return how many; 0 if there are no more."""
    due = [RUNS.c.deleted <= Now() - older_than]
    due += [RUNS.c.id.in_(list(run_ids))] if run_ids is not None else []
    some = list(db.scalars(locking(sa.select(RUNS.c.id).where(*due).limit(AT_ONCE))))
    db.execute(sa.delete(RUNS).where(RUNS.c.id.in_(some)))
    return len(some)
