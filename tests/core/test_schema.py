"""The schema: the same on every database, new or upgraded; and many who upgrade one store at once."""

from __future__ import annotations

import multiprocessing
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql, sqlite

from mmcore.store import RunFilter, RunStore, migrations, schema
from mmcore.store.clock import Now
from tests.databases import SERVER, STORES, Databases, engine_of

NOW = schema.SCHEMA_VERSION
DIALECTS = {"sqlite": sqlite.dialect(), "postgresql": postgresql.dialect()}


def shape(url: str) -> set[object]:
    """Tables, columns with their types, keys and indices."""
    look, found = sa.inspect(engine_of(url)), set[object]()
    for table in look.get_table_names():
        for column in look.get_columns(table):
            kind, length = column["type"].python_type, getattr(column["type"], "length", None)
            found.add((table, column["name"], kind, None if length == 2**32 - 1 else length, column["nullable"]))
        found |= {(table, index["name"], *index["column_names"]) for index in look.get_indexes(table)}
        found.add((table, "key", *look.get_pk_constraint(table)["constrained_columns"]))
        for key in look.get_foreign_keys(table):
            found.add((table, *key["constrained_columns"], key["referred_table"], str(key["options"])))
    return found


def make(url: str) -> None:
    with closing(RunStore(url)) as store:
        store.count()


# ---- each dialect


@pytest.mark.parametrize(
    ("dialect", "types"),
    [
        ("sqlite", {"VARCHAR", "TEXT", "DOUBLE", "INTEGER", "BIGINT", "BLOB"}),
        ("postgresql", {"VARCHAR", "TEXT", "DOUBLE PRECISION", "INTEGER", "BIGINT", "BYTEA"}),
    ],
)
def test_the_tables_are_made_of_types_that_the_database_has(dialect: str, types: set[str]) -> None:
    made = {str(sa.schema.CreateTable(t).compile(dialect=DIALECTS[dialect])) for t in schema.METADATA.sorted_tables}
    lines = [line for statement in made for line in statement.splitlines() if line.startswith("\t")]
    columns = [line.strip() for line in lines if not line.strip().startswith(("PRIMARY", "FOREIGN"))]
    assert len(columns) == sum(len(table.columns) for table in schema.METADATA.sorted_tables)
    shown = {re.sub(r"\(\d{1,3}\)| NOT NULL|,", "", column.partition(" ")[2]).strip() for column in columns}
    assert shown == types


@pytest.mark.parametrize(("dialect", "clock"), [("postgresql", "clock_timestamp()"), ("sqlite", "wall_clock()")])
def test_each_database_is_asked_for_its_clock(dialect: str, clock: str) -> None:
    expired = sa.select(schema.RUNS.c.id).where(schema.RUNS.c.lease_until < Now())
    assert clock in str(expired.compile(dialect=DIALECTS[dialect]))


# ---- upgrades


def test_there_is_one_upgrade_to_every_version() -> None:
    scripts = ScriptDirectory(str(migrations.HERE), version_locations=migrations.PLACES)
    assert [script.revision for script in scripts.walk_revisions()] == [str(n) for n in range(NOW, 0, -1)]


def test_the_upgrades_from_an_empty_database_make_what_a_new_store_has(database: Databases) -> None:
    make(database("new"))
    with engine_of(database.empty("stepwise")).begin() as db:
        migrations.migrate(db, 0, NOW)
    assert shape(database.empty("stepwise")) == shape(database("new"))


@pytest.mark.parametrize("version", range(1, NOW))
def test_an_upgraded_store_is_as_a_new_one(database: Databases, version: int) -> None:
    url = database.old(version)
    with engine_of(url).begin() as db:
        db.execute(sa.text("UPDATE runs SET config = '{' WHERE name = 'Waiting'"))
        if version >= 4:  # since when it is found by what the settings were
            db.execute(sa.text("UPDATE runs SET config_digest = NULL, split_digest = NULL WHERE name = 'Waiting'"))
    old, new = RunStore(url), RunStore(database("new"))
    (run,), (unreadable,), none = old.runs(), old.unreadable(), new.count()
    assert shape(old.url) == shape(new.url) and none == 0
    assert unreadable.name == "Waiting"
    assert [run.id for run in old.runs(RunFilter(configs=[run.config]))] == [run.id]
    assert old.count(RunFilter(split=run.config.split)) == 1
    kept = old.stored()
    with old._write() as db:
        db.execute(sa.text("UPDATE runs SET stored = NULL"))
    assert old.stored() == kept and kept[run.id] > 1_000
    old.close()
    new.close()


