"""The database's clock. Times of several machines are compared in a store, so none of them is asked for its own."""

from __future__ import annotations

import sqlite3
from time import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class Now(FunctionElement[float]):
    """Seconds since 1970, UTC, when the database comes to it."""

    type = sa.Double()
    inherit_cache = True


@compiles(Now, "sqlite")
def _sqlite(element: Now, compiler: SQLCompiler, **_: Any) -> str:
    return "wall_clock()"


@compiles(Now, "postgresql")
def _postgresql(element: Now, compiler: SQLCompiler, **_: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"


def give_clock(connection: sqlite3.Connection) -> None:
    """SQLite runs in this process and has this machine's clock; by its own functions that is in whole milliseconds.

    In whole microseconds, as of PostgreSQL, a time is the same when it comes back as a ``datetime``.
    """
    connection.create_function("wall_clock", 0, lambda: round(time(), 6))
