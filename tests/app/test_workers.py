"""Where runs are trained, on screen and for programs that watch the server."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import Any
from unittest.mock import MagicMock

import pytest

from mmcore import BUNDLED_NAMES, Run, RunConfig, RunState, RunStore, read_words
from mmcore.process import place, this_process
from tests.app.conftest import Open, texts
from tests.waiting import PATIENCE
from ui import session
from ui.health import Looks

CLUSTER = "tcp://10.0.0.1:8786"


def queued(store: RunStore) -> Run:
    return store.create(RunConfig(corpus_sha256=store.add_corpus(read_words(BUNDLED_NAMES))))


def plain(text: str) -> str:
    return text.replace("\\", "")


def test_a_run_in_training_says_on_which_process_and_one_that_waits_who_will_train_it(
    store: RunStore, open_page: Open
) -> None:
    run = queued(store)
    waiting = plain(texts(open_page("train", run=run.id)))
    assert "This app trains with 2 workers of this machine." in waiting and "Trained by" not in waiting
    assert store.claim(run.id)
    host, pid = place(this_process()) or ("", 0)
    said = plain(texts(open_page("train", run=run.id)))
    assert f"Trained by process {pid} on {host}. This app trains with 2 workers of this machine." in said


@pytest.mark.parametrize(
    ("count", "problem", "sentence"),
    [
        (3, "", f"This app trains with 3 workers of the cluster at {CLUSTER}."),
        (0, f"{CLUSTER} does not answer", f"No worker: {CLUSTER} does not answer."),
    ],
)
def test_a_cluster_is_named_and_what_it_lacks_is_a_warning_while_runs_wait(
    store: RunStore, open_page: Open, count: int, problem: str, sentence: str
) -> None:
    queued(store)
    session.queue().workers = MagicMock(count=count, problem=problem, address=CLUSTER)
    app = open_page("runs")
    assert sentence in plain(texts(app)).replace("\u2060", "")
    assert bool(app.warning) == (count == 0)


def test_a_scheduler_that_is_none_is_said_and_what_is_stored_can_be_looked_at(
    finished: Run, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCORE_SCHEDULER", "10.0.0.1")
    app = open_page("runs")
    problem = "MMCORE_SCHEDULER must be the address of a Dask scheduler, such as tcp://host:8786, got '10.0.0.1'"
    assert not app.exception
    said = plain(texts(app)).replace("\u2060", "")
    assert f"{problem}. Nothing is trained until this server is started with another setting." in said
    assert finished.name in said


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, the store is waited for."""
    monkeypatch.setattr("ui.health.WAIT_SECONDS", PATIENCE)


def health(looks: Looks | None = None) -> tuple[int, dict[str, Any]]:
    answer = asyncio.run((looks or Looks()).answer(MagicMock()))
    return answer.status_code, json.loads(bytes(answer.body))


def test_health_counts_runs_and_workers(store: RunStore, patient: None) -> None:
    assert store.claim(queued(store).id)
    queued(store), queued(store)
    status, found = health()
    assert found.pop("version")
    assert (status, found) == (200, {"store": "ok", "queue": "ok", "workers": 2, "queued": 2, "running": 1})


def test_health_says_that_the_queue_has_ended(store: RunStore, patient: None) -> None:
    session.queue().serves = False
    status, found = health()
    assert status == 503 and found["queue"].startswith("The queue has ended") and found["store"] == "ok"


def test_health_says_that_the_store_cannot_be_read_and_nothing_of_where_it_is(
    store: RunStore, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCORE_STORE", "postgresql+psycopg://lab:secret@127.0.0.1:1/lab?connect_timeout=1")
    status, found = health()
    assert status == 503
    assert found["store"] == "The store cannot be read; the log says why."
    assert not {"secret", "127.0.0.1"} & set(str(found).replace("@", " ").replace(":", " ").split())


def test_health_answers_within_two_seconds_while_the_database_hangs_and_asks_it_once(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    back, asked = threading.Event(), []

    def hanging(store: RunStore, which: object) -> int:
        asked.append(which)
        back.wait()
        return 7

    session.queue()
    monkeypatch.setattr(RunStore, "count", hanging)
    looks, began = Looks(), time.monotonic()
    try:
        status, found = health(looks)
        assert time.monotonic() - began < 2.5, "2 s, and a busy machine"
        assert (status, found["store"]) == (503, "The store does not answer within 1.5 s.")
        assert health(looks)[0] == 503 and len(asked) == 1
    finally:
        back.set()
    assert health(looks)[1]["queued"] == 7


def test_states_in_which_a_run_is_over_say_nothing_of_workers(finished: Run, open_page: Open) -> None:
    assert finished.state is RunState.FINISHED and finished.worker
    assert "Trained by" not in plain(texts(open_page("train", run=finished.id)))
