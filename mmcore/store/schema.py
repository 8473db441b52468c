"""The store's tables, and opening a database that has them: making, checking, copying, upgrading."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.pool import ConnectionPoolEntry

from ..fields import quoted
from ..installation import INSTALLED, user_data_folder
from ..losses import SHOWN
from .clock import give_clock
from .text import Line, Text

SCHEMA_VERSION = 6
HISTORY = ("step", "batch_loss", *SHOWN, "learning_rate", "seconds")
"""Columns of a run's curve."""
LARGEST = 2**31 - 1  # whole number that a column of them holds
MAX_ERROR_TYPE = 64  # characters

Value = str | float | bytes | sa.ColumnElement[Any] | None
"""What a column may be set to."""

_LOGIN = re.compile(r"(?<=://).*@")  # of a URL that cannot be taken apart
_UPGRADE_LOCK = 6_101_905  # a number that nobody else's lock in the database has, for all versions the same

CONNECTION = {
    "application_name": "makemore-lab",
    "connect_timeout": "5",  # seconds, as the next three
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "20000",  # milliseconds that what was sent may stay without an answer of the other machine
    # And what the server does: what a machine that is gone has locked is free again after a minute, not after hours;
    # and it compiles no query, which took it 0.1 s for one of 0.01 s.
    "options": "-c lock_timeout=30s -c idle_in_transaction_session_timeout=60s -c jit=off "
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2",
}
"""What a connection to PostgreSQL asks for, where the URL has nothing else.

One to a machine that is gone, or behind a network that is gone, without a word is given up after 20 seconds.
"""
LATE = "SET LOCAL synchronous_commit = off"
"""For writes that need not be on the disk when they return: PostgreSQL has them there within a second.

Should its machine fail before, the newest of them are missing, as with SQLite here; never one between others.
"""
POOL: dict[str, Any] = {"pool_size": 2, "max_overflow": 13, "pool_timeout": 30, "pool_pre_ping": True}
"""A process's connections to PostgreSQL: a worker uses one, a server of many visitors up to 15 and keeps 2 open.

PostgreSQL allows 100 in all as it comes. Before one is used again it is asked whether it still stands.
"""

METADATA = sa.MetaData()


def _run_key() -> sa.Column[str]:
    return sa.Column("run_id", Line(32), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)


