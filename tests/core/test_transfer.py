"""Runs as one file between stores: all comes through, and nothing that a file holds does harm."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mmcore import Run, RunConfig, RunState, RunStore, TrainConfig, corpus_from_words, run_inline
from mmcore.architectures import model_config
from mmcore.dataset import Vocab
from mmcore.export.artifact import load
from mmcore.limits import Limits
from mmcore.store import StoreUnavailable, foreign, transfer
from mmcore.store.schema import CHECKPOINTS, RUNS, SAMPLES, SCHEMA_VERSION, STEPS
from tests.databases import STORES, Databases, databases

WORDS = ["emma", "olivia", "ava", "isabella", "sophia", "mia", "zoë", "amelia"] * 3


def config_of(store: RunStore, **train: Any) -> RunConfig:
    sha256 = store.add_corpus(corpus_from_words(WORDS, "eight"), owner="secret visitor")
    model = model_config(context_size=2, embedding_dim=2, hidden_sizes=(4,))
    return RunConfig(corpus_sha256=sha256, model=model, train=TrainConfig(max_steps=10, batch_size=8, **train))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """A store with a finished run and one that waits, and beside it the same as one file."""
    with databases(tmp_path_factory.mktemp("made")) as made:
        _make(made)
        yield made


def _make(made: Databases) -> None:
    store = RunStore(made("store"))
    run = run_inline(store, store.create(config_of(store), name="first", owner="secret visitor").id)
    store.annotate(run.id, "a note")
    store.tag([run.id], "tag one")
    store.open_test(run.id)
    waiting = store.create(config_of(store, seed=2), name="second", owner="secret visitor")
    store.export_runs([run.id, waiting.id], made.folder / "runs.sqlite")
    store.close()


@pytest.fixture
def source(made: Databases, database: Databases) -> RunStore:
    """A copy of that store."""
    return RunStore(database.copy("source", made("store")))


@pytest.fixture
def file(made: Databases, tmp_path: Path) -> Path:
    """A file of its two runs, to be broken."""
    shutil.copyfile(made.folder / "runs.sqlite", tmp_path / "runs.sqlite")
    return tmp_path / "runs.sqlite"


@pytest.fixture
def store(database: Databases) -> RunStore:
    """Where it is to go."""
    return RunStore(database("store"))


def rows_of(store: RunStore, run_id: str) -> dict[str, list[Any]]:
    with store._read() as db:
        tables = (STEPS, SAMPLES, CHECKPOINTS)
        rows = {t: db.execute(sa.select(t).where(t.c.run_id == run_id).order_by(*t.primary_key)) for t in tables}
        return {table.name: list(map(tuple, found)) for table, found in rows.items()}


def change(file: Path, *statements: str, values: tuple[Any, ...] = ()) -> None:
    with closing(sqlite3.connect(file)) as db:
        for statement in statements:
            db.execute(statement, values)
        db.commit()


# ---- what comes through


def test_a_run_comes_through_with_all_that_it_has(source: RunStore, store: RunStore, file: Path) -> None:
    waiting, run = source.runs()
    report = store.import_runs(file, owner="me")
    assert report.imported == {run.id: run.id, waiting.id: waiting.id} and not report.skipped
    came = store.run(run.id)
    private = {"owner": "me", "worker": None, "heartbeat": None}
    assert vars(came) == vars(run) | private
    assert (came.note, came.tags, came.test_openings) == ("a note", ("tag one",), 1) and "test_loss" in came.losses
    assert rows_of(store, run.id) == rows_of(source, run.id) and len(rows_of(store, run.id)["checkpoints"]) > 2
    assert store.stored([run.id]) == source.stored([run.id])
    theirs = store.corpus(run.config.corpus_sha256)
    assert (theirs, theirs.report) == (source.corpus(theirs.sha256), source.corpus(theirs.sha256).report)
    stopped = store.run(waiting.id)
    assert stopped.state is RunState.STOPPED and stopped.ended
    assert run_inline(store, store.continue_run(waiting.id).id).state is RunState.FINISHED


def test_an_imported_run_goes_on_as_where_it_was_made(source: RunStore, store: RunStore, file: Path) -> None:
    run = source.runs()[1]
    store.import_runs(file)
    ended = []
    for one in (store, source):
        one.continue_run(run.id, max_steps=20)
        run_inline(one, run.id)
        ended.append(load(one.weights(run.id) or b"").model.flat)
    assert ended[0].equal(ended[1])


def test_the_test_stays_sealed(source: RunStore, store: RunStore, tmp_path: Path) -> None:
    sealed = run_inline(source, source.create(config_of(source, seed=3)).id)
    source.export_runs([sealed.id], tmp_path / "sealed.sqlite")
    store.import_runs(tmp_path / "sealed.sqlite")
    assert "val_loss" in store.run(sealed.id).losses and "test_loss" not in store.run(sealed.id).losses
    store.open_test(sealed.id)
    assert store.run(sealed.id).losses["test_loss"] > 0


def test_a_file_tells_nobody_who_and_where(source: RunStore, file: Path) -> None:
    with closing(sqlite3.connect(file)) as db:
        columns = "owner, token, worker, heartbeat, lease_until, deleted"
        assert set(db.execute(f"SELECT {columns} FROM runs")) == {(None,) * 6}
        assert db.execute("SELECT DISTINCT owner FROM corpora").fetchall() == [(None,)]
    assert source.runs()[1].worker and source.runs()[1].worker.encode() not in file.read_bytes()
    assert b"secret visitor" not in file.read_bytes()


def test_the_same_file_again_brings_nothing(store: RunStore, file: Path) -> None:
    first = store.import_runs(file)
    store.delete(list(first.imported)[1])
    again = store.import_runs(file)
    assert not again.imported
    assert list(again.skipped.values()) == ["it is in the store already", "it is in the bin of this store"]
    assert store.count() == 1


def test_another_run_with_the_same_id_gets_a_new_one_once(store: RunStore, source: RunStore, file: Path) -> None:
    run = source.runs()[1]
    mine = store.create(config_of(store, seed=9))
    with store._write() as db:
        db.execute(sa.update(RUNS).where(RUNS.c.id == mine.id).values(id=run.id))
    new = store.import_runs(file).imported[run.id]
    assert new != run.id and store.run(run.id).config.train.seed == 9 and store.run(new).config == run.config
    assert store.weights(new) == source.weights(run.id)
    assert store.import_runs(file).skipped[run.id] == f"it is in the store already, as {new}"


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
def test_files_of_older_schemas_are_read(version: int, store: RunStore) -> None:
    path = STORES / f"schema-{version}.sqlite"
    before = path.read_bytes()
    report = store.import_runs(path)
    assert len(report.imported) == 2 and not report.skipped
    run = next(run for run in store.runs() if run.name == f"From schema {version}")
    assert (run.state, run.step, run.note) == (RunState.FINISHED, 20, "written by write_store.py")
    assert store.weights(run.id) and len(store.history(run.id)) > 1
    assert path.read_bytes() == before and [p.name for p in STORES.glob(f"{path.name}*")] == [path.name]


def test_a_run_that_works_comes_as_interrupted(
    source: RunStore, store: RunStore, tmp_path: Path, database: Databases
) -> None:
    run = source.create(config_of(source, seed=4))
    source.claim(run.id)
    source.export_runs([run.id], tmp_path / "one.sqlite")
    source.request_stop(run.id)
    source.export_runs([run.id], tmp_path / "two.sqlite")
    for name in ("one", "two"):
        other = RunStore(database(f"store-{name}"))
        other.import_runs(tmp_path / f"{name}.sqlite")
        assert other.run(run.id).state is RunState.INTERRUPTED
        assert not other.expire_leases() and other.queued() == []


def test_who_asks_for_a_run_that_is_not_there_gets_no_file(source: RunStore, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run must be in the store, got id 'nope'"):
        source.export_runs([source.runs()[0].id, "nope"], tmp_path / "out.sqlite")
    assert not list(tmp_path.glob("*out*"))
    with pytest.raises(OSError, match="could not be written"):
        source.export_runs([source.runs()[0].id], tmp_path / "missing" / "out.sqlite")


# ---- limits


def test_a_visitor_imports_within_their_limits(store: RunStore, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Limits, "of_environment", lambda: Limits(stored_mb=0))
    reasons = set(store.import_runs(file, owner="me").skipped.values())
    assert all("room for runs and corpora must be at most 0 bytes for one visitor" in reason for reason in reasons)
    assert store.count() == 0 and store.corpora().empty
    store.add_corpus(corpus_from_words(WORDS, "eight"))
    (reason, *_) = store.import_runs(file, owner="me").skipped.values()
    assert "room for runs and corpora" in reason, "not only for the corpus"
    assert len(store.import_runs(file).imported) == 2, "who has no owner has no limits"


def test_a_file_is_at_most_so_large(store: RunStore, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "MAX_BYTES", 10_000)
    with pytest.raises(ValueError, match=r"file must be at most 10 kB, got '\d+ kB'"):
        store.import_runs(file)
    monkeypatch.setattr(foreign, "MAX_BYTES", 10**9)
    monkeypatch.setattr(transfer, "MAX_RUNS", 1)
    with pytest.raises(ValueError, match="at most 1 runs, got 2"):
        store.import_runs(file)


# ---- broken files

BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "text": lambda data: b"emma\nolivia\n",
    "random": lambda data: random.Random(1).randbytes(5_000),
    "random after the header": lambda data: data[:100] + random.Random(1).randbytes(len(data) - 100),
    "a page missing": lambda data: data[: len(data) - 4096],
    "half": lambda data: data[: len(data) // 2],
    "10**9 pages": lambda data: data[:28] + (10**9).to_bytes(4, "big") + data[32:],
    "a page of noise": lambda data: data[:8192] + random.Random(2).randbytes(4096) + data[12288:],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_gives_one_sentence(name: str, store: RunStore, file: Path) -> None:
    kept = store.create(config_of(store))
    file.write_bytes(BROKEN[name](file.read_bytes()))
    with pytest.raises(ValueError, match=r"^file must be ") as caught:
        store.import_runs(file)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    assert [run.id for run in store.runs()] == [kept.id]


@pytest.mark.parametrize("seed", range(20))
def test_noise_anywhere_harms_nothing(seed: int, store: RunStore, file: Path) -> None:
    dice, data = random.Random(seed), bytearray(file.read_bytes())
    for _ in range(30):
        data[dice.randrange(len(data))] = dice.randrange(256)
    file.write_bytes(data)
    try:
        report = store.import_runs(file)
    except ValueError as sentence:
        assert str(sentence).startswith("file must be")
        return
    for run_id in report.imported.values():
        assert store.run(run_id) and store.history(run_id) is not None and store.samples(run_id) is not None


SCHEMAS = {
    "a view": "CREATE VIEW runs2 AS SELECT * FROM runs",
    "a trigger": "CREATE TRIGGER t AFTER UPDATE ON runs BEGIN DELETE FROM corpora; END",
    "a virtual table": "CREATE VIRTUAL TABLE t USING fts5(name)",
    "another table": "CREATE TABLE passwords (id INTEGER)",
    "a check": "CREATE TABLE step (id INTEGER CHECK (randomblob(1000000000)))",
    "a default": "CREATE TABLE step (id INTEGER DEFAULT (randomblob(1000000000)))",
    "a generated column": "CREATE TABLE step (id INTEGER, name TEXT AS (zeroblob(1000000000)))",
    "an index of an expression": "CREATE INDEX ix_runs_created2 ON runs (length(name))",
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_file_with_more_than_tables_of_runs_is_refused(name: str, store: RunStore, file: Path) -> None:
    change(file, SCHEMAS[name])
    with pytest.raises(ValueError, match="file must be one with the tables of runs only, got 'the "):
        store.import_runs(file)


def test_another_database_and_a_newer_store_are_refused(store: RunStore, file: Path, tmp_path: Path) -> None:
    change(file, "UPDATE schema_version SET version = 99")
    with pytest.raises(ValueError, match=f"file must have schema version {SCHEMA_VERSION} or older, got 99"):
        store.import_runs(file)
    change(tmp_path / "other.sqlite", "CREATE TABLE text (id INTEGER)")
    with pytest.raises(ValueError, match="file must be one with runs"):
        store.import_runs(tmp_path / "other.sqlite")
    with pytest.raises(ValueError, match="file must be a file of runs, got"):
        store.import_runs(tmp_path)


HEADER = json.dumps({"C": {"dtype": "F32", "shape": [10**9, 1], "data_offsets": [0, 4 * 10**9]}}).encode()
BILLION = len(HEADER).to_bytes(8, "little") + HEADER
ROWS: dict[str, tuple[str, tuple[Any, ...], str]] = {
    "settings": ("UPDATE runs SET config = '{}'", (), "RunConfig fields must be at least corpus_sha256"),
    "nested settings": ("UPDATE runs SET config = ?", ("[" * 100_000,), "run must be readable, got RecursionError"),
    "no JSON": ("UPDATE runs SET config = 'x'", (), "run must be readable, got JSONDecodeError"),
    "name": ("UPDATE runs SET name = ?", ("x" * 201,), "name must have 1 to 200 characters"),
    "no text": ("UPDATE runs SET name = ?", (b"\xff",), "name must be text"),
    "no UTF-8": ("UPDATE runs SET note = CAST(x'ff' AS TEXT)", (), "run must be readable, got Could not decode"),
    "note": ("UPDATE runs SET note = ?", ("x" * 2_001,), "note must be at most 2,000 characters"),
    "state": ("UPDATE runs SET state = 'happy'", (), "'happy' is not a valid RunState"),
    "step": ("UPDATE runs SET step = -1", (), "step must be a whole number"),
    "openings": ("UPDATE runs SET test_openings = -1", (), "test_openings must be a whole number"),
    "time": ("UPDATE runs SET created = 9e999", (), "created must be a finite number"),
    "loss": ("""UPDATE runs SET losses = '{"val_loss": 1e999}'""", (), "val_loss must be a finite number"),
    "losses": ("""UPDATE runs SET losses = '{"luck": 1}'""", (), "losses must be among"),
    "point": ("UPDATE steps SET val_loss = 9e999", (), "val_loss must be a finite number"),
    "sample": ("UPDATE samples SET words = '[1]'", (), "samples must be a list of words"),
    "tag": ("UPDATE tags SET tag = 'a,b'", (), "tag must be without commas"),
    "corpus": ("UPDATE corpora SET words = 'emma'", (), "corpus must be the one that its sha256 names"),
    "report": ("UPDATE corpora SET report = '{}'", (), "run must be readable, got KeyError"),
    "no corpus": ("DELETE FROM corpora", (), "corpus must be in the file"),
    "weights": ("UPDATE checkpoints SET weights = ? WHERE kind = 'last'", (b"PK",), "weights file must be a whole"),
    "a number for weights": (
        "UPDATE checkpoints SET weights = 1000000000 WHERE kind = 'last'",
        (),
        "weights must be a .safetensors file, got 1000000000",
    ),
    "10**9 elements": ("UPDATE checkpoints SET weights = ? WHERE kind = 'last'", (BILLION,), "weights file must be"),
    "other weights": (
        """UPDATE runs SET config = replace(config, '"hidden_sizes": [4]', '"hidden_sizes": [4000]')""",
        (),
        "weights must be of the run's settings",
    ),
    "state bytes": ("UPDATE checkpoints SET train_state = ?", (b"x" * 99,), "training state must be a whole"),
    "10**9 in the state": ("UPDATE checkpoints SET train_state = ?", (BILLION,), "training state must be a whole"),
    "film": ("UPDATE checkpoints SET weights = x'00' WHERE kind = 'film'", (), "checkpoint must be"),
    "kind": ("UPDATE checkpoints SET kind = 'other' WHERE kind = 'last'", (), "checkpoints must be film"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_run_that_is_not_sound_is_skipped_with_the_reason(
    name: str, source: RunStore, store: RunStore, file: Path
) -> None:
    statement, values, reason = ROWS[name]
    change(file, statement, values=values)
    run: Run = source.runs()[1]
    report = store.import_runs(file)
    assert run.id not in report.imported and report.skipped[run.id].startswith(reason)
    assert len(report.skipped[run.id]) < 500
    assert run.id not in [one.id for one in store.runs()] and not any(rows_of(store, run.id).values())


def test_weights_with_the_letters_of_another_corpus_are_refused(source: RunStore, store: RunStore, file: Path) -> None:
    run = source.runs()[1]
    artifact = load(source.weights(run.id) or b"")
    shuffled = Vocab((artifact.vocab.symbols[0], *artifact.vocab.symbols[:0:-1]))
    weights = dataclasses.replace(artifact, vocab=shuffled).to_bytes()
    change(file, "UPDATE checkpoints SET weights = ? WHERE kind = 'last'", values=(weights,))
    assert store.import_runs(file).skipped[run.id].startswith("vocab must be that of the corpus")


def test_times_to_come_are_now(source: RunStore, store: RunStore, file: Path) -> None:
    change(file, "UPDATE runs SET created = 1e300, test_opened = 1e300")
    store.import_runs(file)
    for run in store.runs():
        assert run.created <= store.now() and (run.test_opened is None or run.test_opened <= store.now())


def test_a_full_disk_is_the_stores_problem_and_not_the_files(
    store: RunStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise sa.exc.OperationalError("INSERT", {}, Exception("database or disk is full"))

    monkeypatch.setattr(transfer, "keep_corpus", full)
    with pytest.raises(StoreUnavailable, match="disk is full"):
        store.import_runs(file)
    assert store.count() == 0
