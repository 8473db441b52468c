"""A file of runs that comes from elsewhere: opened as a copy, to be read only, and trusted in nothing.

SQLite can hold code (views, triggers, checks, virtual tables), so a file is refused whose schema has a word that no
store's schema has. What its rows hold is for :mod:`.transfer` to check.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from ..cost import amount
from ..fields import cut, quoted, require
from .schema import METADATA, SCHEMA_VERSION, open_file

MAX_BYTES = 2 * 10**9  # of a file
MAGIC = b"SQLite format 3\0"
_TYPES = "varchar text double precision float integer bigint blob"
_RULES = "create table index unique on primary key foreign references delete cascade not null constraint"
_NAMES = {name for table in METADATA.tables.values() for name in (table.name, *table.columns.keys())}
_INDICES = {str(index.name) for table in METADATA.tables.values() for index in table.indexes}
WORDS = {*_TYPES.split(), *_RULES.split(), *_NAMES, *_INDICES}
"""All that the schema of a store is made of, of any version, beside numbers, brackets and commas."""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A copy of the file with the current schema, gone afterwards; ``ValueError`` if it is no file of runs.

    Rows come as mappings. The copy has no more than the file itself: not what a store in use has beside it.
    """
    with tempfile.TemporaryDirectory(prefix="makemore-") as folder, _in_a_sentence():
        copy = Path(folder) / "runs.sqlite"
        _copy(path, copy)
        with _reading(copy) as db:
            version = _checked(db)
        if version < SCHEMA_VERSION:
            open_file(copy).dispose()
        with _reading(copy) as db:
            yield db


@contextlib.contextmanager
def _in_a_sentence() -> Iterator[None]:
    try:
        yield
    except (sqlite3.DatabaseError, sa.exc.DatabaseError, UnicodeDecodeError, RecursionError) as error:
        reason = cut(str(getattr(error, "orig", error)))  # that it cannot be decoded is said of a message with noise
        raise ValueError(f"file must be an undamaged file of runs, got one that cannot be read ({reason})") from None


def _copy(path: Path, copy: Path) -> None:
    try:
        require(path.is_file(), "file", "a file of runs", str(path))
        size = path.stat().st_size
        require(size <= MAX_BYTES, "file", f"at most {amount(MAX_BYTES)}", amount(size))
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
        require(start == MAGIC, "file", "a file of runs, as Export and runs pack write it", start)
        shutil.copyfile(path, copy)
    except OSError as error:
        raise ValueError(f"file must be readable, got {quoted(str(path))} ({error.strerror})") from None


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, and believes nothing (see "Defense against the dark arts", sqlite.org)."""
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", "query_only = ON"):
            db.execute(f"PRAGMA {pragma}")
        db.row_factory = sqlite3.Row
        yield db


def _checked(db: sqlite3.Connection) -> int:
    """The schema version of a sound file in which there is nothing but a store's tables."""
    tables = set()
    for row in db.execute("SELECT type, name, sql FROM sqlite_master"):
        strange = _strange(row)
        require(not strange, "file", "one with the tables of runs only", strange)
        tables |= {row["name"]} if row["type"] == "table" else set()
    require("schema_version" in tables and "runs" in tables, "file", "one with runs", sorted(tables))
    found = [row[0] for row in db.execute("PRAGMA quick_check(1)")]
    require(found == ["ok"], "file", "undamaged", found[0])
    version = next((row[0] for row in db.execute("SELECT version FROM schema_version LIMIT 1")), None)
    if not (isinstance(version, int) and 1 <= version <= SCHEMA_VERSION):
        raise ValueError(f"file must have schema version {SCHEMA_VERSION} or older, got {quoted(version)}")
    return version


def _strange(row: sqlite3.Row) -> str:
    """What no store has in its schema; empty if there is nothing of that."""
    kind, name, sql = row["type"], str(row["name"]), str(row["sql"] or "")
    if kind == "index" and name.startswith("sqlite_autoindex_"):
        return ""  # of a primary key
    if kind != "table" and kind != "index":
        return f"the {kind} {name}"
    words = re.findall(r"\w+", sql.lower())
    plain = re.fullmatch(r'[\w\s(),"]+', sql) is not None
    odd = [word for word in words if word not in WORDS and not word.isdecimal()]
    return "" if plain and not odd else f"the {kind} {name} with {odd[0] if odd else 'signs'}"
