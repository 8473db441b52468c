"""A run as the store has it: its states, what moves it from one to the next, and what can go wrong."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.engine import Row

from ..config import RunConfig
from ..fields import quoted
from ..limits import MAX_NAME
from ..losses import without_sealed
from ..presets import PRESETS, preset_of


class RunState(StrEnum):
    """Where a run is in its life."""

    QUEUED = "queued"
    """Waits for a worker."""
    RUNNING = "running"
    """A worker trains it and renews its lease."""
    STOPPING = "stopping"
    """Someone asked for a stop; the worker has not answered yet."""
    FINISHED = "finished"
    """Reached its last step, or stopped early on validation as its config says."""
    STOPPED = "stopped"
    """Ended because someone asked for it; can be continued."""
    FAILED = "failed"
    """Ended by an error, kept as text; the curve and the last finite weights stay."""
    INTERRUPTED = "interrupted"
    """Its worker or server went away; the curve and the last saved weights stay; can be continued."""


_S = RunState
TRANSITIONS: dict[tuple[RunState, RunState], str] = {
    (_S.QUEUED, _S.RUNNING): "a worker wins the claim",
    (_S.QUEUED, _S.STOPPED): "Stop before a worker took it",
    (_S.RUNNING, _S.STOPPING): "Stop, shown at once",
    (_S.RUNNING, _S.FINISHED): "the worker made the last step",
    (_S.RUNNING, _S.STOPPED): "Ctrl-C on the command line",
    (_S.RUNNING, _S.FAILED): "an error in training",
    (_S.RUNNING, _S.INTERRUPTED): "the lease expired, or the server saw its worker die",
    (_S.STOPPING, _S.FINISHED): "the worker made the last step before it saw the request",
    (_S.STOPPING, _S.STOPPED): "the worker saw the request",
    (_S.STOPPING, _S.FAILED): "an error in training",
    (_S.STOPPING, _S.INTERRUPTED): "the lease expired, or the server saw its worker die",
    (_S.INTERRUPTED, _S.RUNNING): "the worker was only slow, and nobody had continued its run",
    (_S.STOPPED, _S.QUEUED): "Continue",
    (_S.INTERRUPTED, _S.QUEUED): "Continue",
    (_S.FINISHED, _S.QUEUED): "Train longer",
}
"""Every allowed change of state and when it happens. A worker's write while running or stopping changes none."""

WORKING = (RunState.RUNNING, RunState.STOPPING)
LIVE = (RunState.QUEUED, *WORKING)
ENDED = (RunState.FINISHED, RunState.STOPPED, RunState.FAILED, RunState.INTERRUPTED)


class StaleToken(RuntimeError):
    """The writer no longer owns the run: it has ended, or was deleted or continued elsewhere."""


class StoreUnavailable(OSError):
    """The database cannot be read or written now: the disk is full, the file damaged, the server away."""


class UnreadableRun(ValueError):
    """A run whose settings this version cannot read: of an architecture it does not have, or damaged."""

    def __init__(self, run_id: str, name: str, reason: str) -> None:
        super().__init__(f"run {run_id} ({name}) cannot be read: {reason}")
        self.id, self.name, self.reason = run_id, name, reason


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What a list says about a run, read without its settings."""

    id: str
    name: str
    state: RunState
    corpus_name: str
    owner: str | None
    created: datetime  # all times are UTC, by the database's clock
    ended: datetime | None
    step: int  # of the newest point of the curve
    weights_step: int | None  # None: no weights saved yet


@dataclass(frozen=True, kw_only=True)
class Run(RunSummary):
    """One training as the store has it at one moment."""

    note: str
    config: RunConfig
    error: str | None
    error_type: str | None  # class of the exception
    queued: datetime  # when last: created, or continued
    started: datetime | None
    heartbeat: datetime | None  # the worker's last write
    worker: str | None  # host:pid:start of the last one
    max_steps: int
    seconds: float  # spent training
    batch_loss: float | None
    losses: dict[str, float] = field(default_factory=dict)  # of the saved weights; test losses only once opened
    test_openings: int = 0
    test_opened: datetime | None = None  # when first, as far as it is known
    checkpoints: int = 0  # that it is to keep
    tags: tuple[str, ...] = ()  # in the order of the alphabet


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run came to, for who compares thousands: with its settings as they are stored, unread."""

    id: str
    name: str
    owner: str | None
    step: int
    seconds: float
    val_loss: float  # exact, of the saved weights
    config: str  # JSON of RunConfig


def utc(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def run_of_row(row: Row[Any]) -> Run | UnreadableRun:
    try:
        return _read_run(row)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return UnreadableRun(row.id, row.name, str(error))


TIMES = ("created", "queued", "started", "ended", "heartbeat", "test_opened")


def summary_of_row(row: Row[Any]) -> RunSummary:
    values = {name: row._mapping[name] for name in RunSummary.__dataclass_fields__}
    times = {name: utc(value) for name, value in values.items() if name in TIMES}
    return RunSummary(**values | times | {"state": RunState(row.state)})


def result_of_row(row: Row[Any]) -> RunResult | None:
    """None where no weights with an exact validation loss were saved."""
    val_loss = json.loads(row.losses).get("val_loss")
    if val_loss is None:
        return None
    known = {"id": row.id, "name": row.name, "owner": row.owner, "step": row.step, "seconds": row.seconds}
    return RunResult(**known, val_loss=val_loss, config=row.config)


@functools.lru_cache(maxsize=4096)
def _read_config(text: str) -> RunConfig:
    """Checking every setting takes longer than all else of a run, and the same runs are read again and again."""
    return RunConfig.from_dict(json.loads(text))


def _read_run(row: Row[Any]) -> Run:
    values = dict(row._mapping)
    config = _read_config(values["config"])
    values |= {name: utc(values[name]) for name in TIMES}
    losses = json.loads(row.losses) if row.test_openings else without_sealed(json.loads(row.losses))
    values |= {"checkpoints": row.checkpoints or 0, "tags": tuple(sorted(row.tags.split(",") if row.tags else ()))}
    values |= {"config": config, "losses": losses, "state": RunState(row.state), "max_steps": config.train.max_steps}
    return Run(**{name: values[name] for name in Run.__dataclass_fields__})


def no_run(run_id: str) -> ValueError:
    return ValueError(f"run must be in the store, got id {quoted(run_id)}")


def clean_name(name: str) -> str:
    cleaned = " ".join(name.split())
    if not 1 <= len(cleaned) <= MAX_NAME:
        raise ValueError(f"name must have 1 to {MAX_NAME} characters, got {len(cleaned)}")
    return cleaned


def default_name(config: RunConfig) -> str:
    preset = preset_of(config)
    branch = f", from step {config.origin.step:,}" if config.origin else ""
    return PRESETS[preset].title if preset else config.model.summary() + branch
