"""The run store: every run, its curve, samples and weights, and the corpora, in one SQL database.

The store is the only channel between the worker that trains a run and whoever looks at it. A worker owns a run
by its token: claiming is one conditional UPDATE that sets a fresh token, every later write carries it, and a
write with an old one raises :class:`StaleToken`. Every write renews a lease; whoever finds a lease expired, and
does not know the worker to live, marks the run interrupted. A worker that was only slow takes it back. Readers
never wait for writers (SQLite in WAL mode), and nothing here imports torch.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, Row

from .checkpoint import COUNT, MAX_BYTES, Checkpoint, TensorUpdate
from .config import PRESETS, RunConfig
from .cost import Cost, accept, estimate
from .data import Corpus, CorpusReport
from .fields import cut, quoted, require, whole
from .limits import MAX_NAME, MAX_NOTE, Usage
from .process import lives, this_process
from .schema import (
    CHECKPOINTS,
    CORPORA,
    HISTORY,
    RUNS,
    SAMPLES,
    STEPS,
    compact,
    default_url,
    full_url,
    open_database,
)

if TYPE_CHECKING:
    from .training import Step

MAX_POINTS = 2_000  # of a curve; beyond it, the curve is thinned
MAX_SAMPLES = 400
LEASE_SECONDS = 5.0
SILENT_SECONDS = 600.0  # a worker that lives and writes nothing for so long has given its run up


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
class Run:
    """One training as the store has it at one moment."""

    id: str
    name: str
    note: str
    state: RunState
    config: RunConfig
    corpus_name: str
    owner: str | None
    error: str | None
    error_type: str | None  # class of the exception
    created: datetime  # all times are UTC
    queued: datetime  # when last: created, or continued
    started: datetime | None
    ended: datetime | None
    heartbeat: datetime | None  # the worker's last write
    worker: str | None  # host:pid:start of the last one
    step: int  # of the newest point of the curve
    max_steps: int
    seconds: float  # spent training
    batch_loss: float | None
    weights_step: int | None  # None: no weights saved yet
    losses: dict[str, float] = field(default_factory=dict)  # of the saved weights; test losses only once opened
    test_openings: int = 0
    test_opened: datetime | None = None  # when first, as far as it is known
    checkpoints: int = 0  # moments whose weights it is to keep


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


class RunStore:
    """Runs in a database.

    Parameters
    ----------
    url : str, optional
        A SQLAlchemy URL, or the path of a SQLite file, which is made where there is none. Default: see
        :func:`default_url`.

    Raises
    ------
    ValueError
        On first use, if the database cannot be opened, is not a store, or was written by a newer version. It is
        then left as it was. A store of an older version is copied beside itself, then upgraded.

    Notes
    -----
    The connection is made when first needed and again in every process that uses the store, so a store may be
    made before forking. It may be used from several threads.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = full_url(url or default_url())
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._pid = 0

    def close(self) -> None:
        """Close this process's connections; the store can still be used, with new ones."""
        with self._lock:
            if self._engine is not None and self._pid == os.getpid():
                self._engine.dispose()
            self._engine = None

    # ---- corpora

    def add_corpus(self, corpus: Corpus, owner: str | None = None) -> str:
        """Keep a corpus, once however often it is added, and return its sha256.

        ``ValueError`` where its owner has too much; see :mod:`mmcore.limits`.
        """
        row: dict[str, Any] = {"sha256": corpus.sha256, "name": corpus.name[:255], "words": "\n".join(corpus.words)}
        row |= {"owner": owner}
        row |= {"report": json.dumps(asdict(corpus.report)), "created": time.time()}
        with contextlib.suppress(sa.exc.IntegrityError), self._write() as db:  # another was quicker
            known = db.scalar(sa.select(CORPORA.c.sha256).where(CORPORA.c.sha256 == corpus.sha256))
            if known is None:
                if owner is not None:
                    _usage(db, owner).check(corpora=1, stored=_text_bytes(corpus.report))
                db.execute(sa.insert(CORPORA).values(**row))
        return corpus.sha256

    def corpora(self) -> pd.DataFrame:
        """Columns ``sha256, name, words`` (how many) ``, created, runs`` (how many are on it); newest first."""
        runs = sa.select(sa.func.count()).where(RUNS.c.corpus_sha256 == CORPORA.c.sha256).scalar_subquery()
        columns = (CORPORA.c.sha256, CORPORA.c.name, CORPORA.c.report, CORPORA.c.created, runs.label("runs"))
        with self._read() as db:
            rows = db.execute(sa.select(*columns).order_by(CORPORA.c.created.desc())).all()
        table = [(r.sha256, r.name, json.loads(r.report)["kept"], _utc(r.created), r.runs) for r in rows]
        return pd.DataFrame(table, columns=["sha256", "name", "words", "created", "runs"])

    def corpus(self, sha256: str) -> Corpus:
        """The corpus with this hash; ``ValueError`` if the store does not have it."""
        with self._read() as db:
            row = db.execute(sa.select(CORPORA).where(CORPORA.c.sha256 == sha256)).one_or_none()
        if row is None:
            raise ValueError(f"corpus must be in the store, got sha256 {cut(sha256)}")
        return Corpus(row.name, tuple(row.words.split("\n")), _report(row.report))

    def delete_corpus(self, sha256: str) -> None:
        """Remove a corpus; refused while there are runs on it, which could not be understood without it."""
        with self._write() as db:
            runs = db.scalar(sa.select(sa.func.count()).select_from(RUNS).where(RUNS.c.corpus_sha256 == sha256))
            if runs:
                raise ValueError(f"a corpus must have no runs to be deleted, got one with {runs:,}")
            if not db.execute(sa.delete(CORPORA).where(CORPORA.c.sha256 == sha256)).rowcount:
                raise ValueError(f"corpus must be in the store, got sha256 {cut(sha256)}")

    # ---- what takes room

    def usage(self, owner: str) -> Usage:
        """What a visitor has waiting and keeps; a run that has not ended counts as what it will have then."""
        with self._read() as db:
            return _usage(db, owner)

    def stored(self, run_id: str | None = None) -> dict[str, int]:
        """Bytes that each run, or the one named, takes: weights, training state, checkpoints, curve and samples."""
        with self._read() as db:
            return _stored(db, sa.true() if run_id is None else RUNS.c.id == run_id)

    def room(self) -> int | None:
        """Bytes left on the disk of a SQLite file; None for other databases."""
        url = sa.make_url(self.url)
        on_disk = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
        return shutil.disk_usage(Path(str(url.database)).parent).free if on_disk else None

    # ---- runs: for pages and the command line

    def create(
        self,
        config: RunConfig,
        *,
        name: str | None = None,
        owner: str | None = None,
        token: str | None = None,
        checkpoints: int = COUNT,
    ) -> Run:
        """Queue a new run; its corpus must be in the store. With a `token` the caller has claimed it already.

        `checkpoints`: moments whose weights it keeps while it trains, as far as they are small enough; with 0 it keeps
        its last weights only. ``ValueError`` also where it needs more memory or room than there is, or than its owner
        may have; see :func:`mmcore.cost.accept` and :mod:`mmcore.limits`.
        """
        whole("checkpoints", checkpoints, 0, 1_000)
        run_id, now = secrets.token_hex(5), time.time()
        row: dict[str, Any] = {
            "id": run_id,
            "name": _clean_name(name or _default_name(config)),
            "note": "",
            "owner": owner,
            "checkpoints": checkpoints,
        }
        row |= {"state": RunState.QUEUED, "config": json.dumps(config.to_dict()), "created": now, "queued": now}
        with self._write() as db:
            cost = _accept(db, config, checkpoints)
            if owner is not None:
                _usage(db, owner).check(waiting=int(token is None), stored=cost.stored)
            db.execute(sa.insert(RUNS).values(**row, corpus_sha256=config.corpus_sha256))
            if token is not None:
                _claim(db, run_id, token, LEASE_SECONDS)
        return self.run(run_id)

    def run(self, run_id: str) -> Run:
        """The run with this id; ``ValueError`` if there is none, :class:`UnreadableRun` if it cannot be read."""
        for found in self._find(RUNS.c.id == run_id):
            if isinstance(found, UnreadableRun):
                raise found
            return found
        raise _no_run(run_id)

    def whole_id(self, start: str) -> str:
        """The id that begins so; ``ValueError`` if none does, or several do."""
        query = sa.select(RUNS.c.id).where(RUNS.c.id.startswith(start, autoescape=True)).order_by(RUNS.c.id)
        with self._read() as db:
            found = db.scalars(query.limit(5)).all()
        if not start or not found:
            raise _no_run(start)
        if len(found) > 1 and start not in found:
            raise ValueError(f"id must begin the id of one run, got {quoted(start)}, which begins {', '.join(found)}")
        return start if start in found else found[0]

    def runs(self) -> list[Run]:
        """All runs that can be read, newest first."""
        return [run for run in self._find(sa.true()) if isinstance(run, Run)]

    def unreadable(self) -> list[UnreadableRun]:
        """The other runs, newest first."""
        return [run for run in self._find(sa.true()) if isinstance(run, UnreadableRun)]

    def latest(self) -> Run | None:
        """The newest run that can be read."""
        newest = sa.select(RUNS.c.id).order_by(RUNS.c.created.desc(), RUNS.c.id).limit(1)
        for found in self._find(RUNS.c.id == newest.scalar_subquery()):
            return found if isinstance(found, Run) else next(iter(self.runs()), None)
        return None

    def runs_table(self) -> pd.DataFrame:
        """One row a run, newest first: what it is, how far it got, its losses, its settings."""
        rows = []
        for run in self.runs():
            row: dict[str, Any] = {"id": run.id, "name": run.name, "state": str(run.state), "corpus": run.corpus_name}
            row |= {"step": run.step, "max_steps": run.max_steps, "seconds": run.seconds}
            row |= {name: run.losses.get(name, math.nan) for name in _LOSSES}
            row |= {"created": run.created, "note": run.note, "error": run.error, "owner": run.owner}
            row |= {"split_seed": run.config.split.split_seed}
            rows.append(row | asdict(run.config.model) | asdict(run.config.train))
        return pd.DataFrame(rows)

    def queued(self) -> list[str]:
        """Ids of the runs that wait, in the order in which they are to begin: owners take turns.

        Next is the oldest run of the owner who has the fewest at work; of several, who was served longest ago.
        """
        waiting = sa.select(RUNS.c.id, RUNS.c.owner).where(RUNS.c.state == RunState.QUEUED)
        with self._read() as db:
            rows = db.execute(waiting.order_by(RUNS.c.queued, RUNS.c.id)).all()
            served = _served(db) if len({row.owner for row in rows}) > 1 else {}
        turn: Counter[str | None] = Counter({owner: working for owner, (working, _) in served.items()})
        keys = []
        for row in rows:
            keys.append((turn[row.owner], served.get(row.owner, (0, 0.0))[1]))
            turn[row.owner] += 1
        return [rows[i].id for i in sorted(range(len(rows)), key=keys.__getitem__)]

    def queue_position(self, run_id: str) -> int | None:
        """1 for the run that is next; None for one that does not wait."""
        waiting = self.queued()
        return waiting.index(run_id) + 1 if run_id in waiting else None

    def history(self, run_id: str) -> pd.DataFrame:
        """The curve: columns :data:`HISTORY`, a row a point, at most :data:`MAX_POINTS`; NaN where not measured."""
        query = sa.select(*(STEPS.c[name] for name in HISTORY)).where(STEPS.c.run_id == run_id)
        with self._read() as db:
            rows = db.execute(query.order_by(STEPS.c.step)).all()
        types = {name: "int64" if name == "step" else "float64" for name in HISTORY}
        return pd.DataFrame.from_records(rows, columns=list(HISTORY)).astype(types)

    def samples(self, run_id: str) -> pd.DataFrame:
        """Words drawn while it trained: columns ``step, words`` (a list)."""
        query = sa.select(SAMPLES.c.step, SAMPLES.c.words).where(SAMPLES.c.run_id == run_id)
        with self._read() as db:
            rows = db.execute(query.order_by(SAMPLES.c.step)).all()
        return pd.DataFrame([(r.step, json.loads(r.words)) for r in rows], columns=["step", "words"])

    def weights(self, run_id: str) -> bytes | None:
        """The last saved weights, as the bytes of an artifact; None before the first save."""
        return self._checkpoint(run_id, CHECKPOINTS.c.weights)

    def train_state(self, run_id: str) -> bytes | None:
        """What training goes on from; belongs to the same step as :meth:`weights`."""
        return self._checkpoint(run_id, CHECKPOINTS.c.train_state)

    def checkpoints(self, run_id: str) -> list[Checkpoint]:
        """The weights kept along the way, first to last; none for runs of older stores, or once collected."""
        columns = (CHECKPOINTS.c.step, CHECKPOINTS.c.weights, CHECKPOINTS.c.updates)
        with self._read() as db:
            rows = db.execute(sa.select(*columns).where(*_film(run_id)).order_by(CHECKPOINTS.c.step)).all()
        return [Checkpoint(step=r.step, weights=r.weights, updates=_updates(r.updates)) for r in rows]

    def collect(self, run_ids: Iterable[str], *, limit: int = MAX_BYTES, dry_run: bool = False) -> tuple[int, int]:
        """Drop checkpoints of runs beyond `limit` bytes each, and return how many went and their bytes.

        The last weights of a run always stay, and of its checkpoints the first, the last and evenly some between; with
        a limit that holds fewer than two, none. Runs that a worker has are left alone.
        """
        whole("limit", limit, 0, 2**40)
        dropped = freed = 0
        for run_id in run_ids:
            with self._write() as db:
                sizes = {} if _state(db, run_id) in WORKING else _sizes(db, run_id)
                drop = _beyond(sizes, limit)
                if not dry_run:
                    db.execute(sa.delete(CHECKPOINTS).where(*_film(run_id), CHECKPOINTS.c.step.in_(drop)))
            dropped, freed = dropped + len(drop), freed + sum(sizes[step] for step in drop)
        return dropped, freed

    def compact(self) -> None:
        """Give the space of what was deleted back to the file system, where the database does not do so itself."""
        compact(self._connected())

    def rename(self, run_id: str, name: str) -> None:
        """Give a run another name."""
        self._change(run_id, name=_clean_name(name))

    def annotate(self, run_id: str, note: str) -> None:
        """Replace a run's note."""
        if len(note) > MAX_NOTE:
            raise ValueError(f"note must have at most {MAX_NOTE:,} characters, got {len(note):,}")
        self._change(run_id, note=note)

    def open_test(self, run_id: str) -> int:
        """Unseal the test losses and return how often that was done to this run."""
        first = sa.func.coalesce(RUNS.c.test_opened, time.time())
        self._change(run_id, test_openings=RUNS.c.test_openings + 1, test_opened=first)
        return self.run(run_id).test_openings

    def delete(self, run_id: str) -> None:
        """Remove a run with all that belongs to it; refused while a worker has it."""
        with self._write() as db:
            state = _state(db, run_id)
            if state in WORKING:
                raise ValueError(f"a run must be stopped before it is deleted, got one that is {state}")
            db.execute(sa.delete(RUNS).where(RUNS.c.id == run_id))

    def request_stop(self, run_id: str) -> RunState:
        """Stop a run: at once if it waits, else as soon as its worker sees it. Nothing happens to one that ended."""
        with self._write() as db:
            state = _state(db, run_id)
            if state is RunState.QUEUED:
                return _move(db, run_id, RunState.STOPPED, ended=time.time())
            return _move(db, run_id, RunState.STOPPING) if state is RunState.RUNNING else state

    def continue_run(self, run_id: str, *, max_steps: int | None = None, token: str | None = None) -> Run:
        """Queue a stopped, interrupted or finished run again, for `max_steps` updates in all, if that is given.

        It goes on from its train state, or from the start without one. With a `token` the caller has claimed it
        already. ``ValueError`` for a finished run without more steps, or with early stopping, which chose its weights.
        """
        run = self.run(run_id)
        config = run.config
        if max_steps is not None:
            require(max_steps > run.step, "max_steps", f"more than the {run.step:,} steps it has made", max_steps)
            config = config.replace(train=config.train.replace(max_steps=max_steps))
        if run.state is RunState.FINISHED:
            require(max_steps is not None, "max_steps", "given for a finished run", max_steps)
            require(not config.train.patience, "patience", "0 for a run to be trained longer", config.train.patience)
        again = {"config": json.dumps(config.to_dict()), "queued": time.time(), "ended": None, "token": None}
        with self._write() as db:
            _accept(db, config, run.checkpoints)
            if run.owner is not None:
                _usage(db, run.owner).check(waiting=1)
            _move(db, run_id, RunState.QUEUED, **again, error=None, error_type=None)
            if token is not None:
                _claim(db, run_id, token, LEASE_SECONDS)
        return self.run(run_id)

    def expire_leases(self) -> list[str]:
        """Mark runs whose worker has gone silent as interrupted, and return their ids. Anyone may call this.

        A worker known to live is spared: it was paused, or the machine is busy. It keeps its token in any case, and
        takes the run back with its next :meth:`record`, unless someone has continued it.
        """
        now = time.time()
        expired = sa.and_(RUNS.c.state.in_(WORKING), RUNS.c.lease_until < now)
        query = sa.select(RUNS.c.id, RUNS.c.heartbeat, RUNS.c.worker).where(expired)
        with self._read() as db:  # looked at often, so take no write lock unless there is something to write
            if all(_spared(row.heartbeat, row.worker, now) for row in db.execute(query)):
                return []
        with self._write() as db:
            rows = [
                row for row in db.execute(query.with_for_update()).all() if not _spared(row.heartbeat, row.worker, now)
            ]
            for row in rows:
                _move(db, row.id, RunState.INTERRUPTED, ended=row.heartbeat, lease_until=None)
        return [row.id for row in rows]

    # ---- runs: for the worker

    def claim(self, run_id: str, token: str | None = None, *, lease: float = LEASE_SECONDS) -> str | None:
        """Take a queued run, and return the token that every later write needs; None if it is not to be had.

        `token` is a fresh secret of the caller's, for a server that wants to answer for its worker's death.
        """
        token = token or new_token()
        with self._write() as db:
            return token if _claim(db, run_id, token, lease) else None

    def record(
        self,
        run_id: str,
        token: str,
        *,
        points: Sequence[Step] = (),
        samples: tuple[int, Sequence[str]] | None = None,
        weights: bytes | None = None,
        train_state: bytes | None = None,
        losses: dict[str, float] | None = None,
        checkpoints: Sequence[Checkpoint] = (),
        lease: float = LEASE_SECONDS,
    ) -> bool:
        """Write what happened since the last call, in one transaction, and renew the lease.

        `losses` and `train_state` are those of `weights`, at the step of the last point. A point replaces those
        from its step on, and checkpoints beyond the last point go: a continued run overwrites what its saved state
        did not know. A run whose worker was thought dead is running again.

        Returns
        -------
        bool
            Whether someone asked for a stop.
        """
        with self._write() as db:
            now = time.time()
            _take_back(db, run_id, token)
            _own(db, run_id, token, heartbeat=now, lease_until=now + lease)
            _write(db, run_id, points, samples, weights, train_state, losses, checkpoints)
            return _state(db, run_id) is RunState.STOPPING

    def finish(
        self,
        run_id: str,
        token: str,
        state: RunState,
        *,
        error: str | None = None,
        error_type: str | None = None,
        points: Sequence[Step] = (),
        samples: tuple[int, Sequence[str]] | None = None,
        weights: bytes | None = None,
        train_state: bytes | None = None,
        losses: dict[str, float] | None = None,
        checkpoints: Sequence[Checkpoint] = (),
    ) -> None:
        """End a run, with the last of what :meth:`record` takes; the token is worth nothing afterwards."""
        with self._write() as db:
            now = time.time()
            _own(db, run_id, token, heartbeat=now)
            _write(db, run_id, points, samples, weights, train_state, losses, checkpoints)
            ended = {"ended": now, "error": error, "error_type": error_type}
            _move(db, run_id, state, **ended, token=None, lease_until=None)

    # ---- the database

    def _find(self, where: sa.ColumnElement[bool]) -> list[Run | UnreadableRun]:
        query = sa.select(RUNS, CORPORA.c.name.label("corpus_name")).join(CORPORA).where(where)
        with self._read() as db:
            return [_run(row) for row in db.execute(query.order_by(RUNS.c.created.desc(), RUNS.c.id))]

    def _change(self, run_id: str, **values: Any) -> None:
        with self._write() as db:
            if not db.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(**values)).rowcount:
                raise _no_run(run_id)

    def _checkpoint(self, run_id: str, column: sa.Column[bytes]) -> bytes | None:
        with self._read() as db:
            return db.scalar(sa.select(column).where(CHECKPOINTS.c.run_id == run_id, CHECKPOINTS.c.kind == "last"))

    @contextlib.contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._in_a_sentence("readable"), self._connected().connect() as db:
            yield db

    @contextlib.contextmanager
    def _write(self) -> Iterator[Connection]:
        with self._in_a_sentence("writable"), self._connected().execution_options(writes=True).begin() as db:
            yield db

    @contextlib.contextmanager
    def _in_a_sentence(self, rule: str) -> Iterator[None]:
        try:
            yield
        except sa.exc.IntegrityError:  # a row was there already: no matter of the database's
            raise
        except sa.exc.DatabaseError as error:
            shown = sa.make_url(self.url).render_as_string(hide_password=True)
            raise StoreUnavailable(f"store must be {rule}, got {shown} ({error.orig})") from error

    def _connected(self) -> Engine:
        with self._lock:
            if self._engine is None or self._pid != os.getpid():
                # A parent's connections must not be closed here: keep its engine referenced for good.
                self._inherited, self._pid = self._engine, os.getpid()
                self._engine = open_database(self.url)
            return self._engine


