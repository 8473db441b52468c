"""One worker shared fairly between visitors."""

from __future__ import annotations

import threading
from concurrent.futures import BrokenExecutor, CancelledError, Future
from pathlib import Path
from typing import Any

import pytest

from mmcore.jobs import ProcessWorkers, Turns, Worker, WorkerExecutor
from mmcore.training import TrainingDiverged
from tests.thread_worker import ThreadWorker


class Gate:
    """Work that waits until it is let through."""

    def __init__(self) -> None:
        self.open, self.entered = threading.Event(), threading.Event()

    def __call__(self, worker: Worker, withdrawn: Path) -> Any:
        self.entered.set()
        assert self.open.wait(10)
        return "through"


def say(worker: Worker, word: str, withdrawn: Path) -> Any:
    return word


def test_the_newest_request_replaces_the_one_that_waits_and_keeps_its_place() -> None:
    turns, gate = Turns(ThreadWorker), Gate()
    running = turns.submit("ada", gate)
    assert gate.entered.wait(10)
    old, other = turns.submit("bob", say, "old"), turns.submit("eve", say, "other")
    assert (turns.ahead("bob"), turns.ahead("eve"), turns.ahead("nobody")) == (1, 2, 0)
    new, own = turns.submit("bob", say, "new"), turns.submit("ada", say, "own")
    assert old.cancelled()
    assert (turns.ahead("bob"), turns.ahead("eve"), turns.ahead("ada")) == (1, 2, 2)
    gate.open.set()
    assert [f.result(10) for f in (running, new, other, own)] == ["through", "new", "other", "own"]
    with pytest.raises(CancelledError):
        old.result(0)
    turns.close()


def test_an_error_is_the_askers_and_the_next_goes_on() -> None:
    def fail(worker: Worker, withdrawn: Path) -> Any:
        raise TrainingDiverged(3, 0.1, 0.01)

    turns = Turns(ThreadWorker)
    with pytest.raises(TrainingDiverged):
        turns.submit("ada", fail).result(10)
    assert turns.submit("ada", say, "next").result(10) == "next"
    turns.close()


class Broken(ThreadWorker):
    """A pool whose worker has died: it says so when asked, or later through the future."""

    def __init__(self, at_once: bool) -> None:
        super().__init__()
        self.at_once = at_once

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.at_once:
            raise BrokenExecutor("died")
        future: Future[Any] = Future()
        future.set_exception(BrokenExecutor("died"))
        return future


@pytest.mark.parametrize("at_once", [True, False])
def test_a_dead_worker_is_replaced(at_once: bool) -> None:
    pools: list[WorkerExecutor] = [ThreadWorker(), Broken(at_once)]
    turns = Turns(pools.pop)
    first = turns.submit("ada", say, "first")
    if at_once:
        assert first.result(10) == "first"
    else:
        with pytest.raises(BrokenExecutor):
            first.result(10)
    assert turns.submit("ada", say, "second").result(10) == "second"
    turns.close()


def test_closing_cancels_what_waits() -> None:
    turns, gate = Turns(ThreadWorker), Gate()
    turns.submit("ada", gate)
    assert gate.entered.wait(10)
    waiting = turns.submit("bob", say, "never")
    turns.close()
    assert waiting.cancelled()
    gate.open.set()


class Endless:
    """Work that goes on until nobody wants it."""

    def __init__(self) -> None:
        self.entered = threading.Event()

    def __call__(self, worker: Worker, withdrawn: Path) -> Any:
        self.entered.set()
        while not withdrawn.exists():
            threading.Event().wait(0.001)
        raise CancelledError


def test_c4_asking_anew_ends_what_runs_for_the_same_visitor() -> None:
    turns, endless = Turns(ThreadWorker), Endless()
    running = turns.submit("ada", endless)
    assert endless.entered.wait(10)
    assert turns.submit("ada", say, "new").result(10) == "new"
    with pytest.raises(CancelledError):
        running.result(10)
    turns.close()


def test_c4_what_a_visitor_who_left_asked_for_ends_whether_running_or_waiting() -> None:
    turns, endless = Turns(ThreadWorker), Endless()
    running = turns.submit("ada", endless)
    assert endless.entered.wait(10)
    gone, here = turns.submit("bob", say, "gone"), turns.submit("eve", say, "here")
    assert turns.ahead("eve") == 2
    turns.withdraw("bob")
    assert gone.cancelled()
    assert turns.ahead("eve") == 1
    turns.withdraw("ada")
    assert here.result(10) == "here"
    with pytest.raises(CancelledError):
        running.result(10)
    turns.close()


def forever(worker: Worker, withdrawn: Path) -> Any:
    """What does not look at any clock."""
    with worker.ended_after(0.2):
        threading.Event().wait()


def test_c4_a_worker_that_does_not_come_back_is_ended_and_replaced(tmp_path: Path) -> None:
    workers = ProcessWorkers()
    workers.start(str(tmp_path / "runs.sqlite"))
    turns = Turns(workers.apart)
    promised = turns.submit("ada", forever)
    with pytest.raises(BrokenExecutor):
        promised.result(60)
    assert turns.submit("ada", say, "again").result(60) == "again"
    turns.close()
    workers.close()
