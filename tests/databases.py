"""Where tests keep their runs: in a SQLite file each, or in a PostgreSQL database each.

The latter where ``MMCORE_TEST_DATABASE`` names a PostgreSQL database, beside which others may be made.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from mmcore import RunStore
from mmcore.store.migrations import migrate
from mmcore.store.schema import full_url

STORES = Path(__file__).parent / "core" / "stores"
SERVER = os.environ.get("MMCORE_TEST_DATABASE")
PARENTS = ("corpora", "runs", "sweeps")  # to which rows of others belong
_numbers = itertools.count()


def of_files(reason: str) -> pytest.MarkDecorator:
    """Marks a test that is about SQLite's files."""
    return pytest.mark.skipif(SERVER is not None, reason=f"of SQLite: {reason}")


class Databases:
    """Stores by name, as URLs; those on a server are gone afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._made = folder, dict[str, str]()

    def __call__(self, name: str) -> str:
        """A store without any runs, of today's schema."""
        return self._of(name, lambda server: _template(server))

    def empty(self, name: str) -> str:
        """A database without any tables."""
        return self._of(name, lambda server: "template0")

    def copy(self, name: str, url: str) -> str:
        """A copy of a store that nobody uses now."""
        if SERVER is None:
            shutil.copyfile(url, self.folder / f"{name}.sqlite")
        return self._of(name, lambda server: str(sa.make_url(url).database))

    def old(self, version: int) -> str:
        """A store of an older schema, as its release wrote it."""
        source, name = STORES / f"schema-{version}.sqlite", f"schema-{version}"
        if SERVER is None:
            shutil.copyfile(source, self.folder / f"{name}.sqlite")
        else:
            _copy_rows(source, self.empty(name), version)
        return self(name)

    def _of(self, name: str, template: Callable[[str], str]) -> str:
        if SERVER is None:
            return str(self.folder / f"{name}.sqlite")
        if name not in self._made:
            made = f"test_{os.getpid()}_{next(_numbers)}"
            ask(SERVER, f"CREATE DATABASE {made} TEMPLATE {template(SERVER)}")
            self._made[name] = made
        return beside(SERVER, self._made[name])

    def drop(self) -> None:
        for database in self._made.values():
            ask(str(SERVER), f"DROP DATABASE {database} WITH (FORCE)")


def engine_of(url: str) -> sa.Engine:
    """On a database that need not be a store."""
    return sa.create_engine(full_url(url), poolclass=sa.NullPool)


def when_claimed(url: str, name: str, does: Mapping[str, str]) -> None:
    """From now on the database does this whenever a run is claimed; a statement by dialect."""
    engine = engine_of(url)
    when, does_it = "UPDATE OF state ON runs", does[engine.dialect.name]
    claimed = "new.state = 'running'"
    statements = [f"CREATE TRIGGER {name} AFTER {when} WHEN {claimed} BEGIN {does_it}; END"]
    if engine.dialect.name == "postgresql":
        body = f"$$ BEGIN {does_it}; RETURN new; END $$"
        statements = [f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS {body}"]
        statements += [f"CREATE TRIGGER {name} AFTER {when} FOR EACH ROW WHEN ({claimed}) EXECUTE FUNCTION {name}()"]
    with engine.begin() as db:
        for statement in statements:
            db.execute(sa.text(statement))


def _copy_rows(source: Path, url: str, version: int) -> None:
    """From a SQLite store of an older schema to what the upgrades up to it make of an empty database."""
    file = sa.create_engine(f"sqlite:///file:{source}?mode=ro&immutable=1&uri=true", poolclass=sa.NullPool)
    with file.connect() as old, engine_of(url).begin() as new:
        migrate(new, 0, version)
        names = sa.inspect(old).get_table_names()
        for table in sorted(names, key=lambda name: (name not in PARENTS, name)):
            rows = old.execute(sa.text(f"SELECT * FROM {table}")).mappings().all()
            if rows:
                new.execute(sa.insert(sa.table(table, *map(sa.column, rows[0]))), [dict(row) for row in rows])


@contextmanager
def databases(folder: Path) -> Iterator[Databases]:
    """Stores for one test, or for some that share them."""
    made = Databases(folder)
    try:
        yield made
    finally:
        made.drop()


def ask(server: str, statement: str) -> None:
    """Have a server do something outside a transaction."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as db:
        db.execute(sa.text(statement))


def beside(server: str, database: str) -> str:
    """The URL of another database of a server."""
    return sa.make_url(server).set(database=database).render_as_string(hide_password=False)


def _template(server: str) -> str:
    """A database with an empty store, which is quicker to copy than to make; one a process that tests."""
    name = f"template_{os.getpid()}"
    if name not in _templates:
        ask(server, f"CREATE DATABASE {name}")
        _templates.append(name)
        store = RunStore(beside(server, name))
        store.count()
        store.close()
    return name


_templates: list[str] = []


def drop_template() -> None:
    """At the end of the session."""
    while _templates:
        ask(str(SERVER), f"DROP DATABASE {_templates.pop()} WITH (FORCE)")