_LOSSES = ("train_loss", "val_loss", "val_loss_unseen", "test_loss", "test_loss_unseen")


def new_token() -> str:
    """A secret that proves ownership of a run."""
    return secrets.token_hex(16)


# ---- inside a transaction


def _state(db: Connection, run_id: str) -> RunState:
    """A run's state, locked until the transaction ends."""
    state = db.scalar(sa.select(RUNS.c.state).where(RUNS.c.id == run_id).with_for_update())
    if state is None:
        raise _no_run(run_id)
    return RunState(state)


def _move(db: Connection, run_id: str, to: RunState, **values: Any) -> RunState:
    """Change a run's state; ``ValueError`` where :data:`TRANSITIONS` has no such change."""
    state = _state(db, run_id)
    if (state, to) not in TRANSITIONS:
        before = " or ".join(old for old, new in TRANSITIONS if new is to)
        raise ValueError(f"a run must be {before} to become {to}, got one that is {state}")
    db.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(state=to, **values))
    return to


def _claim(db: Connection, run_id: str, token: str, lease: float) -> bool:
    """Take a run if it is queued: one conditional UPDATE, so that of many who try one wins."""
    now = time.time()
    won: dict[str, Any] = {"state": RunState.RUNNING, "token": token, "heartbeat": now, "lease_until": now + lease}
    won["worker"] = this_process()
    won["started"] = sa.func.coalesce(RUNS.c.started, now)
    free = (RUNS.c.id == run_id, RUNS.c.state == RunState.QUEUED)
    return bool(db.execute(sa.update(RUNS).where(*free).values(**won)).rowcount)


