"""What a run leaves along the way: its curve, samples and weights, within bounds. Inside a transaction."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..checkpoint import Checkpoint, TensorUpdate
from .schema import CHECKPOINTS, HISTORY, RUNS, SAMPLES, STEPS, Value

if TYPE_CHECKING:
    from ..training import Step


MAX_POINTS = 2_000  # of a curve; beyond it, the curve is thinned
MAX_SAMPLES = 400


def thinned(steps: Sequence[int], cap: int) -> set[int]:
    """At most `cap` of some ascending steps, first and last included.

    Four fifths are spaced evenly on a linear axis and one fifth on a logarithmic one, because charts offer both.
    """
    have = np.asarray(steps, dtype=float)
    logarithmic = np.geomspace(have[0] + 1, have[-1] + 1, cap // 5) - 1
    wanted = np.concatenate([np.linspace(have[0], have[-1], cap - cap // 5), logarithmic])
    after = np.clip(np.searchsorted(have, wanted), 1, len(have) - 1)
    nearest = np.where(wanted - have[after - 1] < have[after] - wanted, after - 1, after)
    return {steps[i] for i in nearest.tolist()}


@dataclass(frozen=True, kw_only=True)
class SavedWeights:
    """A run's weights, and what belongs to them."""

    weights: bytes = field(repr=False)  # the artifact, .safetensors
    train_state: bytes | None = field(default=None, repr=False)  # what Continue goes on from
    losses: Mapping[str, float] = field(
        default_factory=dict
    )  # exact, nats per character; what is not finite is left out


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a worker tells the store about its run, each time what is new since the last.

    A point replaces those from its step on, and checkpoints beyond the last point go: a continued run overwrites what
    its saved state did not know.
    """

    points: Sequence[Step] = ()  # of the curve, ascending
    samples: tuple[int, Sequence[str]] | None = None  # step, words drawn there
    saved: SavedWeights | None = None  # of the last point, these or earlier ones
    checkpoints: Sequence[Checkpoint] = ()  # ascending


def write_progress(db: Connection, run_id: str, progress: Progress) -> dict[str, Value]:
    """Write all of it but what belongs into the run's own row, which is returned."""
    values: dict[str, Value] = {}
    if progress.checkpoints:
        _write_checkpoints(db, run_id, progress.checkpoints)
    if progress.points:
        values |= _write_points(db, run_id, progress.points)
        beyond_last = CHECKPOINTS.c.step > progress.points[-1].step
        db.execute(sa.delete(CHECKPOINTS).where(*of_film(run_id), beyond_last))
    if progress.samples is not None:
        step, words = progress.samples
        row: dict[str, Value] = {"run_id": run_id, "step": step, "words": json.dumps(list(words))}
        _append(db, SAMPLES, run_id, [row], MAX_SAMPLES)
    if progress.saved is not None:
        values |= _write_last(db, run_id, progress.saved, values.get("step"))
    return values


def _write_points(db: Connection, run_id: str, points: Sequence[Step]) -> dict[str, Value]:
    rows: list[dict[str, Value]] = [
        {"run_id": run_id} | {name: _finite(getattr(point, name)) for name in HISTORY} for point in points
    ]
    _append(db, STEPS, run_id, rows, MAX_POINTS)
    newest: dict[str, Value] = {"step": points[-1].step, "seconds": points[-1].seconds}
    measured = [row["batch_loss"] for row in rows if row["batch_loss"] is not None]
    return newest | ({"batch_loss": measured[-1]} if measured else {})


