"""What is so on PostgreSQL only: several write at once, and connections and commits have their cost."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from mmcore import Corpus, RunConfig, RunState, RunStore, corpus_from_words
from mmcore.store import Progress
from mmcore.store.schema import LATE
from mmcore.training import Step
from tests.databases import SERVER, Databases

pytestmark = pytest.mark.skipif(SERVER is None, reason="needs a PostgreSQL server, as make test-cluster has")


@pytest.fixture
def store(database: Databases) -> Iterator[RunStore]:
    opened = RunStore(database("store"))
    yield opened
    opened.close()


@pytest.fixture
def corpus() -> Corpus:
    return corpus_from_words(["emma", "ava", "mia"], "three")


@pytest.fixture
def config(store: RunStore, corpus: Corpus) -> RunConfig:
    return RunConfig(corpus_sha256=store.add_corpus(corpus))


def at_once(*calls: Callable[[], object]) -> list[object]:
    """What each gives, or raises."""
    ready = threading.Barrier(len(calls))

    def call(does: Callable[[], object]) -> object:
        ready.wait()
        try:
            return does()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def test_ctrl_c_in_the_midst_of_a_statement_is_no_word_about_the_database(store: RunStore) -> None:
    for transaction in (store._read, store._write):
        with pytest.raises(KeyboardInterrupt), transaction() as db:
            db.connection.driver_connection.pgconn.send_query(b"SELECT 1")  # type: ignore[union-attr]
            raise KeyboardInterrupt
    assert store.count() == 0, "another connection takes its place"


def test_many_who_change_the_same_runs_wait_for_one_another_and_not_for_ever(
    store: RunStore, config: RunConfig
) -> None:
    runs = [store.create(config).id for _ in range(30)]

    def change(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(15):
            some = draw.sample(runs, 20)
            store.tag(some, "a")
            store.delete(*[run.id for run in store.runs() if run.id in some])
            store.restore(some)
            store.untag(some, "a")

    for told in at_once(*(lambda seed=seed: change(seed) for seed in range(6))):
        assert told is None or "run must be in the store" in str(told), told


def test_two_servers_expire_and_remove_the_same_runs(store: RunStore, config: RunConfig) -> None:
    runs = [store.create(config, token=f"token {number}").id for number in range(40)]
    with store._write() as db:  # in an order of their own on the disk
        for run_id in random.Random(1).sample(runs, len(runs)):
            db.execute(sa.text("UPDATE runs SET lease_until = 0, worker = 'x:1:1' WHERE id = :id"), {"id": run_id})
    expired = at_once(*[store.expire_leases] * 4)
    assert sorted(itertools.chain(*expired)) == sorted(runs)
    store.delete(*runs)
    assert sum(at_once(*[store.empty_bin] * 4)) == len(runs)


def test_a_corpus_that_gets_a_run_while_it_is_deleted_keeps_it_or_the_run_is_refused(
    store: RunStore, config: RunConfig, corpus: Corpus
) -> None:
    for _ in range(20):
        deleted, run = at_once(lambda: store.delete_corpus(corpus.sha256), lambda: store.create(config))
        if deleted is None:
            assert str(run) == f"corpus must be in the store, got sha256 {corpus.sha256}"
            store.add_corpus(corpus)
        else:
            assert str(deleted) == "a corpus must have no runs to be deleted, got one with 1"
            store.delete(run.id)


def test_a_worker_has_one_connection_and_says_whose_it_is(store: RunStore, config: RunConfig) -> None:
    run_id = store.create(config).id
    token = store.claim(run_id)
    assert token
    for step in range(5):
        store.record(run_id, token, Progress(points=[Step(step=step, learning_rate=0.1, seconds=0.0)]))
    with store._read() as db:
        names = "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
        assert db.scalars(sa.text(names)).all() == ["makemore-lab"]


def test_a_tick_does_not_wait_for_the_disk_and_all_else_does(store: RunStore, config: RunConfig) -> None:
    said: list[str] = []
    sa.event.listen(store._connected(), "before_cursor_execute", lambda *call: said.append(call[2]))
    token = store.claim(store.create(config).id)
    run_id = store.runs()[0].id
    assert token and LATE not in said
    store.record(run_id, token, Progress(points=[Step(step=1, learning_rate=0.1, seconds=0.0)]))
    assert said.count(LATE) == 1
    store.finish(run_id, token, RunState.FINISHED)
    assert said.count(LATE) == 1