def _spared(heartbeat: float | None, worker: str | None, now: float) -> bool:
    """Whether a worker whose lease has expired keeps its run."""
    return now < (heartbeat or 0.0) + SILENT_SECONDS and lives(worker)


def _take_back(db: Connection, run_id: str, token: str) -> None:
    """Let a run go on whose worker was thought dead; its token is kept until someone continues the run."""
    mine = (RUNS.c.id == run_id, RUNS.c.token == token, RUNS.c.state == RunState.INTERRUPTED)
    db.execute(sa.update(RUNS).where(*mine).values(state=RunState.RUNNING, ended=None))


def _own(db: Connection, run_id: str, token: str, **values: Any) -> None:
    """Lock a run for its worker and set some values; :class:`StaleToken` if it is no longer the worker's."""
    mine = (RUNS.c.id == run_id, RUNS.c.token == token, RUNS.c.state.in_(WORKING))
    if not db.execute(sa.update(RUNS).where(*mine).values(token=token, **values)).rowcount:
        raise StaleToken(f"run {run_id} belongs to no one or to another worker now")


def _write(
    db: Connection,
    run_id: str,
    points: Sequence[Step],
    samples: tuple[int, Sequence[str]] | None,
    weights: bytes | None,
    train_state: bytes | None,
    losses: dict[str, float] | None,
    checkpoints: Sequence[Checkpoint],
) -> None:
    if checkpoints:
        _write_checkpoints(db, run_id, checkpoints)
    if points:
        _write_points(db, run_id, points)
        db.execute(sa.delete(CHECKPOINTS).where(*_film(run_id), CHECKPOINTS.c.step > points[-1].step))
    if samples is not None:
        row = {"run_id": run_id, "step": samples[0], "words": json.dumps(list(samples[1]))}
        _append(db, SAMPLES, run_id, [row], MAX_SAMPLES)
    if weights is not None:
        _write_last(db, run_id, weights, train_state, losses or {})


