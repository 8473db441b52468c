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
import tempfile
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from ..architectures.interface import ModelConfig
from ..architectures.old_names import renamed
from ..checkpoint import COUNT, MAX_BYTES, Checkpoint
from ..config import Origin, RunConfig, TrainConfig
from ..corpus import Corpus
from ..fields import cut, quoted, require, whole
from ..limits import MAX_NAME, MAX_NOTE, Usage
from ..losses import LOSSES
from ..process import lives, this_process
from ..sweeps import Sweep
from ..symbols import CHARACTERS
from . import bin, foreign, tags, transfer
from .bin import KEPT
from .branches import Ancestor, keep_start, kept_steps, no_weights, origin_of, weights_at
from .clock import Now
from .digest import digests
from .locks import locking
from .points import Progress, beyond, checkpoint_sizes, of_film, over, read_updates, write_progress
from .run import (
    TRANSITIONS,
    WORKING,
    Run,
    RunResult,
    RunState,
    RunSummary,
    StaleToken,
    StoreUnavailable,
    UnreadableRun,
    clean_name,
    default_name,
    no_run,
    result_of_row,
    run_of_row,
    summary_of_row,
    utc,
)
from .schema import (
    CHECKPOINTS,
    CORPORA,
    HISTORY,
    LESSONS,
    MAX_ERROR_TYPE,
    RUNS,
    SAMPLES,
    SIZE,
    STEPS,
    SWEEPS,
    TAGS,
    Value,
    compact,
    default_url,
    full_url,
    open_database,
    open_file,
    reading,
    shown_url,
)
from .selection import ALL, RunFilter
from .size import StoreSize, size_of
from .sweeps import (
    StoredSweep,
    SweepRun,
    SweepState,
    clean_question,
    link,
    locked,
    no_sweep,
    run_count,
    runs_of,
    same_run,
    sweep_of_row,
)
from .transfer import ImportReport
from .usage import accepted_cost, keep_corpus, read_report, stored_bytes, usage_of

LEASE_SECONDS = 5.0
MAX_ANCESTORS = 100  # that are looked up
NOTHING_NEW = Progress()
SILENT_SECONDS = 600.0  # a worker that lives and writes nothing for so long has given its run up


