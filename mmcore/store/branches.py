"""Branches: runs that begin with weights of other runs, and keep a copy of those. Inside a transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from safetensors.numpy import load
from sqlalchemy.engine import Connection

from ..checkpoint import FLOAT
from ..config import Origin, RunConfig
from .points import of_film
from .run import Run
from .schema import CHECKPOINTS, LARGEST, RUNS, Value


@dataclass(frozen=True, kw_only=True)
class Ancestor:
    """Where a branch comes from: the weights, and the run they are of, unless that was deleted."""

    origin: Origin
    run: Run | None


def kept_steps(db: Connection, run_id: str) -> list[int]:
    """The steps of a run at which its weights are in the store, ascending."""
    mine = (CHECKPOINTS.c.run_id == run_id, CHECKPOINTS.c.kind != "start")
    last_can = sa.or_(CHECKPOINTS.c.kind == "film", CHECKPOINTS.c.train_state.is_not(None))
    query = sa.select(CHECKPOINTS.c.step).where(*mine, last_can).distinct().order_by(CHECKPOINTS.c.step)
    return list(db.scalars(query))


def weights_at(db: Connection, run_id: str, step: int) -> bytes | None:
    """A run's weights after so many steps, float32 in the layout of Model.flat; None where they are not kept."""
    if not 0 <= step <= LARGEST:
        return None
    last = (CHECKPOINTS.c.run_id == run_id, CHECKPOINTS.c.kind == "last", CHECKPOINTS.c.step == step)
    if state := db.scalar(sa.select(CHECKPOINTS.c.train_state).where(*last)):
        return load(state)["flat"].astype(FLOAT, copy=False).tobytes()
    return db.scalar(sa.select(CHECKPOINTS.c.weights).where(*of_film(run_id), CHECKPOINTS.c.step == step))


def origin_of(run_id: str, step: int, weights: bytes) -> Origin:
    return Origin(run_id=run_id, step=step, weights_sha256=hashlib.sha256(weights).hexdigest())


def keep_start(db: Connection, run_id: str, config: RunConfig) -> None:
    """Give a new branch a copy of the weights that it begins with; nothing for a run that is none."""
    if config.origin is None:
        return
    for weights, theirs in _sources(db, config.origin):
        if origin_of(config.origin.run_id, config.origin.step, weights) == config.origin:
            config.check_branch(RunConfig.from_dict(json.loads(theirs)))
            start: dict[str, Value] = {"run_id": run_id, "kind": "start", "step": config.origin.step}
            db.execute(sa.insert(CHECKPOINTS).values(start | {"weights": weights}))
            return
    raise no_weights(config.origin.run_id, config.origin.step)


def _sources(db: Connection, origin: Origin) -> Iterator[tuple[bytes, str]]:
    """Where weights may be that a branch begins with, and the settings of the run that has them.

    In the run they are of; or, where that has gone on or is gone, in another branch that began with them.
    """
    theirs = db.scalar(sa.select(RUNS.c.config).where(RUNS.c.id == origin.run_id))
    weights = weights_at(db, origin.run_id, origin.step)
    if theirs is not None and weights is not None:
        yield weights, theirs
    branches = sa.select(CHECKPOINTS.c.weights, RUNS.c.config).join(RUNS).where(RUNS.c.parent == origin.run_id)
    for row in db.execute(branches.where(CHECKPOINTS.c.kind == "start", CHECKPOINTS.c.step == origin.step)):
        yield row.weights, row.config


def no_weights(run_id: str, step: int) -> ValueError:
    return ValueError(f"step must be one whose weights run {run_id} keeps, got {step:,}")
