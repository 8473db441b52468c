"""From an older schema to today's: a file a version in ``versions``, which Alembic finds, orders and runs.

What they do is fixed: none reads the tables of :mod:`..schema`, which are those of today.
"""

from __future__ import annotations

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

HERE = Path(__file__).parent
PLACES = [str(HERE / "versions")]


def migrate(db: Connection, found: int, wanted: int) -> None:
    """Bring a database from one schema version to a later one; 0 is an empty one. Inside a transaction.

    The version is written by the caller: it stays in the table ``schema_version``, from which programs older than this
    one tell that a store is too new for them, and not in a table of Alembic's.
    """
    steps = ScriptDirectory(str(HERE), version_locations=PLACES).iterate_revisions(str(wanted), str(found or "base"))
    with Operations.context(MigrationContext.configure(db)):
        for step in reversed(list(steps)):
            step.module.upgrade()