VERSIONS = sa.Table("schema_version", METADATA, sa.Column("version", sa.Integer, nullable=False))
CORPORA = sa.Table(
    "corpora",
    METADATA,
    sa.Column("sha256", Line(64), primary_key=True),
    sa.Column("name", Line(255), nullable=False),
    sa.Column("words", Text, nullable=False),  # one a line
    sa.Column("report", Text, nullable=False),  # JSON of CorpusReport
    sa.Column("created", sa.Double, nullable=False),  # this and all times: seconds since 1970, UTC
    sa.Column("owner", Line(255)),  # the visitor who added it first
)
RUNS = sa.Table(
    "runs",
    METADATA,
    sa.Column("id", Line(32), primary_key=True),
    sa.Column("name", Line(255), nullable=False),
    sa.Column("note", Text, nullable=False),
    sa.Column("state", Line(16), nullable=False, index=True),
    sa.Column("config", Text, nullable=False),  # JSON of RunConfig
    sa.Column("config_digest", Line(64), index=True),  # of config and its split; none where it cannot be read
    sa.Column("split_digest", Line(64)),
    sa.Column("corpus_sha256", Line(64), sa.ForeignKey("corpora.sha256"), nullable=False, index=True),
    sa.Column("owner", Line(255)),
    sa.Column("error", Text),
    sa.Column("error_type", Line(MAX_ERROR_TYPE)),  # class of the exception that ended it
    sa.Column("created", sa.Double, nullable=False, index=True),
    sa.Column("queued", sa.Double, nullable=False),  # the order of the queue
    sa.Column("started", sa.Double),
    sa.Column("ended", sa.Double),
    sa.Column("heartbeat", sa.Double),
    sa.Column("lease_until", sa.Double),
    sa.Column("token", Line(64)),
    sa.Column("worker", Line(255)),  # host:pid:start of who claimed it last
    sa.Column("step", sa.Integer, nullable=False, default=0),
    sa.Column("seconds", sa.Double, nullable=False, default=0.0),
    sa.Column("batch_loss", sa.Double),
    sa.Column("losses", Text, nullable=False, default="{}"),  # JSON, of the last checkpoint
    sa.Column("weights_step", sa.Integer),
    sa.Column("test_openings", sa.Integer, nullable=False, default=0),
    sa.Column("test_opened", sa.Double),  # when first; none where that was before it was kept
    sa.Column("checkpoints", sa.Integer),  # how many it keeps while it trains; none where not known
    sa.Column("stored", sa.BigInteger),  # SIZE, once it has ended; none while it may grow
    sa.Column("deleted", sa.Double),  # when it was put into the bin; none of those not in it
    sa.Column("parent", Line(32), index=True),  # of a branch: whose weights it began with; may be gone
    sa.Index("ix_runs_owner", "owner", "state", "started"),
)
STEPS = sa.Table(
    "steps",
    METADATA,
    _run_key(),
    sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
    *(sa.Column(name, sa.Double) for name in HISTORY[1:]),
)
SAMPLES = sa.Table(
    "samples",
    METADATA,
    _run_key(),
    sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("words", Text, nullable=False),  # JSON list
)
CHECKPOINTS = sa.Table(
    "checkpoints",
    METADATA,
    _run_key(),
    sa.Column("kind", Line(16), primary_key=True),  # "last" and "start", at most a row a run each, or "film"
    sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("weights", sa.LargeBinary),  # the artifact, .safetensors; of a film and of a start the flat float32 alone
    sa.Column("train_state", sa.LargeBinary),  # what Continue needs
    sa.Column("updates", Text),  # of a film: JSON, tensor -> [ratio, gradient mean, gradient std]
)
TAGS = sa.Table("tags", METADATA, _run_key(), sa.Column("tag", Line(64), primary_key=True, index=True))
SWEEPS = sa.Table(
    "sweeps",
    METADATA,
    sa.Column("id", Line(32), primary_key=True),
    sa.Column("name", Line(255), nullable=False),
    sa.Column("question", Text, nullable=False),
    sa.Column("owner", Line(255)),
    sa.Column("state", Line(16), nullable=False, index=True),  # of SweepState
    sa.Column("config", Text, nullable=False),  # JSON of Sweep
    sa.Column("corpus_sha256", Line(64), sa.ForeignKey("corpora.sha256"), nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("error", Text),  # why it stopped by itself
)
SWEEP_RUNS = sa.Table(
    "sweep_runs",
    METADATA,
    sa.Column("sweep_id", Line(32), sa.ForeignKey("sweeps.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("run_id", Line(32), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, index=True),
)

LESSONS = sa.Table(
    "lessons",
    METADATA,
    sa.Column("owner", Line(255), primary_key=True),  # the visitor who answered
    sa.Column("lesson", Line(64), primary_key=True),
    sa.Column("choice", sa.Integer, nullable=False),  # the last one
    sa.Column("answered", sa.Double, nullable=False),
)


def _total(table: sa.Table, size: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    of_run = sa.select(sa.func.sum(size)).where(table.c.run_id == RUNS.c.id).correlate(RUNS)
    return sa.func.coalesce(of_run.scalar_subquery(), 0)


UPDATES_BYTES = 1_000
# Of blobs SQLite knows the length without reading them. A checkpoint's updates would be read, so they are guessed.
_BLOBS = (sa.func.coalesce(sa.func.length(blob), 0) for blob in (CHECKPOINTS.c.weights, CHECKPOINTS.c.train_state))
SIZE = (
    _total(CHECKPOINTS, sum(_BLOBS, sa.literal(UPDATES_BYTES)))
    + _total(STEPS, sa.literal(8 * len(HISTORY)))
    + _total(SAMPLES, sa.func.length(SAMPLES.c.words))
)
"""Bytes that a run takes: weights, training state, checkpoints, curve and samples."""


def default_url() -> str:
    """``MMCORE_STORE``, or else ``makemore.sqlite`` in the user's data folder, of a clone in the project's ``runs/``.

    The project's folder is the nearest one with a ``pyproject.toml``, from the current folder upwards; without
    one it is the current folder.
    """
    return os.environ.get("MMCORE_STORE") or str(_default_folder() / "makemore.sqlite")


def _default_folder() -> Path:
    if INSTALLED:
        return user_data_folder() / "makemore-lab"
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "pyproject.toml").is_file()), here) / "runs"


def full_url(url: str) -> str:
    """A path as the URL of a SQLite file; a URL as it is, if several processes can share what it names."""
    try:
        parsed = sa.make_url(url if "://" in url else f"sqlite:///{Path(url).absolute()}")
    except (sa.exc.ArgumentError, ValueError):
        rule = "a file or a URL, such as postgresql+psycopg://user@host/name"
        raise ValueError(f"store must be {rule}, got {quoted(_LOGIN.sub('***@', url))}") from None
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise ValueError(f"store must be a SQLite file or a PostgreSQL database, got {quoted(shown_url(url))}")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ValueError(f"store must be a file or a server, because workers share it, got {quoted(url)}")
    return parsed.render_as_string(hide_password=False)


def shown_url(url: str) -> str:
    """A store as it may be shown: the path of a SQLite file, or a URL without its passwords."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return str(parsed.database)
    secrets = dict.fromkeys((name for name in parsed.query if "password" in name), "***")
    return parsed.update_query_dict(secrets).render_as_string()


def open_database(url: str) -> Engine:
    """An engine on a store of the current schema, made or upgraded where needed."""
    shown = shown_url(url)
    try:
        engine = _engine(sa.make_url(url))
        _prepare(engine, shown, keep_copy=True)
        if engine.dialect.name == "sqlite":
            _use_wal(engine)
    except (sa.exc.DatabaseError, sa.exc.ArgumentError, ImportError, OSError) as error:
        reason = getattr(error, "orig", None) or error
        raise ValueError(f"store must be a database that can be opened, got {shown} ({reason})") from error
    return engine


def open_file(path: Path) -> Engine:
    """An engine on a SQLite file that nobody else uses, made or upgraded where needed, without side files."""
    engine = _engine(URL.create("sqlite", database=str(path)))
    _prepare(engine, str(path), keep_copy=False)
    return engine


def _prepare(engine: Engine, shown: str, *, keep_copy: bool) -> None:
    try:
        with engine.connect() as db:
            version = _version(db, shown)
        if version < SCHEMA_VERSION:
            _make_current(engine, shown, keep_copy=keep_copy)
    except BaseException:
        engine.dispose()
        raise


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        return _server(url)
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": 30})

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        give_clock(connection)
        connection.isolation_level = None  # or sqlite3 begins transactions in its own way
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA synchronous = NORMAL")  # survives a killed process; fsync only at checkpoints

    @sa.event.listens_for(engine, "begin")
    def begin(db: Connection) -> None:
        # A writer takes the lock first: a transaction that reads before it writes could fail half-way.
        db.exec_driver_sql("BEGIN IMMEDIATE" if db.get_execution_options().get("writes") else "BEGIN")

    return engine


def _server(url: URL) -> Engine:
    usual = {name: value for name, value in CONNECTION.items() if name not in url.query}
    engine = sa.create_engine(url, connect_args=usual, **POOL)

    @sa.event.listens_for(engine, "begin")
    def begin(db: Connection) -> None:
        if db.get_execution_options().get("late"):
            db.exec_driver_sql(LATE)

    return engine


def reading(engine: Engine) -> Engine:
    """The same engine for those who only read: to PostgreSQL, no words about where a transaction begins and ends.

    Each of its statements sees what is committed by then, in a transaction too; SQLite's all see the same.
    """
    return engine.execution_options(isolation_level="AUTOCOMMIT") if engine.dialect.name == "postgresql" else engine


def compact(engine: Engine) -> None:
    """Rewrite a SQLite file without its free pages; other databases see to that themselves."""
    if engine.dialect.name != "sqlite":
        return
    with contextlib.closing(engine.raw_connection()) as connection, contextlib.suppress(sqlite3.OperationalError):
        connection.cursor().execute("VACUUM")  # where others keep it busy, the free pages wait for the next time
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _use_wal(engine: Engine) -> None:
    connection = engine.raw_connection()
    try:  # it is kept in the file, so a busy moment may leave it to the next who opens
        with contextlib.suppress(sqlite3.OperationalError):
            connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _version(db: Connection, shown: str) -> int:
    """The schema version of a database; 0 if it is empty."""
    tables = sa.inspect(db).get_table_names()
    if not tables:
        return 0
    version = db.scalar(sa.select(VERSIONS.c.version)) if VERSIONS.name in tables else None
    if version is None:
        raise ValueError(f"store must be empty or hold runs, got {shown} with tables {', '.join(tables[:5])}")
    if version > SCHEMA_VERSION:
        raise ValueError(f"store must have schema version {SCHEMA_VERSION} or older, got {version} in {shown}")
    return int(version)


def _make_current(engine: Engine, shown: str, *, keep_copy: bool) -> None:
    """Create the tables, or upgrade them; of many who want to at once, one does, and the others wait for it."""
    with engine.execution_options(writes=True).begin() as db:
        if db.dialect.name == "postgresql":  # where SQLite has its write lock by now
            db.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
        version = _version(db, shown)  # again, now that no one else can write
        if version == 0:
            METADATA.create_all(db)
            db.execute(sa.insert(VERSIONS).values(version=SCHEMA_VERSION))
        elif version < SCHEMA_VERSION:
            if keep_copy and db.dialect.name == "sqlite":
                _copy_beside(Path(str(engine.url.database)), version)
            from .migrations import migrate  # Alembic takes its time, and is seldom needed

            migrate(db, version, SCHEMA_VERSION)
            db.execute(sa.update(VERSIONS).values(version=SCHEMA_VERSION))


def _copy_beside(path: Path, version: int) -> None:
    """Keep a SQLite file of an older version; the copy has its name once it is whole."""
    kept = path.with_name(f"{path.name}.schema{version}.bak")
    new = kept.with_name(f"{kept.name}.new")
    new.unlink(missing_ok=True)  # of one that was killed here
    with contextlib.closing(sqlite3.connect(path)) as old, contextlib.closing(sqlite3.connect(new)) as copy:
        old.backup(copy)
    new.replace(kept)
