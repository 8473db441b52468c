"""Stored sweeps: which runs belong to each, and whether it is to go on. Inside a transaction."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from ..config import RunConfig
from ..fields import quoted, require
from ..sweeps import Sweep
from .bin import KEPT
from .digest import digest
from .run import RunState, utc
from .schema import RUNS, SWEEP_RUNS, SWEEPS

MAX_QUESTION = 2_000  # characters


class SweepState(StrEnum):
    """Whether runs are added to a sweep."""

    ACTIVE = "active"
    """Its next runs are queued as workers become free, until it has them all."""
    FINISHED = "finished"
    """It has all its runs and they have ended, or its budget is spent; more seeds or values make it active again."""
    STOPPED = "stopped"
    """Someone stopped it, or it stopped by itself for the reason in ``error``; it can go on."""


@dataclass(frozen=True, kw_only=True)
class StoredSweep:
    """A sweep as the store has it at one moment."""

    id: str
    name: str
    question: str
    owner: str | None
    state: SweepState
    config: Sweep
    created: datetime
    error: str | None


@dataclass(frozen=True, kw_only=True)
class SweepRun:
    """What decides a sweep's next runs, of one that it has."""

    id: str
    state: RunState
    config_digest: str
    seconds: float
    weights_step: int | None  # from where it can be continued


def runs_of(db: Connection, sweep_id: str) -> list[SweepRun]:
    columns = (RUNS.c[name] for name in SweepRun.__dataclass_fields__)
    query = sa.select(*columns).join(SWEEP_RUNS).where(*_theirs(sweep_id))
    rows = db.execute(query.order_by(RUNS.c.created, RUNS.c.id))
    return [SweepRun(**dict(row._mapping) | {"state": RunState(row.state)}) for row in rows]


def sweep_of_row(row: Row[Any]) -> StoredSweep:
    values = {name: row._mapping[name] for name in StoredSweep.__dataclass_fields__}
    values |= {"config": _read(row.config), "state": SweepState(row.state)}
    return StoredSweep(**values | {"created": utc(row.created)})


@functools.lru_cache(maxsize=1024)
def _read(text: str) -> Sweep:
    """Checking every setting of a grid takes its time, and the queue looks often."""
    return Sweep.from_dict(json.loads(text))


def no_sweep(sweep_id: str) -> ValueError:
    return ValueError(f"sweep must be in the store, got id {quoted(sweep_id)}")


def clean_question(question: str) -> str:
    fits = len(question) <= MAX_QUESTION
    require(fits, "question", f"at most {MAX_QUESTION:,} characters", question)
    return question.strip()


def locked(db: Connection, sweep_id: str) -> Row[Any]:
    """A sweep's row, locked until the transaction ends."""
    row = db.execute(sa.select(SWEEPS).where(SWEEPS.c.id == sweep_id).with_for_update()).one_or_none()
    if row is None:
        raise no_sweep(sweep_id)
    return row


def run_count(db: Connection, sweep_id: str) -> int:
    count = sa.select(sa.func.count()).select_from(SWEEP_RUNS).join(RUNS).where(*_theirs(sweep_id))
    return db.scalar(count) or 0


def _theirs(sweep_id: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """Of a sweep, and not in the bin."""
    return SWEEP_RUNS.c.sweep_id == sweep_id, KEPT


def link(db: Connection, sweep_id: str, run_ids: Collection[str]) -> None:
    if run_ids:
        db.execute(sa.insert(SWEEP_RUNS), [{"sweep_id": sweep_id, "run_id": run_id} for run_id in run_ids])


def same_run(db: Connection, sweep_id: str, config: RunConfig) -> str | None:
    """A run of these settings that the sweep can take as its own: a finished one, else one that has not failed."""
    mine = sa.select(SWEEP_RUNS.c.run_id).where(SWEEP_RUNS.c.sweep_id == sweep_id)
    alike = (RUNS.c.config_digest == digest(config), KEPT, RUNS.c.state != RunState.FAILED)
    finished_first = sa.case((RUNS.c.state == RunState.FINISHED, 0), else_=1)
    query = sa.select(RUNS.c.id).where(*alike, RUNS.c.id.not_in(mine)).order_by(finished_first, RUNS.c.created.desc())
    return db.scalar(query.limit(1))