def _write_points(db: Connection, run_id: str, points: Sequence[Step]) -> None:
    rows: list[dict[str, Any]] = [
        {"run_id": run_id} | {name: _finite(getattr(point, name)) for name in HISTORY} for point in points
    ]
    _append(db, STEPS, run_id, rows, MAX_POINTS)
    newest = {"step": points[-1].step, "seconds": points[-1].seconds}
    measured = [row["batch_loss"] for row in rows if row["batch_loss"] is not None]
    newest |= {"batch_loss": measured[-1]} if measured else {}
    db.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(**newest))


def _film(run_id: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return CHECKPOINTS.c.run_id == run_id, CHECKPOINTS.c.kind == "film"


def _write_checkpoints(db: Connection, run_id: str, checkpoints: Sequence[Checkpoint]) -> None:
    db.execute(sa.delete(CHECKPOINTS).where(*_film(run_id), CHECKPOINTS.c.step >= checkpoints[0].step))
    rows = [
        {"run_id": run_id, "kind": "film", "step": c.step, "weights": c.weights, "updates": _numbers(c.updates)}
        for c in checkpoints
    ]
    db.execute(sa.insert(CHECKPOINTS), rows)


def _sizes(db: Connection, run_id: str) -> dict[int, int]:
    """Bytes of a run's checkpoints by step, ascending."""
    query = sa.select(CHECKPOINTS.c.step, sa.func.length(CHECKPOINTS.c.weights)).where(*_film(run_id))
    return {row[0]: row[1] for row in db.execute(query.order_by(CHECKPOINTS.c.step))}


def _beyond(sizes: dict[int, int], limit: int) -> list[int]:
    """The steps to drop so that what stays is within the limit."""
    steps = list(sizes)
    fit = min(len(steps), limit // max(sizes.values(), default=1))
    kept = {steps[round(i)] for i in np.linspace(0, len(steps) - 1, fit)} if fit >= 2 else set()
    return [step for step in steps if step not in kept]


def _append(db: Connection, table: sa.Table, run_id: str, rows: list[dict[str, Any]], cap: int) -> None:
    """Put rows at the end of a run's series, in place of what it has from their first step on."""
    of_run = table.c.run_id == run_id
    db.execute(sa.delete(table).where(of_run, table.c.step >= rows[0]["step"]))
    db.execute(sa.insert(table), rows)
    if db.scalar(sa.select(sa.func.count()).select_from(table).where(of_run)) <= cap:  # type: ignore[operator]
        return
    steps = list(db.scalars(sa.select(table.c.step).where(of_run).order_by(table.c.step)))
    drop = sorted(set(steps) - thinned(steps, cap // 2))  # to half, so that it is not done at every write
    db.execute(sa.delete(table).where(of_run, table.c.step.in_(drop)))


def _write_last(
    db: Connection, run_id: str, weights: bytes, train_state: bytes | None, losses: dict[str, float]
) -> None:
    step = db.scalar(sa.select(RUNS.c.step).where(RUNS.c.id == run_id))
    db.execute(sa.delete(CHECKPOINTS).where(CHECKPOINTS.c.run_id == run_id, CHECKPOINTS.c.kind == "last"))
    row = {"run_id": run_id, "kind": "last", "step": step, "weights": weights, "train_state": train_state}
    db.execute(sa.insert(CHECKPOINTS).values(**row))
    finite = {name: value for name, value in losses.items() if _finite(value) is not None}
    db.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(weights_step=step, losses=json.dumps(finite)))


# ---- values


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _numbers(updates: Mapping[str, TensorUpdate]) -> str:
    return json.dumps({name: [_finite(value) for value in astuple(update)] for name, update in updates.items()})


def _updates(text: str) -> dict[str, TensorUpdate]:
    found = json.loads(text)
    return {name: TensorUpdate(*(math.nan if v is None else v for v in values)) for name, values in found.items()}


def _utc(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _run(row: Row[Any]) -> Run | UnreadableRun:
    try:
        return _read_run(row)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return UnreadableRun(row.id, row.name, str(error))


def _read_run(row: Row[Any]) -> Run:
    values = dict(row._mapping)
    config = RunConfig.from_dict(json.loads(values["config"]))
    values |= {
        name: _utc(values[name]) for name in ("created", "queued", "started", "ended", "heartbeat", "test_opened")
    }
    sealed = {} if row.test_openings else {"test_loss", "test_loss_unseen"}
    losses = {name: loss for name, loss in json.loads(row.losses).items() if name not in sealed}
    values |= {"checkpoints": row.checkpoints or 0}
    values |= {"config": config, "losses": losses, "state": RunState(row.state), "max_steps": config.train.max_steps}
    return Run(**{name: values[name] for name in Run.__dataclass_fields__})


def _served(db: Connection) -> dict[str | None, tuple[int, float]]:
    """By owner: how many runs workers have now, and when the newest of all was begun."""
    working = sa.func.sum(sa.case((RUNS.c.state.in_(WORKING), 1), else_=0))
    rows = db.execute(sa.select(RUNS.c.owner, working, sa.func.max(RUNS.c.started)).group_by(RUNS.c.owner))
    return {owner: (int(count), started or 0.0) for owner, count, started in rows}


def _accept(db: Connection, config: RunConfig, checkpoints: int) -> Cost:
    """What a run will need; ``ValueError`` where its corpus is not in the store, or it needs more than there is."""
    report = db.scalar(sa.select(CORPORA.c.report).where(CORPORA.c.sha256 == config.corpus_sha256))
    if report is None:
        raise ValueError(f"corpus must be in the store, got sha256 {config.corpus_sha256}")
    return accept(config, _report(report), checkpoints)


def _usage(db: Connection, owner: str) -> Usage:
    waiting = sa.select(sa.func.count()).where(RUNS.c.owner == owner, RUNS.c.state == RunState.QUEUED)
    reports = list(db.scalars(sa.select(CORPORA.c.report).where(CORPORA.c.owner == owner)))
    runs = _stored(db, RUNS.c.owner == owner)
    for run_id, expected in _expected(db, owner).items():
        runs[run_id] = max(runs[run_id], expected)
    stored = sum(_text_bytes(_report(report)) for report in reports) + sum(runs.values())
    return Usage(waiting=db.scalar(waiting) or 0, corpora=len(reports), stored=stored)


def _expected(db: Connection, owner: str) -> dict[str, int]:
    """Bytes that each run of an owner that waits or is at work will have in the end."""
    query = sa.select(RUNS.c.id, RUNS.c.config, RUNS.c.checkpoints, CORPORA.c.report).join(CORPORA)
    found = {}
    for row in db.execute(query.where(RUNS.c.owner == owner, RUNS.c.state.in_((RunState.QUEUED, *WORKING)))):
        with contextlib.suppress(ValueError):  # of another version, and so not to be read
            config = RunConfig.from_dict(json.loads(row.config))
            found[row.id] = estimate(config, _report(row.report), row.checkpoints or 0).stored
    return found


def _text_bytes(report: CorpusReport) -> int:
    """Of a corpus's words, one a line: counted without reading them."""
    return report.kept + sum(len(character.encode()) * count for character, count in report.characters.items())


def _stored(db: Connection, where: sa.ColumnElement[bool]) -> dict[str, int]:
    """Bytes by run."""
    ids = sa.select(RUNS.c.id).where(where)
    found = dict.fromkeys(db.scalars(ids), 0)
    for table, size in _SIZES.items():
        rows = sa.select(table.c.run_id, sa.func.sum(size)).where(table.c.run_id.in_(ids)).group_by(table.c.run_id)
        for run_id, count in db.execute(rows):
            found[run_id] = found.get(run_id, 0) + int(count)
    return found


_SIZES: dict[sa.Table, sa.ColumnElement[int]] = {
    # Of blobs SQLite knows the length without reading them. A checkpoint's updates would be read, so they are guessed.
    CHECKPOINTS: sa.func.coalesce(sa.func.length(CHECKPOINTS.c.weights), 0)
    + sa.func.coalesce(sa.func.length(CHECKPOINTS.c.train_state), 0)
    + 1_000,
    STEPS: sa.literal(8 * len(HISTORY)),
    SAMPLES: sa.func.length(SAMPLES.c.words),
}


def _report(text: str) -> CorpusReport:
    values = json.loads(text)
    values["lengths"] = {int(length): count for length, count in values["lengths"].items()}
    return CorpusReport(**values)


def _no_run(run_id: str) -> ValueError:
    return ValueError(f"run must be in the store, got id {quoted(run_id)}")


def _clean_name(name: str) -> str:
    cleaned = " ".join(name.split())
    if not 1 <= len(cleaned) <= MAX_NAME:
        raise ValueError(f"name must have 1 to {MAX_NAME} characters, got {len(cleaned)}")
    return cleaned


def _default_name(config: RunConfig) -> str:
    train = config.train
    for preset in PRESETS.values():
        if (preset.model, preset.train.replace(seed=train.seed)) == (config.model, train):
            return preset.title
    return config.model.summary()