def of_film(run_id: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return CHECKPOINTS.c.run_id == run_id, CHECKPOINTS.c.kind == "film"


def _write_checkpoints(db: Connection, run_id: str, checkpoints: Sequence[Checkpoint]) -> None:
    db.execute(sa.delete(CHECKPOINTS).where(*of_film(run_id), CHECKPOINTS.c.step >= checkpoints[0].step))
    rows = [
        {"run_id": run_id, "kind": "film", "step": c.step, "weights": c.weights, "updates": written_updates(c.updates)}
        for c in checkpoints
    ]
    db.execute(sa.insert(CHECKPOINTS), rows)


def checkpoint_sizes(db: Connection, run_id: str) -> dict[int, int]:
    """Bytes of a run's checkpoints by step, ascending."""
    query = sa.select(CHECKPOINTS.c.step, sa.func.length(CHECKPOINTS.c.weights)).where(*of_film(run_id))
    return {row[0]: row[1] for row in db.execute(query.order_by(CHECKPOINTS.c.step))}


def over(db: Connection, limit: int) -> set[str]:
    """Runs of which :func:`beyond` may find some: it drops none of two or more that are all within the limit."""
    of_run = (sa.func.count(), sa.func.max(sa.func.length(CHECKPOINTS.c.weights)))
    query = sa.select(CHECKPOINTS.c.run_id).where(CHECKPOINTS.c.kind == "film").group_by(CHECKPOINTS.c.run_id)
    return set(
        db.scalars(query.having(sa.or_(of_run[0] * of_run[1] > sa.literal(limit, sa.BigInteger), of_run[0] < 2)))
    )


def beyond(sizes: dict[int, int], limit: int) -> list[int]:
    """The steps to drop so that what stays is within the limit."""
    steps = list(sizes)
    fit = min(len(steps), limit // max(sizes.values(), default=1))
    kept = {steps[round(i)] for i in np.linspace(0, len(steps) - 1, fit)} if fit >= 2 else set()
    return [step for step in steps if step not in kept]


def _append(db: Connection, table: sa.Table, run_id: str, rows: Sequence[Mapping[str, Any]], cap: int) -> None:
    """Put rows at the end of a run's series, in place of what it has from their first step on."""
    of_run = table.c.run_id == run_id
    db.execute(sa.delete(table).where(of_run, table.c.step >= rows[0]["step"]))
    db.execute(sa.insert(table), rows)
    if rows[-1]["step"] < cap:  # a row a step at most, from step 0 on
        return
    if db.scalar(sa.select(sa.func.count()).select_from(table).where(of_run)) <= cap:  # type: ignore[operator]
        return
    steps = list(db.scalars(sa.select(table.c.step).where(of_run).order_by(table.c.step)))
    drop = sorted(set(steps) - thinned(steps, cap // 2))  # to half, so that it is not done at every write
    db.execute(sa.delete(table).where(of_run, table.c.step.in_(drop)))


def _write_last(db: Connection, run_id: str, saved: SavedWeights, step: Value) -> dict[str, Value]:
    if step is None:  # those of an earlier point
        step = db.scalar(sa.select(RUNS.c.step).where(RUNS.c.id == run_id))
    db.execute(sa.delete(CHECKPOINTS).where(CHECKPOINTS.c.run_id == run_id, CHECKPOINTS.c.kind == "last"))
    row = {"run_id": run_id, "kind": "last", "step": step, "weights": saved.weights}
    db.execute(sa.insert(CHECKPOINTS).values(**row, train_state=saved.train_state))
    finite = {name: value for name, value in saved.losses.items() if _finite(value) is not None}
    return {"weights_step": step, "losses": json.dumps(finite)}


# ---- values


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def written_updates(updates: Mapping[str, TensorUpdate]) -> str:
    """What :func:`read_updates` reads."""
    return json.dumps({name: [_finite(value) for value in astuple(update)] for name, update in updates.items()})


def read_updates(text: str, names: Mapping[str, str]) -> dict[str, TensorUpdate]:
    """The inverse of what is written; ``names``: what tensors are called now, by what they were called."""
    return {
        names.get(name, name): TensorUpdate(*(math.nan if value is None else value for value in values))
        for name, values in json.loads(text).items()
    }