def test_an_upgrade_tells_a_divergence_by_its_words_for_the_last_time(database: Databases) -> None:
    """B5: from version 3 on the store keeps what kind of error ended a run."""
    url = database.old(2)
    texts = {"From schema 2": "The loss was no longer a finite number at step 3.", "Waiting": "MemoryError: no room"}
    with engine_of(url).begin() as db:
        for name, text in texts.items():
            db.execute(sa.text("UPDATE runs SET error = :text WHERE name = :name"), {"text": text, "name": name})
    store = RunStore(url)
    assert {run.name: run.error_type for run in store.runs()} == {"From schema 2": "TrainingDiverged", "Waiting": None}
    store.close()


def two_versions_more(folder: Path, monkeypatch: pytest.MonkeyPatch, last: str) -> int:
    """A release that has two schema versions more than this one, and the version that it has."""
    for version, does in ((NOW + 1, "CREATE TABLE two (a INTEGER)"), (NOW + 2, last)):
        lines = ["from alembic import op", f"revision, down_revision = '{version}', '{version - 1}'"]
        lines += ["def upgrade():", f"    op.execute({does!r})"]
        (folder / f"v{version}.py").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(migrations, "PLACES", [*migrations.PLACES, str(folder)])
    monkeypatch.setattr(schema, "SCHEMA_VERSION", NOW + 2)
    return NOW + 2


def test_an_older_store_is_copied_then_upgraded(
    database: Databases, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database.old(1)
    version = two_versions_more(tmp_path_factory.mktemp("versions"), monkeypatch, "INSERT INTO two VALUES (2)")
    store = RunStore(url)
    assert len(store.runs()) == 2
    store.close()
    with engine_of(url).connect() as db:
        assert db.scalars(sa.text("SELECT version FROM schema_version")).all() == [version]
        assert db.scalars(sa.text("SELECT a FROM two")).all() == [2]
    if SERVER is None:
        with engine_of(f"{url}.schema1.bak").connect() as copy:
            assert copy.scalars(sa.text("SELECT version FROM schema_version")).all() == [1]
            assert copy.scalar(sa.text("SELECT count(*) FROM runs")) == 2


def test_an_upgrade_that_fails_changes_nothing(
    database: Databases, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database.old(1)
    before = shape(url)
    two_versions_more(tmp_path_factory.mktemp("versions"), monkeypatch, "INSERT INTO nowhere VALUES (2)")
    with pytest.raises(ValueError, match=r"store must be a database that can be opened, got .*nowhere"):
        RunStore(url).runs()
    assert shape(url) == before
    if SERVER is None:
        assert Path(url).read_bytes() == (STORES / "schema-1.sqlite").read_bytes()


def test_a_store_of_a_newer_version_is_refused_and_left_as_it_was(database: Databases) -> None:
    url = database("new")
    make(url)
    with engine_of(url).begin() as db:
        db.execute(sa.text(f"UPDATE schema_version SET version = {NOW + 1}"))
    before = shape(url)
    with pytest.raises(ValueError, match=f"store must have schema version {NOW} or older, got {NOW + 1} in"):
        RunStore(url).runs()
    assert shape(url) == before


def opens(url: str, ready: Barrier) -> None:
    ready.wait()
    store = RunStore(url)
    assert store.count() == 2 and store.runs()[1].name == "From schema 1"
    store.close()


def test_ten_servers_may_open_an_old_store_at_once(database: Databases) -> None:
    """Issue 13, 3: it is upgraded once, its copy is of what it was, and all go on."""
    url, fork = database.old(1), multiprocessing.get_context("fork")
    ready = fork.Barrier(10)
    servers = [fork.Process(target=opens, args=(url, ready)) for _ in range(10)]
    for server in servers:
        server.start()
    for server in servers:
        server.join()
    assert [server.exitcode for server in servers] == [0] * 10
    with engine_of(url).connect() as db:
        assert db.scalars(sa.text("SELECT version FROM schema_version")).all() == [NOW]
    if SERVER is None:
        kept = sorted(path.name for path in database.folder.iterdir() if not path.name.endswith(("-wal", "-shm")))
        assert kept == ["schema-1.sqlite", "schema-1.sqlite.schema1.bak"]
        with engine_of(f"{url}.schema1.bak").connect() as copy:
            assert copy.scalars(sa.text("SELECT version FROM schema_version")).all() == [1]


def test_many_may_make_the_same_store_at_once(database: Databases) -> None:
    stores = [RunStore(database.empty("new")) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda store: store.runs(), stores)) == [[]] * 8
    with stores[0]._read() as db:
        assert db.scalars(sa.text("SELECT version FROM schema_version")).all() == [NOW]
    for store in stores:
        store.close()


def test_a_store_of_this_version_is_opened_without_what_upgrades_need(database: Databases) -> None:
    code = "import sys, mmcore.store; s = mmcore.store.RunStore(sys.argv[1]); s.count(); s.close()"
    code += "; print('alembic' in sys.modules)"
    for _ in ("new", "again"):
        command = [sys.executable, "-c", code, database.empty("new")]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