class RunStore:
    """Runs in a database.

    Parameters
    ----------
    url : str, optional
        A URL of a PostgreSQL database (``postgresql+psycopg://user@host/name``), or the path of a SQLite file, which
        is made where there is none. Default: see :func:`default_url`.

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
        with contextlib.suppress(sa.exc.IntegrityError), self._write() as db:  # another was quicker
            keep_corpus(db, corpus, owner)
        return corpus.sha256

    def corpora(self) -> pd.DataFrame:
        """Columns ``sha256, name, words, created, runs, tokens`` (how many words, and runs on it); newest first."""
        runs = sa.select(sa.func.count()).where(RUNS.c.corpus_sha256 == CORPORA.c.sha256, KEPT).scalar_subquery()
        columns = (CORPORA.c.sha256, CORPORA.c.name, CORPORA.c.report, CORPORA.c.created, runs.label("runs"))
        with self._read() as db:
            rows = db.execute(sa.select(*columns).order_by(CORPORA.c.created.desc())).all()
        reports = [json.loads(row.report) for row in rows]
        table = [
            (r.sha256, r.name, report["kept"], utc(r.created), r.runs, report.get("tokens", CHARACTERS))
            for r, report in zip(rows, reports, strict=True)
        ]
        return pd.DataFrame(table, columns=["sha256", "name", "words", "created", "runs", "tokens"])

    def corpus(self, sha256: str) -> Corpus:
        """The corpus with this hash; ``ValueError`` if the store does not have it."""
        with self._read() as db:
            row = db.execute(sa.select(CORPORA).where(CORPORA.c.sha256 == sha256)).one_or_none()
        if row is None:
            raise ValueError(f"corpus must be in the store, got sha256 {cut(sha256)}")
        return Corpus(row.name, tuple(row.words.split("\n")), read_report(row.report))

    def delete_corpus(self, sha256: str) -> None:
        """Remove a corpus, and runs on it that are in the bin.

        Refused while there are others, or sweeps, on it, which could not be understood without it.
        """
        with self._write() as db:
            db.execute(sa.select(CORPORA.c.sha256).where(CORPORA.c.sha256 == sha256).with_for_update())
            for what, table, those in (("runs", RUNS, KEPT), ("sweeps", SWEEPS, sa.true())):
                on_it = table.c.corpus_sha256 == sha256
                if count := db.scalar(sa.select(sa.func.count()).select_from(table).where(on_it, those)):
                    raise ValueError(f"a corpus must have no {what} to be deleted, got one with {count:,}")
            db.execute(locking(sa.select(RUNS.c.id).where(RUNS.c.corpus_sha256 == sha256)))
            db.execute(sa.delete(RUNS).where(RUNS.c.corpus_sha256 == sha256))
            if not db.execute(sa.delete(CORPORA).where(CORPORA.c.sha256 == sha256)).rowcount:
                raise ValueError(f"corpus must be in the store, got sha256 {cut(sha256)}")

    # ---- what takes room

    def usage(self, owner: str) -> Usage:
        """What a visitor has waiting and keeps; a run that has not ended counts as what it will have then."""
        with self._read() as db:
            return usage_of(db, owner)

    def stored(self, run_ids: Iterable[str] | None = None) -> dict[str, int]:
        """Bytes that each run, or each of those named, takes: weights, training state, checkpoints, curve, samples."""
        with self._read() as db:
            return stored_bytes(db, KEPT if run_ids is None else RUNS.c.id.in_(list(run_ids)))

    def size(self) -> StoreSize:
        """Bytes by what takes them."""
        with self._read() as db:
            return size_of(db, self.file_bytes())

    def largest(self, count: int = 10) -> dict[str, int]:
        """The runs that take the most room, outside the bin: id -> bytes, the largest first."""
        sizes = self.stored()
        return {run_id: sizes[run_id] for run_id in sorted(sizes, key=sizes.__getitem__, reverse=True)[:count]}

    def file_bytes(self) -> int | None:
        """Bytes of a SQLite store on the disk; None for other databases."""
        if self._path is None:
            return None
        files = (self._path, self._path.with_name(f"{self._path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.is_file())

    def room(self) -> int | None:
        """Bytes left on the disk of a SQLite file; None for other databases."""
        return None if self._path is None else shutil.disk_usage(self._path.parent).free

    @property
    def _path(self) -> Path | None:
        url = sa.make_url(self.url)
        return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None

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

        `checkpoints`: how many it keeps while it trains, as far as they are small enough; with 0 it keeps
        its last weights only. ``ValueError`` also where it needs more memory or room than there is, or than its owner
        may have; see :func:`mmcore.cost.accept` and :mod:`mmcore.limits`.
        """
        whole("checkpoints", checkpoints, 0, 1_000)
        with self._write() as db:
            run_id = _insert(db, config, name, owner, checkpoints, waits=token is None)
            if token is not None:
                _claim(db, run_id, token, LEASE_SECONDS)
        return self.run(run_id)

    def branch(
        self,
        run_id: str,
        step: int,
        train: TrainConfig | None = None,
        *,
        model: ModelConfig | None = None,
        name: str | None = None,
        owner: str | None = None,
        token: str | None = None,
        checkpoints: int = COUNT,
    ) -> Run:
        """Queue a run that begins with another's weights after `step` of its steps, which are copied.

        `train`: how it is trained; as the other, if not given. `model` may differ from the other's in dropout only.
        Otherwise as :meth:`create`. ``ValueError`` also where the weights of that step are not kept.
        """
        parent = self.run(run_id)
        config = parent.config.replace(origin=self.origin(run_id, step))
        config = config.replace(train=train or config.train, model=model or config.model)
        name = name or f"{cut(parent.name, MAX_NAME - 40)}, from step {step:,}"
        return self.create(config, name=name, owner=owner, token=token, checkpoints=checkpoints)

    def kept_steps(self, run_id: str) -> list[int]:
        """The steps whose weights the store has of a run, ascending: its checkpoints and its last."""
        with self._read() as db:
            return kept_steps(db, run_id)

    def checkpoint(self, run_id: str, step: int) -> Checkpoint:
        """A run's weights at one of its :meth:`kept_steps`, alone."""
        with self._read() as db:
            weights = weights_at(db, run_id, step)
        if weights is None:
            raise no_weights(run_id, step)
        return Checkpoint(step=step, weights=weights)

    def origin(self, run_id: str, step: int) -> Origin:
        """What a branch of a run at one of its :meth:`kept_steps` has as its ``origin``."""
        with self._read() as db:
            weights = weights_at(db, run_id, step)
        if weights is None:
            raise no_weights(run_id, step)
        return origin_of(run_id, step, weights)

    def start(self, run_id: str) -> bytes | None:
        """The weights that a branch began with, float32 in the layout of ``Model.flat``; None of any other run."""
        return self._checkpoint(run_id, CHECKPOINTS.c.weights, "start")

    def ancestors(self, origin: Origin | None) -> list[Ancestor]:
        """Where a branch comes from, nearest first: up to a run that is no branch, or one that was deleted."""
        found: list[Ancestor] = []
        while origin is not None and len(found) < MAX_ANCESTORS:
            run = next(iter(self.runs(RunFilter(ids=[origin.run_id]))), None)
            found.append(Ancestor(origin=origin, run=run))
            origin = run.config.origin if run else None
        return found

    def now(self) -> datetime:
        """The time by the database's clock, as all times of runs are."""
        with self._read() as db:
            return datetime.fromtimestamp(db.execute(sa.select(Now())).scalar_one(), UTC)

    def run(self, run_id: str) -> Run:
        """The run with this id; ``ValueError`` if there is none, :class:`UnreadableRun` if it cannot be read."""
        for found in self._find([RUNS.c.id == run_id, KEPT]):
            if isinstance(found, UnreadableRun):
                raise found
            return found
        raise no_run(run_id)

    def whole_id(self, start: str, which: RunFilter = ALL) -> str:
        """The id that begins so, of those that the filter lets through; ``ValueError`` if none does, or several do."""
        query = sa.select(RUNS.c.id).where(RUNS.c.id.startswith(start, autoescape=True), *which.conditions())
        with self._read() as db:
            found = db.scalars(query.order_by(RUNS.c.id).limit(5)).all()
        if not start or not found:
            raise no_run(start)
        if len(found) > 1 and start not in found:
            raise ValueError(f"id must begin the id of one run, got {quoted(start)}, which begins {', '.join(found)}")
        return start if start in found else found[0]

    def runs(self, which: RunFilter = ALL, *, limit: int | None = None, offset: int = 0) -> list[Run]:
        """Those that can be read, newest first; of what the filter lets through, `limit` from `offset` on."""
        return [run for run in self._find(which.conditions(), limit, offset) if isinstance(run, Run)]

    def unreadable(self, which: RunFilter = ALL, *, limit: int | None = None, offset: int = 0) -> list[UnreadableRun]:
        """Those that cannot be read, otherwise as :meth:`runs`."""
        return [run for run in self._find(which.conditions(), limit, offset) if isinstance(run, UnreadableRun)]

    def summaries(self, which: RunFilter = ALL, *, limit: int | None = None, offset: int = 0) -> list[RunSummary]:
        """All of them in few words, without reading their settings; otherwise as :meth:`runs`."""
        columns = [RUNS.c[name] for name in RunSummary.__dataclass_fields__ if name in RUNS.c]
        query = sa.select(*columns, CORPORA.c.name.label("corpus_name")).join(CORPORA).where(*which.conditions())
        with self._read() as db:
            return [summary_of_row(row) for row in db.execute(_newest_first(query, limit, offset))]

    def results(self, which: RunFilter = ALL) -> list[RunResult]:
        """Those that have weights with an exact validation loss, newest first, without reading their settings."""
        names = (*RunResult.__dataclass_fields__, "losses")
        query = sa.select(*(RUNS.c[name] for name in names if name in RUNS.c)).where(*which.conditions())
        with self._read() as db:
            found = [result_of_row(row) for row in db.execute(_newest_first(query, None, 0))]
        return [result for result in found if result is not None]

    def count(self, which: RunFilter = ALL) -> int:
        """How many there are, whether or not they can be read."""
        with self._read() as db:
            return db.scalar(sa.select(sa.func.count()).select_from(RUNS).where(*which.conditions())) or 0

    def latest(self) -> Run | None:
        """The newest run that can be read."""
        if first := self.runs(limit=1):  # as a rule it can
            return first[0]
        newest = (run for start in range(1, self.count(), 20) for run in self.runs(limit=20, offset=start))
        return next(newest, None)

    def runs_table(self, which: RunFilter = ALL, *, limit: int | None = None) -> pd.DataFrame:
        """One row a run, newest first: what it is, how far it got, its losses, its settings."""
        rows = []
        for run in self.runs(which, limit=limit):
            row: dict[str, Any] = {"id": run.id, "name": run.name, "state": str(run.state), "corpus": run.corpus_name}
            row |= {"step": run.step, "max_steps": run.max_steps, "seconds": run.seconds}
            row |= {name: run.losses.get(name, math.nan) for name in LOSSES}
            row |= {"created": run.created, "tags": ", ".join(run.tags), "note": run.note, "error": run.error}
            row |= {"owner": run.owner}
            row |= {"split_seed": run.config.split.split_seed}
            rows.append(row | vars(run.config.model) | vars(run.config.train))
        return pd.DataFrame(rows)

    def queued(self, sweep: str | None = None, limit: int | None = None) -> list[str]:
        """Ids of the runs that wait, or of those of a sweep, in the order in which they begin: owners take turns.

        Next is the oldest run of the owner who has the fewest at work; of several, who was served longest ago.
        """
        which = RunFilter(states=[RunState.QUEUED], sweep=sweep)
        place = sa.func.row_number().over(partition_by=RUNS.c.owner, order_by=(RUNS.c.queued, RUNS.c.id))
        own = sa.select(RUNS.c.id, RUNS.c.owner, RUNS.c.queued, place.label("place")).where(*which.conditions())
        waiting = own.subquery()
        first = [] if limit is None else [waiting.c.place <= limit]  # of each owner: they may be all that are next
        query = sa.select(waiting.c.id, waiting.c.owner).where(*first).order_by(waiting.c.queued, waiting.c.id)
        with self._read() as db:
            rows = db.execute(query).all()
            owners = {row.owner for row in rows}
            served = _served(db, owners) if len(owners) > 1 else {}
        turn: Counter[str | None] = Counter({owner: working for owner, (working, _) in served.items()})
        keys = []
        for row in rows:
            keys.append((turn[row.owner], served.get(row.owner, (0, 0.0))[1]))
            turn[row.owner] += 1
        return [rows[i].id for i in sorted(range(len(rows)), key=keys.__getitem__)][:limit]

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

    def first_losses(self, run_ids: Iterable[str]) -> dict[str, float]:
        """The train loss at the first point of each curve that has one: run id -> nats per character."""
        measured = (STEPS.c.run_id.in_(list(run_ids)), STEPS.c.train_loss.is_not(None))
        first = sa.select(STEPS.c.run_id, sa.func.min(STEPS.c.step).label("step")).where(*measured)
        begun = first.group_by(STEPS.c.run_id).subquery()
        here = sa.and_(STEPS.c.run_id == begun.c.run_id, STEPS.c.step == begun.c.step)
        with self._read() as db:
            return {row.run_id: row.train_loss for row in db.execute(sa.select(STEPS).join(begun, here))}

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

    def goes_on(self, run_id: str) -> bool:
        """Whether there is a :meth:`train_state`; of a model that was kept from Playground only weights are stored."""
        saved = (CHECKPOINTS.c.run_id == run_id, CHECKPOINTS.c.kind == "last", CHECKPOINTS.c.train_state.is_not(None))
        with self._read() as db:
            return db.scalar(sa.select(sa.literal(1)).where(*saved)) is not None

    def checkpoints(self, run_id: str) -> list[Checkpoint]:
        """The weights kept along the way, first to last; none for runs of older stores, or once collected."""
        columns = (CHECKPOINTS.c.step, CHECKPOINTS.c.weights, CHECKPOINTS.c.updates)
        with self._read() as db:
            rows = db.execute(sa.select(*columns).where(*of_film(run_id)).order_by(CHECKPOINTS.c.step)).all()
            config = db.scalar(sa.select(RUNS.c.config).where(RUNS.c.id == run_id))
        names = renamed(RunConfig.from_dict(json.loads(config)).model) if rows and config else {}
        return [Checkpoint(step=r.step, weights=r.weights, updates=read_updates(r.updates, names)) for r in rows]

    def collect(self, run_ids: Iterable[str], *, limit: int = MAX_BYTES, dry_run: bool = False) -> tuple[int, int]:
        """Drop checkpoints of runs beyond `limit` bytes each, and return how many went and their bytes.

        The last weights of a run always stay, and of its checkpoints the first, the last and evenly some between; with
        a limit that holds fewer than two, none. Runs that a worker has are left alone.
        """
        whole("limit", limit, 0, 2**40)
        dropped = freed = 0
        with self._read() as db:
            candidates = over(db, limit)
        for run_id in (run_id for run_id in run_ids if run_id in candidates):
            with self._write() as db:
                sizes = {} if _state(db, run_id) in WORKING else checkpoint_sizes(db, run_id)
                drop = beyond(sizes, limit)
                if drop and not dry_run:
                    db.execute(sa.delete(CHECKPOINTS).where(*of_film(run_id), CHECKPOINTS.c.step.in_(drop)))
                    db.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(stored=SIZE))
            dropped, freed = dropped + len(drop), freed + sum(sizes[step] for step in drop)
        return dropped, freed

    def compact(self) -> None:
        """Give the space of what was deleted back to the file system, where the database does not do so itself."""
        compact(self._connected())

    def rename(self, run_id: str, name: str) -> None:
        """Give a run another name."""
        self._change(run_id, name=clean_name(name))

    def annotate(self, run_id: str, note: str) -> None:
        """Replace a run's note."""
        if len(note) > MAX_NOTE:
            raise ValueError(f"note must have at most {MAX_NOTE:,} characters, got {len(note):,}")
        self._change(run_id, note=note)

    def open_test(self, run_id: str) -> int:
        """Unseal the test losses and return how often that was done to this run."""
        first = sa.func.coalesce(RUNS.c.test_opened, Now())
        self._change(run_id, test_openings=RUNS.c.test_openings + 1, test_opened=first)
        return self.run(run_id).test_openings

    def delete(self, *run_ids: str) -> None:
        """Put runs into the bin, from where :meth:`restore` brings them back for a day.

        Those that wait are stopped. Refused, for all of them, while a worker has one.
        """
        with self._write() as db:
            bin.put(db, run_ids)

    def restore(self, run_ids: Iterable[str]) -> list[str]:
        """Take runs out of the bin again; returns the ids of those that were still there."""
        with self._write() as db:
            return bin.take_out(db, list(run_ids))

    def empty_bin(self, older_than: float = 0.0, run_ids: Iterable[str] | None = None) -> int:
        """Remove runs, or those of the ones named, that have been in the bin for so many seconds; returns how many."""
        named, removed = None if run_ids is None else list(run_ids), 0
        while True:
            with self._write() as db:
                some = bin.remove(db, older_than, named)
            if not some:
                return removed
            removed += some

    def tag(self, run_ids: Iterable[str], tag: str) -> None:
        """Give runs a tag of 1 to 40 characters without commas."""
        with self._write() as db:
            tags.add(db, list(run_ids), tags.clean_tag(tag))

    def untag(self, run_ids: Iterable[str], tag: str) -> None:
        """Take a tag from runs; nothing happens to those without it."""
        with self._write() as db:
            db.execute(sa.delete(TAGS).where(TAGS.c.run_id.in_(list(run_ids)), TAGS.c.tag == tag))

    def tags(self) -> dict[str, int]:
        """Every tag and how many runs have it, in the order of the alphabet."""
        with self._read() as db:
            return tags.counts(db)

    def request_stop(self, run_id: str) -> RunState:
        """Stop a run: at once if it waits, else as soon as its worker sees it. Nothing happens to one that ended."""
        with self._write() as db:
            state = _state(db, run_id)
            if state is RunState.QUEUED:
                return _move(db, run_id, RunState.STOPPED, ended=Now())
            return _move(db, run_id, RunState.STOPPING) if state is RunState.RUNNING else state

    def continue_run(
        self, run_id: str, *, max_steps: int | None = None, token: str | None = None, waits: bool = True
    ) -> Run:
        """Queue a stopped, interrupted or finished run again, for `max_steps` updates in all, if that is given.

        It goes on from its train state, or from the start without one. With a `token` the caller has claimed it
        already. `waits`: whether it counts as waiting for its owner's limit. ``ValueError`` for a finished run without
        more steps, and for more steps where early stopping has chosen the weights by all that there were.
        """
        run = self.run(run_id)
        config = run.config
        if max_steps is not None:
            require(max_steps > run.step, "max_steps", f"more than the {run.step:,} steps it has made", max_steps)
            config = config.replace(train=config.train.replace(max_steps=max_steps))
        if run.state is RunState.FINISHED:
            require(max_steps is not None, "max_steps", "given for a finished run", max_steps)
        if run.state is RunState.FINISHED or (max_steps is not None and run.step >= run.max_steps):
            require(not config.train.patience, "patience", "0 for a run to be trained longer", config.train.patience)
        again = {"config": json.dumps(config.to_dict()), "queued": Now(), "ended": None, "token": None}
        again |= digests(config)
        with self._write() as db:
            accepted_cost(db, config, run.checkpoints)
            if run.owner is not None:
                usage_of(db, run.owner).check(waiting=int(waits))
            _move(db, run_id, RunState.QUEUED, **again, error=None, error_type=None)
            if token is not None:
                _claim(db, run_id, token, LEASE_SECONDS)
        return self.run(run_id)

    def expire_leases(self) -> list[str]:
        """Mark runs whose worker has gone silent as interrupted, and return their ids. Anyone may call this.

        A worker known to live is spared: it was paused, or the machine is busy. It keeps its token in any case, and
        takes the run back with its next :meth:`record`, unless someone has continued it.
        """
        columns = (RUNS.c.id, RUNS.c.heartbeat, RUNS.c.worker, (Now() - RUNS.c.heartbeat).label("silent"))
        query = sa.select(*columns).where(RUNS.c.state.in_(WORKING), RUNS.c.lease_until < Now())
        with self._read() as db:  # looked at often, so take no write lock unless there is something to write
            if all(_spared(row) for row in db.execute(query)):
                return []
        with self._write() as db:
            rows = [row for row in db.execute(locking(query)).all() if not _spared(row)]
            for row in rows:
                _move(db, row.id, RunState.INTERRUPTED, ended=row.heartbeat, lease_until=None, stored=SIZE)
        return [row.id for row in rows]

    # ---- runs as one file

    def export_runs(self, run_ids: Iterable[str], path: str | Path) -> None:
        """Write runs to a file, which is a small store, with their corpora, curves, samples, weights and tags.

        Left out: who owns them, who trains them, and their sweeps. A file that is there is replaced by the whole one.
        """
        path = Path(path)
        with _beside(path) as new, self._read() as db:
            engine = open_file(new)
            try:
                with engine.execution_options(writes=True).begin() as file:
                    transfer.write(db, list(dict.fromkeys(run_ids)), file)
            finally:
                engine.dispose()

    def import_runs(self, path: str | Path, owner: str | None = None) -> ImportReport:
        """Keep the runs of such a file, of this schema or an older one, as far as they are sound; they have ended.

        A run that is in the store already is skipped; one whose id another run has gets a new id. ``ValueError`` for
        a file that cannot be read. Nothing in it is trusted: see :mod:`.foreign` and :mod:`.transfer`.
        """
        report = ImportReport()
        with foreign.opened(Path(path)) as file:
            reader = transfer.Reader(file)
            for run_id in transfer.ids(file):
                try:
                    parcel = reader.parcel(run_id)
                    with self._write() as db:
                        report.imported[run_id] = transfer.keep(db, parcel, owner)
                except sa.exc.IntegrityError:
                    report.skipped[run_id] = "it was stored by someone else meanwhile"
                except ValueError as reason:
                    report.skipped[run_id] = str(reason)
        return report

    # ---- sweeps

    def create_sweep(self, sweep: Sweep, *, name: str, question: str = "", owner: str | None = None) -> StoredSweep:
        """Keep a sweep, active from now on; its runs are added by :meth:`add_to_sweep`. Its corpus must be stored."""
        row: dict[str, Value] = {"id": secrets.token_hex(5), "name": clean_name(name), "owner": owner}
        row |= {"question": clean_question(question), "config": json.dumps(sweep.to_dict()), "created": Now()}
        row |= {"state": SweepState.ACTIVE, "corpus_sha256": sweep.base.corpus_sha256}
        with self._write() as db:
            if owner is not None:
                usage_of(db, owner).check()
            accepted_cost(db, sweep.base, 0)
            db.execute(sa.insert(SWEEPS).values(**row))
        return self.sweep(str(row["id"]))

    def sweep(self, sweep_id: str) -> StoredSweep:
        """The sweep with this id; ``ValueError`` if there is none."""
        with self._read() as db:
            row = db.execute(sa.select(SWEEPS).where(SWEEPS.c.id == sweep_id)).one_or_none()
        if row is None:
            raise no_sweep(sweep_id)
        return sweep_of_row(row)

    def sweeps(self, state: SweepState | None = None) -> list[StoredSweep]:
        """All that can be read, or those in a state, newest first. Their runs: ``runs(RunFilter(sweep=id))``."""
        query = sa.select(SWEEPS).order_by(SWEEPS.c.created.desc(), SWEEPS.c.id)
        with self._read() as db:
            rows = db.execute(query if state is None else query.where(SWEEPS.c.state == state)).all()
        found = []
        for row in rows:
            with contextlib.suppress(ValueError, TypeError, KeyError):  # of a newer version, or damaged
                found.append(sweep_of_row(row))
        return found

    def sweep_runs(self, sweep_id: str) -> list[SweepRun]:
        """What decides a sweep's next runs, of each that it has, first to last."""
        with self._read() as db:
            return runs_of(db, sweep_id)

    def add_to_sweep(
        self, sweep_id: str, wanted: Sequence[tuple[RunConfig, str]], *, known: int, checkpoints: int = 0
    ) -> list[str] | None:
        """Give an active sweep its next runs, as (settings, name), and return their ids.

        A run that the store has already with the same settings becomes the sweep's as it is; the others are queued.
        All of them or none. `known`: how many runs the caller saw the sweep have; None, and nothing done, where it has
        others by now, or is not active any more.
        """
        with self._write() as db:
            row = locked(db, sweep_id)
            if row.state != SweepState.ACTIVE or run_count(db, sweep_id) != known:
                return None
            added = []
            for config, name in wanted:
                found = same_run(db, sweep_id, config)
                run_id = found or _insert(db, config, name, row.owner, checkpoints, waits=False)
                link(db, sweep_id, [run_id])
                added.append(run_id)
            return added

    def change_sweep(self, sweep_id: str, sweep: Sweep) -> None:
        """Give a sweep another config, such as one with more seeds or values; it is active then. Its runs stay."""
        with self._write() as db:
            row = locked(db, sweep_id)
            same = row.corpus_sha256 == sweep.base.corpus_sha256
            require(same, "corpus", "the one that the sweep has", sweep.base.corpus_sha256)
            values = {"config": json.dumps(sweep.to_dict()), "state": SweepState.ACTIVE, "error": None}
            db.execute(sa.update(SWEEPS).where(SWEEPS.c.id == sweep_id).values(**values))

    def set_sweep_state(self, sweep_id: str, state: SweepState, error: str | None = None) -> None:
        """Stop a sweep, or let it go on; its runs are left as they are."""
        with self._write() as db:
            locked(db, sweep_id)
            db.execute(sa.update(SWEEPS).where(SWEEPS.c.id == sweep_id).values(state=state, error=error))

    def end_sweep(self, seen: StoredSweep, state: SweepState, error: str | None = None) -> None:
        """Give a sweep that is as it was seen its end; one changed, stopped or deleted since is left as it is."""
        with self._write() as db:
            row = db.execute(sa.select(SWEEPS).where(SWEEPS.c.id == seen.id).with_for_update()).one_or_none()
            if row is not None and (now := sweep_of_row(row)).state is seen.state and now.config == seen.config:
                db.execute(sa.update(SWEEPS).where(SWEEPS.c.id == seen.id).values(state=state, error=error))

    def describe_sweep(self, sweep_id: str, *, name: str | None = None, question: str | None = None) -> None:
        """Give a sweep another name or question."""
        values = {} if name is None else {"name": clean_name(name)}
        values |= {} if question is None else {"question": clean_question(question)}
        with self._write() as db:
            locked(db, sweep_id)
            db.execute(sa.update(SWEEPS).where(SWEEPS.c.id == sweep_id).values(id=sweep_id, **values))

    def stop_sweep(self, sweep_id: str) -> None:
        """Add no more runs to a sweep, and stop those that wait or run."""
        self.set_sweep_state(sweep_id, SweepState.STOPPED)
        for state in (RunState.QUEUED, RunState.RUNNING):  # in this order, so that none of them begins meanwhile
            for run in self.sweep_runs(sweep_id):
                if run.state is state:
                    self.request_stop(run.id)

    def resume_sweep(self, sweep_id: str) -> None:
        """Let a sweep go on, and its runs that were stopped or interrupted."""
        for run in self.sweep_runs(sweep_id):
            if run.state in (RunState.STOPPED, RunState.INTERRUPTED):
                self.continue_run(run.id, waits=False)
        self.set_sweep_state(sweep_id, SweepState.ACTIVE)

    def delete_sweep(self, sweep_id: str) -> None:
        """Remove a sweep; its runs stay."""
        with self._write() as db:
            locked(db, sweep_id)
            db.execute(sa.delete(SWEEPS).where(SWEEPS.c.id == sweep_id))

    # ---- lessons

    def answer_lesson(self, owner: str, lesson: str, choice: int) -> None:
        """Keep a visitor's answer to a lesson, in place of an earlier one."""
        mine = (LESSONS.c.owner == owner, LESSONS.c.lesson == lesson)
        with contextlib.suppress(sa.exc.IntegrityError), self._write() as db:  # another tab was quicker
            db.execute(sa.delete(LESSONS).where(*mine))
            db.execute(sa.insert(LESSONS).values(owner=owner, lesson=lesson, choice=choice, answered=Now()))

    def lesson_answers(self, owner: str) -> dict[str, int]:
        """A visitor's answers: lesson -> choice."""
        query = sa.select(LESSONS.c.lesson, LESSONS.c.choice).where(LESSONS.c.owner == owner)
        with self._read() as db:
            return {row.lesson: row.choice for row in db.execute(query)}

    # ---- runs: for the worker

    def claim(self, run_id: str, token: str | None = None, *, lease: float = LEASE_SECONDS) -> str | None:
        """Take a queued run, and return the token that every later write needs; None if it is not to be had.

        `token` is a fresh secret of the caller's, for a server that wants to answer for its worker's death.
        """
        token = token or new_token()
        with self._write() as db:
            return token if _claim(db, run_id, token, lease) else None

    def record(
        self, run_id: str, token: str, progress: Progress = NOTHING_NEW, *, lease: float = LEASE_SECONDS
    ) -> bool:
        """Write what happened since the last call, in one transaction, and renew the lease.

        A run whose worker was thought dead is running again.

        Returns
        -------
        bool
            Whether someone asked for a stop.
        """
        with self._write(late=True) as db:  # the next one follows soon, and what a run needs last is in its end
            renewed: dict[str, Value] = {"heartbeat": Now(), "lease_until": Now() + lease}
            state = _own(db, run_id, token, renewed)
            if state is None:
                _take_back(db, run_id, token)
                state = _own(db, run_id, token, renewed)
            if state is None:
                raise _stale(run_id)
            if new := write_progress(db, run_id, progress):
                db.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(**new))
            return state is RunState.STOPPING

    def finish(
        self,
        run_id: str,
        token: str,
        state: RunState,
        progress: Progress = NOTHING_NEW,
        *,
        error: str | None = None,
        error_type: str | None = None,
    ) -> None:
        """End a run, with the last of its progress; the token is worth nothing afterwards."""
        with self._write() as db:
            old = _own(db, run_id, token, {"heartbeat": Now()})
            if old is None:
                raise _stale(run_id)
            new = write_progress(db, run_id, progress) | {"ended": Now(), "stored": SIZE}
            new |= {"error": error, "error_type": error_type and error_type[:MAX_ERROR_TYPE]}
            _change_state(db, run_id, old, state, **new, token=None, lease_until=None)

    # ---- the database

    def _find(
        self, where: Iterable[sa.ColumnElement[bool]], limit: int | None = None, offset: int = 0
    ) -> list[Run | UnreadableRun]:
        columns = (CORPORA.c.name.label("corpus_name"), tags.OF_RUN.label("tags"))
        query = sa.select(RUNS, *columns).join(CORPORA).where(*where)
        with self._read() as db:
            return [run_of_row(row) for row in db.execute(_newest_first(query, limit, offset))]

    def _change(self, run_id: str, **values: Value) -> None:
        with self._write() as db:
            if not db.execute(sa.update(RUNS).where(RUNS.c.id == run_id, KEPT).values(**values)).rowcount:
                raise no_run(run_id)

    def _checkpoint(self, run_id: str, column: sa.Column[bytes], kind: str = "last") -> bytes | None:
        with self._read() as db:
            return db.scalar(sa.select(column).where(CHECKPOINTS.c.run_id == run_id, CHECKPOINTS.c.kind == kind))

    @contextlib.contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._in_a_sentence("readable"), reading(self._connected()).connect() as db:
            yield db

    @contextlib.contextmanager
    def _write(self, *, late: bool = False) -> Iterator[Connection]:
        with self._in_a_sentence("writable"), self._connected().execution_options(writes=True, late=late).begin() as db:
            yield db

    @contextlib.contextmanager
    def _in_a_sentence(self, rule: str) -> Iterator[None]:
        try:
            yield
        except sa.exc.IntegrityError:  # a row was there already: no matter of the database's
            raise
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:  # the latter: no connection was free for long
            if isinstance(getattr(error, "orig", error).__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from error  # Ctrl-C left the connection in the midst of a statement
            reason, *_ = str(getattr(error, "orig", error)).splitlines() or [type(error).__name__]  # the rest is advice
            raise StoreUnavailable(f"store must be {rule}, got {shown_url(self.url)} ({reason})") from error

    def _connected(self) -> Engine:
        with self._lock:
            if self._engine is None or self._pid != os.getpid():
                # A parent's connections must not be closed here: keep its engine referenced for good.
                self._inherited, self._pid = self._engine, os.getpid()
                self._engine = open_database(self.url)
            return self._engine


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A new file that takes the place of another once it is whole."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            new = Path(folder) / path.name
            yield new
            os.replace(new, path)
    except StoreUnavailable:
        raise
    except (OSError, sa.exc.OperationalError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "orig", error)
        raise OSError(f"{path} could not be written ({reason})") from error


def new_token() -> str:
    """A secret that proves ownership of a run."""
    return secrets.token_hex(16)


# ---- inside a transaction


def _insert(
    db: Connection, config: RunConfig, name: str | None, owner: str | None, checkpoints: int, *, waits: bool = True
) -> str:
    """Queue a run and return its id; ``waits``: whether it counts as waiting for its owner's limit."""
    row: dict[str, Value] = {"id": secrets.token_hex(5), "name": clean_name(name or default_name(config)), "note": ""}
    row |= {"owner": owner, "checkpoints": checkpoints, "state": RunState.QUEUED, "created": Now(), "queued": Now()}
    row |= {"config": json.dumps(config.to_dict()), "corpus_sha256": config.corpus_sha256, **digests(config)}
    row |= {"parent": config.origin.run_id if config.origin else None}
    cost = accepted_cost(db, config, checkpoints)
    if owner is not None:
        usage_of(db, owner).check(waiting=int(waits), stored=cost.stored)
    db.execute(sa.insert(RUNS).values(**row))
    keep_start(db, str(row["id"]), config)
    return str(row["id"])


def _newest_first(query: sa.Select[Any], limit: int | None, offset: int) -> sa.Select[Any]:
    return query.order_by(RUNS.c.created.desc(), RUNS.c.id).limit(limit).offset(offset)


def _state(db: Connection, run_id: str) -> RunState:
    """A run's state, locked until the transaction ends."""
    state = db.scalar(sa.select(RUNS.c.state).where(RUNS.c.id == run_id, KEPT).with_for_update())
    if state is None:
        raise no_run(run_id)
    return RunState(state)


def _move(db: Connection, run_id: str, to: RunState, **values: Value) -> RunState:
    """Change a run's state; ``ValueError`` where :data:`TRANSITIONS` has no such change."""
    return _change_state(db, run_id, _state(db, run_id), to, **values)


def _change_state(db: Connection, run_id: str, state: RunState, to: RunState, **values: Value) -> RunState:
    """As :func:`_move`, of a run that has this state and is locked."""
    if (state, to) not in TRANSITIONS:
        before = " or ".join(old for old, new in TRANSITIONS if new is to)
        raise ValueError(f"a run must be {before} to become {to}, got one that is {state}")
    db.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(state=to, **values))
    return to


