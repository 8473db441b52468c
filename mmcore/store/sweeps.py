"""Stored sweeps: which runs belong to each, and whether it is to go on. Inside a transaction."""

from __future__ import annotations

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
from .digest import digest
from .run import RunState, utc
from .schema import RUNS, SWEEP_RUNS, SWEEPS

MAX_QUESTION = 2_000  # characters


class SweepState(StrEnum):
    """Whether runs are added to a sweep."""

    ACTIVE = "active"
    """Its next runs are queued as workers become free, until it has them all."""
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


def sweep_of_row(row: Row[Any]) -> StoredSweep:
    values = {name: row._mapping[name] for name in StoredSweep.__dataclass_fields__}
    values |= {"config": Sweep.from_dict(json.loads(row.config)), "state": SweepState(row.state)}
    return StoredSweep(**values | {"created": utc(row.created)})


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
    count = sa.select(sa.func.count()).select_from(SWEEP_RUNS).where(SWEEP_RUNS.c.sweep_id == sweep_id)
    return db.scalar(count) or 0


def link(db: Connection, sweep_id: str, run_ids: Collection[str]) -> None:
    if run_ids:
        db.execute(sa.insert(SWEEP_RUNS), [{"sweep_id": sweep_id, "run_id": run_id} for run_id in run_ids])


def same_run(db: Connection, sweep_id: str, config: RunConfig) -> str | None:
    """A run of these settings that the sweep can take as its own: a finished one, else one that has not failed."""
    mine = sa.select(SWEEP_RUNS.c.run_id).where(SWEEP_RUNS.c.sweep_id == sweep_id)
    alike = (RUNS.c.config_digest == digest(config), RUNS.c.deleted.is_(None), RUNS.c.state != RunState.FAILED)
    finished_first = sa.case((RUNS.c.state == RunState.FINISHED, 0), else_=1)
    query = sa.select(RUNS.c.id).where(*alike, RUNS.c.id.not_in(mine)).order_by(finished_first, RUNS.c.created.desc())
    return db.scalar(query.limit(1))