def _claim(db: Connection, run_id: str, token: str, lease: float) -> bool:
    """Take a run if it is queued: one conditional UPDATE, so that of many who try one wins."""
    won: dict[str, Value] = {"state": RunState.RUNNING, "token": token, "worker": this_process()}
    won |= {"heartbeat": Now(), "lease_until": Now() + lease, "started": sa.func.coalesce(RUNS.c.started, Now())}
    won["stored"] = None
    free = (RUNS.c.id == run_id, RUNS.c.state == RunState.QUEUED, KEPT)
    return bool(db.execute(sa.update(RUNS).where(*free).values(**won)).rowcount)


def _spared(row: sa.Row[Any]) -> bool:
    """Whether a worker whose lease has expired keeps its run."""
    return row.silent is not None and row.silent < SILENT_SECONDS and lives(row.worker)


def _take_back(db: Connection, run_id: str, token: str) -> None:
    """Let a run go on whose worker was thought dead; its token is kept until someone continues the run."""
    mine = (RUNS.c.id == run_id, RUNS.c.token == token, RUNS.c.state == RunState.INTERRUPTED, KEPT)
    db.execute(sa.update(RUNS).where(*mine).values(state=RunState.RUNNING, ended=None, stored=None))


def _own(db: Connection, run_id: str, token: str, values: dict[str, Value]) -> RunState | None:
    """Lock a run for its worker and set some values; its state, or None if it is not, or no longer, the worker's."""
    mine = (RUNS.c.id == run_id, RUNS.c.token == token, RUNS.c.state.in_(WORKING))
    state = db.scalar(sa.update(RUNS).where(*mine).values(**values).returning(RUNS.c.state))
    return None if state is None else RunState(state)


def _stale(run_id: str) -> StaleToken:
    return StaleToken(f"run {run_id} belongs to no one or to another worker now")


def _served(db: Connection, owners: Collection[str | None]) -> dict[str | None, tuple[int, float]]:
    """By owner: how many runs workers have now, and when the newest of all was begun."""
    working = sa.func.sum(sa.case((RUNS.c.state.in_(WORKING), 1), else_=0))
    theirs = RUNS.c.owner.in_(set(owners) - {None})
    query = sa.select(RUNS.c.owner, working, sa.func.max(RUNS.c.started)).group_by(RUNS.c.owner)
    rows = db.execute(query.where(sa.or_(theirs, RUNS.c.owner.is_(None)) if None in owners else theirs))
    return {owner: (int(count), started or 0.0) for owner, count, started in rows}
