"""Training what is queued: in this process, on workers, and when workers and servers are killed."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import sqlalchemy as sa
import torch

from mmcore import evaluation, training
from mmcore.architectures import model_config
from mmcore.config import STRETCHED, RunConfig, SplitConfig, TrainConfig
from mmcore.corpus import Corpus, corpus_from_words
from mmcore.dataset import Dataset, build_dataset
from mmcore.evaluation import evaluate_splits
from mmcore.export import artifact
from mmcore.jobs import JobQueue, ProcessWorkers, Worker, WorkerExecutor, execute, run_inline
from mmcore.jobs import execution as jobs
from mmcore.jobs.worker import T, Task
from mmcore.process import lives, this_process
from mmcore.store import LEASE_SECONDS, MAX_POINTS, Progress, Run, RunState, RunStore, StoreUnavailable
from mmcore.threads import torch_threads
from mmcore.train_state import TrainState
from mmcore.training import Step, train
from tests.databases import Databases, of_files, when_claimed
from tests.thread_worker import ThreadWorker, ThreadWorkers
from tests.waiting import PATIENCE, until

S = RunState
ENDLESS = 100_000_000
TINY = model_config(context_size=2, embedding_dim=2, hidden_sizes=(8,))


@pytest.fixture
def store(database: Databases) -> Iterator[RunStore]:
    store = RunStore(database("runs"))
    yield store
    store.close()


@pytest.fixture
def make(store: RunStore, names: Corpus) -> Callable[..., str]:
    """Queues a small run and returns its id."""
    sha256 = store.add_corpus(corpus_from_words(names.words[:2_000], "some names"))

    def create(max_steps: int, **settings: Any) -> str:
        settings = {"batch_size": 16, "schedule": "constant", "learning_rate": 0.001} | settings
        config = RunConfig(corpus_sha256=sha256, model=TINY, train=TrainConfig(max_steps=max_steps, **settings))
        return store.create(config).id

    return create


def pid_of(run: Run) -> int:
    assert run.worker
    return int(run.worker.split(":")[1])


def gone(pid: int) -> bool:
    """Whether a process has ended, be it that no one has asked for its exit code yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def saved_model_fits(store: RunStore, run_id: str) -> None:
    """The saved weights load, and the losses the store has for them are theirs."""
    run, saved = store.run(run_id), store.weights(run_id)
    assert saved
    model = artifact.load(saved)
    assert (model.step, model.config) == (run.weights_step, run.config)
    dataset = build_dataset(store.corpus(run.config.corpus_sha256), run.config.split, 2)
    exact = evaluate_splits(model.model, dataset, test=False)
    known = {name: run.losses[name] for name in exact if name in run.losses}
    assert known == pytest.approx({name: exact[name] for name in known}, rel=1e-6)
    assert known.keys() == exact.keys() or run.state is not S.FINISHED, "only a stop on a busy machine leaves some out"
    assert not {"test_loss", "test_loss_unseen"} & set(model.losses)


def saved_weights(store: RunStore, run: Run) -> torch.Tensor:
    return artifact.load(store.weights(run.id) or b"").model.flat


def weights_after(store: RunStore, config: RunConfig) -> torch.Tensor:
    """What training without a store or a break gives."""
    dataset = build_dataset(store.corpus(config.corpus_sha256), config.split, config.model.context_size)
    state = TrainState(config.model, config.train, dataset.vocab.size)
    for _ in train(state, dataset):
        pass
    return state.model.flat


# ---- in this process


def test_run_inline_trains_to_the_end(store: RunStore, make: Callable[..., str]) -> None:
    seen: list[Step] = []
    run = run_inline(store, make(300), seen.append)
    assert (run.state, run.step, run.weights_step, run.error) == (S.FINISHED, 300, 300, None)
    assert run.started and run.ended and run.created <= run.started <= run.ended
    assert store.history(run.id).step.tolist() == [step.step for step in seen]
    assert store.samples(run.id).step.iloc[[0, -1]].tolist() == [0, 300]
    assert [len(words) for words in store.samples(run.id).words] == [8] * len(store.samples(run.id))
    saved_model_fits(store, run.id)
    assert "test_loss" not in run.losses
    store.open_test(run.id)
    dataset = build_dataset(store.corpus(run.config.corpus_sha256), run.config.split, 2)
    saved = artifact.load(store.weights(run.id) or b"")
    assert store.run(run.id).losses == pytest.approx(evaluate_splits(saved.model, dataset, test=True), rel=1e-6)
    with pytest.raises(ValueError, match=r"run must be queued, got \w+ that is finished"):
        run_inline(store, run.id)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_has_its_own_number_of_threads_and_leaves_the_process_its(
    store: RunStore, make: Callable[..., str], threads: int
) -> None:
    seen: list[int] = []
    with torch_threads(3 - threads):
        run = run_inline(store, make(3, threads=threads), lambda step: seen.append(torch.get_num_threads()))
        assert (run.state, set(seen), torch.get_num_threads()) == (S.FINISHED, {threads}, 3 - threads)


def test_a_stopped_and_continued_run_has_the_weights_of_one_that_was_not(
    store: RunStore, make: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "TICK_SECONDS", 0.01)
    run_id = make(2_000)
    stopped = run_inline(store, run_id, lambda step: store.request_stop(run_id) if step.step > 200 else None)
    assert stopped.state is S.STOPPED
    assert 200 < stopped.step < 2_000
    saved_model_fits(store, run_id)
    store.continue_run(run_id)
    seen: list[Step] = []
    run = run_inline(store, run_id, seen.append)
    assert seen[0].step == stopped.step
    assert (run.state, run.step) == (S.FINISHED, 2_000)
    assert run.seconds > stopped.seconds
    assert store.history(run_id).step.is_monotonic_increasing
    assert store.history(run_id).seconds.is_monotonic_increasing
    assert torch.equal(saved_weights(store, run), weights_after(store, run.config))


def test_ctrl_c_stops_cleanly(store: RunStore, make: Callable[..., str]) -> None:
    usual = signal.getsignal(signal.SIGINT)
    run = run_inline(store, make(ENDLESS), lambda step: signal.raise_signal(signal.SIGINT))
    assert (run.state, run.weights_step) == (S.STOPPED, run.step)
    saved_model_fits(store, run.id)
    assert signal.getsignal(signal.SIGINT) is usual


def test_a_second_ctrl_c_keeps_what_was_saved(store: RunStore, make: Callable[..., str]) -> None:
    went_on = []

    def twice(step: Step) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        went_on.append(step)

    run = run_inline(store, make(ENDLESS), twice)
    assert not went_on
    assert (run.state, run.weights_step) == (S.STOPPED, 0)
    saved_model_fits(store, run.id)


@pytest.fixture
def endless_losses(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Makes an evaluation go on and on, and calls something in the midst of it; those before are as usual."""
    usual = evaluation.Pieces

    def arrange(before: int, call: Callable[[], None]) -> None:
        made = 0

        def pieces(*arguments: Any) -> Iterator[Any]:
            nonlocal made
            made += 1
            yield from usual(*arguments)
            for piece in range(100_000 if made > before else 0):
                if piece == 3 and made == before + 1:
                    call()
                yield from usual(*arguments)
            assert made <= before, "nobody left the evaluation"

        monkeypatch.setattr(evaluation, "Pieces", pieces)

    monkeypatch.setattr(jobs, "TICK_SECONDS", 0.0)
    monkeypatch.setattr(jobs, "LAST_SECONDS", 0.05)
    monkeypatch.setattr(training, "expected_seconds", lambda *_, **__: 0.0)
    return arrange


FIRST, LAST = 0, 1  # evaluations before: one is of train, validation and unseen words together


@pytest.mark.parametrize(("before", "steps"), [(FIRST, 0), (LAST, 5)])
def test_c2_a_run_stops_in_the_midst_of_its_losses(
    store: RunStore,
    make: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    endless_losses: Callable[[int, Callable[[], None]], None],
    before: int,
    steps: int,
) -> None:
    monkeypatch.setattr(training._Reporter, "due", lambda _: False)
    run_id = make(5)
    endless_losses(before, lambda: store.request_stop(run_id))
    run = run_inline(store, run_id)
    assert (run.state, run.step, run.losses) == (S.STOPPED, steps, {})
    assert artifact.load(store.weights(run_id) or b"").step == steps
    monkeypatch.undo()
    store.continue_run(run_id)
    run = run_inline(store, run_id)
    assert (run.state, run.step) == (S.FINISHED, 5)
    assert torch.equal(saved_weights(store, run), weights_after(store, run.config))
    saved_model_fits(store, run_id)


@pytest.mark.parametrize(("before", "saved"), [(FIRST, None), (LAST, 5)])
def test_c2_ctrl_c_ends_a_run_in_the_midst_of_its_losses(
    store: RunStore,
    make: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    endless_losses: Callable[[int, Callable[[], None]], None],
    before: int,
    saved: int | None,
) -> None:
    monkeypatch.setattr(training._Reporter, "due", lambda _: False)
    endless_losses(before, lambda: signal.raise_signal(signal.SIGINT))
    run = run_inline(store, make(5))
    assert (run.state, run.weights_step, run.losses) == (S.STOPPED, saved, {})


def test_a_run_that_diverges_keeps_text_curve_and_finite_weights(store: RunStore, make: Callable[..., str]) -> None:
    """B5: its text names the rate that was typed, not what one-cycle made of it at that step."""
    run = run_inline(store, make(ENDLESS, optimizer="sgd", learning_rate=1_000.0, weight_decay=10.0))
    assert run.state is S.FAILED
    assert run.error and "learning_rate 1000. Try a learning_rate of 0.1." in run.error
    assert run.error_type == "TrainingDiverged"
    assert len(store.history(run.id)) >= 1
    assert run.weights_step and artifact.load(store.weights(run.id) or b"").step == run.weights_step == run.step
    finite = run.config.replace(train=run.config.train.replace(max_steps=run.weights_step))
    assert torch.equal(saved_weights(store, run), weights_after(store, finite))


def test_scores_that_overflow_before_a_loss_is_seen_end_as_divergence(
    store: RunStore, make: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_far(state: TrainState, gradient: torch.Tensor, rate: float) -> None:
        state.model.flat.fill_(3e38)  # finite numbers, whose products are not

    monkeypatch.setattr("mmcore.training.update", too_far)
    monkeypatch.setattr("mmcore.jobs.execution.TICK_SECONDS", 0.0)
    monkeypatch.setattr("mmcore.training._Reporter.affordable", lambda self: False)
    run = run_inline(store, make(ENDLESS))
    assert run.state is S.FAILED and run.weights_step == 0
    assert run.error and run.error.startswith("The loss was no longer a finite number at step 1")
    assert all(store.samples(run.id)["words"])


def test_an_error_before_the_first_step_is_kept_as_text(store: RunStore) -> None:
    sha256 = store.add_corpus(corpus_from_words(["a", "b"], "two"))
    run = run_inline(store, store.create(RunConfig(corpus_sha256=sha256)).id)
    assert run.state is S.FAILED
    assert run.error and "split must have at least one word" in run.error
    assert run.error_type == "ValueError"


def test_a_long_step_does_not_lose_the_lease(
    store: RunStore, make: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LEASE_SECONDS", 0.1)
    run_id, beats = make(1), set[datetime | None]()

    def slow(step: Step) -> None:
        until(lambda: beats.add(store.run(run_id).heartbeat) or len(beats) > 3 * (step.step + 1))

    assert run_inline(store, run_id, slow).state is S.FINISHED


@pytest.fixture
def unrenewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread renews a lease during the test: only the training does, with each record."""
    monkeypatch.setattr(jobs, "LEASE_SECONDS", 4 * PATIENCE)


@pytest.mark.usefixtures("unrenewed")
def test_a_worker_that_lost_its_run_drops_it(store: RunStore, make: Callable[..., str]) -> None:
    run_id = make(ENDLESS)

    def lose(step: Step) -> None:
        thought_dead(store, run_id)
        store.continue_run(run_id)

    run = run_inline(store, run_id, lose)
    assert (run.state, len(store.history(run_id))) == (S.QUEUED, 1)


def thought_dead(store: RunStore, run_id: str) -> None:
    """Let a run look as if its worker had gone, on a host that nobody here can ask."""
    with store._write() as db:
        db.execute(sa.text("UPDATE runs SET lease_until = 0, worker = 'elsewhere:1:1'"))
    assert store.expire_leases() == [run_id]
    assert store.run(run_id).state is S.INTERRUPTED


@pytest.mark.usefixtures("unrenewed")
def test_e1_a_worker_thought_dead_takes_its_run_back(
    store: RunStore, make: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "TICK_SECONDS", 0.0)  # a record at every step, however quick they are
    run_id, lost = make(300), []

    def lose(step: Step) -> None:
        if step.step in (0, 300):
            thought_dead(store, run_id)
            lost.append(step.step)

    run = run_inline(store, run_id, lose)
    assert (run.state, run.step, lost) == (S.FINISHED, 300, [0, 300])
    assert not store.expire_leases()


CLAIM = """
import sys
from mmcore.store import RunStore
store, run_id = RunStore(sys.argv[1]), sys.argv[2]
assert store.claim(run_id, lease=-1)
print("claimed", flush=True)
input()
"""


@contextmanager
def silent_worker(store: RunStore, run_id: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has claimed a run with a lease that is over, and writes nothing."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", CLAIM, store.url, run_id], **pipes) as worker:
        assert worker.stdout and worker.stdout.readline() == "claimed\n"
        try:
            yield worker
        finally:
            worker.kill()


def test_e1_a_silent_worker_keeps_its_run_while_it_lives(
    store: RunStore, make: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = make(10)
    with silent_worker(store, run_id) as worker:
        assert store.expire_leases() == []  # as a training that still imports torch on a busy machine
        worker.send_signal(signal.SIGSTOP)
        assert store.expire_leases() == []
        monkeypatch.setattr("mmcore.store.store.SILENT_SECONDS", -1.0)
        assert store.expire_leases() == [run_id]  # nor for ever
        monkeypatch.undo()
        store.continue_run(run_id)
    with silent_worker(store, run_id) as worker:
        worker.kill()
        until(lambda: gone(worker.pid))  # nobody has asked for its exit code: it is a zombie
        assert store.expire_leases() == [run_id]


@pytest.mark.parametrize("worker", [None, "", "host", "host:1", "{host}:{pid}", "a:b:c"])
def test_e1_a_worker_that_cannot_be_asked_is_not_known_to_live(worker: str | None) -> None:
    assert not lives(worker and worker.format(host=socket.gethostname(), pid=os.getpid()))


def test_e1_a_pid_that_is_used_again_is_another_process() -> None:
    assert lives(this_process())
    assert not lives(this_process() + "0")
    assert not lives("elsewhere:" + this_process().split(":", 1)[1])


# ---- several in one process


@pytest.fixture
def two(store: RunStore, make: Callable[..., str]) -> Iterator[tuple[str, str, Worker]]:
    """Two different endless runs in training, in two threads of this process, and the worker they share."""
    first, executor = make(ENDLESS), ThreadWorker(threads=2)
    gru = model_config(architecture="gru", context_size=2, embedding_dim=2, hidden_size=8, dropout=0.2)
    config = store.run(first).config
    second = store.create(config.replace(model=gru, train=config.train.replace(sampler="examples", seed=2))).id
    ends = [executor.submit(execute, store.url, run_id) for run_id in (first, second)]
    try:
        until(lambda: all(store.run(run_id).step > 0 for run_id in (first, second)))
        yield first, second, executor.worker
    finally:
        executor.worker.leave(seconds=0)
        for end in ends:
            end.result(30)
        executor.shutdown()


def test_two_runs_in_one_process_do_not_disturb_each_other(store: RunStore, two: tuple[str, str, Worker]) -> None:
    first, second, worker = two
    store.request_stop(first)
    until(lambda: store.run(first).state is S.STOPPED)
    reached = store.run(second).step
    until(lambda: store.run(second).step > reached)
    assert store.run(second).state is S.RUNNING
    worker.leave(seconds=30)
    assert [store.run(run_id).state for run_id in (first, second)] == [S.STOPPED, S.INTERRUPTED]
    for run in map(store.run, (first, second)):
        alone = run.config.replace(train=run.config.train.replace(max_steps=run.step))
        assert torch.equal(saved_weights(store, run), weights_after(store, alone))
        saved_model_fits(store, run.id)


def test_a_worker_that_leaves_waits_for_every_run(store: RunStore, two: tuple[str, str, Worker]) -> None:
    first, second, worker = two
    worker.leave(seconds=30)
    assert [store.run(run_id).state for run_id in (first, second)] == [S.INTERRUPTED] * 2
    third = store.create(store.run(first).config).id
    execute(worker, store.url, third)
    assert store.run(third).state is S.QUEUED


def test_a_shared_process_computes_with_one_thread_a_run(store: RunStore, make: Callable[..., str]) -> None:
    run_id = make(5, threads=2)
    execute(Worker(shared=True), store.url, run_id)
    run = store.run(run_id)
    assert (run.state, run.error_type) == (S.FAILED, "ValueError")
    assert run.error == "threads must be 1 in a process that trains several runs, got 2"


@pytest.mark.parametrize(("room", "times"), [(0, [1, 2, 3, 4, 2]), (10_000_000, [1, 2, 3, 4])])
def test_a_worker_builds_a_dataset_once_and_keeps_the_last_few_or_as_many_as_fit(
    store: RunStore, make: Callable[..., str], monkeypatch: pytest.MonkeyPatch, room: int, times: list[int]
) -> None:
    monkeypatch.setattr("mmcore.jobs.worker.KEPT_BYTES", room)
    config, worker, built = store.run(make(5)).config, Worker(), []

    def dataset(seed: int) -> Dataset:
        def corpus() -> Corpus:
            built.append(seed)
            return store.corpus(config.corpus_sha256)

        found = worker.dataset(config.replace(split=SplitConfig(split_seed=seed)), corpus)
        assert len(found.train) > 0 and 0 < found.nbytes < 2_000_000
        return found

    first = dataset(1)
    assert dataset(1) is first
    for seed in (2, 3, 1, 4, 1, 2):
        dataset(seed)
    assert dataset(1) is first
    assert built == times


# ---- longer than asked for at first


@pytest.mark.parametrize(("schedule", "same"), [("constant", True), ("inverse-time", True), ("one-cycle", False)])
def test_b4_a_finished_run_trained_longer_is_one_of_so_many_steps(
    store: RunStore, make: Callable[..., str], schedule: str, same: bool
) -> None:
    """The weights of a run that made all the steps at once, unless the schedule depends on their number."""
    run = run_inline(store, make(30, schedule=schedule))
    store.continue_run(run.id, max_steps=50)
    longer = run_inline(store, run.id)
    assert (longer.state, longer.step, longer.max_steps) == (S.FINISHED, 50, 50)
    assert longer.config == run.config.replace(train=run.config.train.replace(max_steps=50))
    assert torch.equal(saved_weights(store, longer), weights_after(store, longer.config)) is same
    assert (schedule in STRETCHED) is not same
    assert store.history(run.id).step.is_monotonic_increasing


def test_b4_what_cannot_be_trained_longer_is_refused_and_left_as_it_was(
    store: RunStore, make: Callable[..., str]
) -> None:
    finished, early = run_inline(store, make(30)), run_inline(store, make(30, patience=3, check_every=10))
    for run, steps, sentence in (
        (finished, None, "max_steps must be given for a finished run, got None"),
        (finished, 30, "max_steps must be more than the 30 steps it has made, got 30"),
        (early, 60, "patience must be 0 for a run to be trained longer, got 3"),
    ):
        with pytest.raises(ValueError, match=re.escape(sentence)):
            store.continue_run(run.id, max_steps=steps)
        assert store.run(run.id) == run


# ---- without room in the database


class Disk:
    """The store's disk: a database that must not grow while it is full."""

    def __init__(self, store: RunStore) -> None:
        self.pages = 2**30
        sa.event.listen(store._connected(), "checkout", self.limit)

    def limit(self, connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {self.pages}")

    def fill(self, full: bool = True) -> None:
        self.pages = 1 if full else 2**30  # 1: as many as it has


@of_files("a file that must not grow")
def test_e2_training_goes_on_while_the_disk_is_full(
    store: RunStore, make: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    run_id, disk, steps = make(20_000), Disk(store), []

    def fill_for_a_while(step: Step) -> None:
        steps.append(step.step)
        if len(steps) == 1:
            disk.fill()
        elif "disk is full" in caplog.text and len(steps) > 10:
            disk.fill(full=False)

    run = run_inline(store, run_id, fill_for_a_while)
    assert (run.state, run.error) == (S.FINISHED, None)
    assert store.history(run_id).step.tolist() == steps  # what had no room was kept
    assert torch.equal(saved_weights(store, run), weights_after(store, run.config))
    said = [record for record in caplog.records if "disk is full" in record.message]
    assert len(said) <= 4 and not any(record.exc_info for record in said)


def test_e2_the_end_of_a_run_waits_for_room_and_ctrl_c_ends_the_wait(
    store: RunStore, make: Callable[..., str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = store.finish

    def finish(*args: Any, **values: Any) -> None:
        if "waits to be saved" not in caplog.text:
            raise StoreUnavailable("full")
        ended(*args, **values)

    monkeypatch.setattr(store, "finish", finish)
    run = run_inline(store, make(50))
    assert (run.state, "waits to be saved" in caplog.text) == (S.FINISHED, True)

    def full(*args: Any, **values: Any) -> None:
        raise StoreUnavailable("full")

    monkeypatch.setattr(store, "finish", full)
    with pytest.raises(StoreUnavailable):
        run_inline(store, make(ENDLESS), lambda step: signal.raise_signal(signal.SIGINT))


def test_e2_points_without_room_are_bounded(store: RunStore, make: Callable[..., str]) -> None:
    def full(_: Progress) -> bool:
        raise StoreUnavailable("full")

    config = store.run(make(10)).config
    dataset = build_dataset(store.corpus(config.corpus_sha256), config.split, config.model.context_size)
    training = jobs.Training(config, dataset, full)
    for number in range(3 * MAX_POINTS):
        training.points.append(Step(step=number, learning_rate=0.1, seconds=0.0))
        training.next_write = 0.0
        if len(training.points) > MAX_POINTS:
            training.wait(StoreUnavailable("full"))
    assert len(training.points) <= MAX_POINTS
    assert (training.points[0].step, training.points[-1].step) == (0, 3 * MAX_POINTS - 1)


def test_e2_a_claim_that_fails_is_tried_again_with_growing_pauses(
    store: RunStore, make: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    run_id = make(10)
    errors = {"sqlite": "SELECT abs(-9223372036854775808)", "postgresql": "PERFORM 1 / 0"}  # not of a row
    when_claimed(store.url, "refused", errors)
    with JobQueue(store.url, ThreadWorkers(1)):
        until(lambda: "waits to be claimed" in caplog.text)
        assert store.run(run_id).state is S.QUEUED
        with store._write() as db:
            db.execute(sa.text("DROP TRIGGER refused" + (" ON runs" if db.dialect.name == "postgresql" else "")))
        until(lambda: store.run(run_id).state is S.FINISHED)
    said = [record for record in caplog.records if f"run {run_id} waits to be claimed" in record.message]
    assert len(said) == 2 and said[1].message.startswith("over: ") and not any(record.exc_info for record in said)


class Away:
    """Makes calls of a store fail as if its database were away: each of a name so many times, before or after it."""

    def __init__(self, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.monkeypatch, self.failed = store, monkeypatch, Counter[str]()

    def __call__(self, name: str, times: int = 1, done: bool = False) -> None:
        usual = getattr(self.store, name)

        def call(*args: Any, **values: Any) -> Any:
            if self.failed[name] >= times:
                return usual(*args, **values)
            if done:  # the answer alone is lost
                usual(*args, **values)
            self.failed[name] += 1
            raise StoreUnavailable("store must be readable, got none")

        self.monkeypatch.setattr(self.store, name, call)


@pytest.fixture
def away(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> Away:
    monkeypatch.setattr(jobs, "POLL_SECONDS", 0.01)
    return Away(store, monkeypatch)


@pytest.mark.parametrize("watched", [False, True])
def test_a_short_run_that_nobody_watches_writes_at_its_end_only(
    store: RunStore, make: Callable[..., str], monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    monkeypatch.setattr(jobs, "TICK_SECONDS", 60.0)
    config, written = store.run(make(5)).config, list[Progress]()
    dataset = build_dataset(store.corpus(config.corpus_sha256), config.split, config.model.context_size)
    training = jobs.Training(config, dataset, lambda progress: bool(written.append(progress)), 10 * watched)
    assert training.go(None, threading.Event(), None) is S.FINISHED
    assert bool(written) == watched
    points = [point.step for progress in (*written, training.last()) for point in progress.points]
    assert points[0] == 0 and points[-1] == 5


@pytest.mark.parametrize("name", ["run", "corpus", "train_state", "history", "record", "finish"])
def test_a_database_that_is_away_costs_a_pause_wherever_the_run_is(
    store: RunStore, make: Callable[..., str], away: Away, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(jobs, "TICK_SECONDS", 0.0)  # so that it asks after every step whether to stop
    run_id = make(500)
    first = run_inline(store, run_id, lambda _: store.request_stop(run_id) and None)
    assert first.state is S.STOPPED, "so that there is a train state to go on from"
    token = store.continue_run(run_id, token="mine").id and "mine"
    away(name, times=2)
    jobs._work(Worker(), store, run_id, token)
    run = store.run(run_id)
    assert away.failed[name] == 2
    assert (run.state, run.error) == (S.FINISHED, None)
    assert torch.equal(saved_weights(store, run), weights_after(store, run.config))


def claimed_by_a_worker(store: RunStore, run_id: str, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "store", lambda _: store)
    execute(worker, store.url, run_id)


@pytest.mark.parametrize("done", [False, True])
def test_a_claim_whose_answer_is_lost_is_one_claim(
    store: RunStore, make: Callable[..., str], away: Away, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    run_id = make(10)
    away("claim", done=done)
    claimed_by_a_worker(store, run_id, Worker(), monkeypatch)
    assert (store.run(run_id).state, away.failed["claim"]) == (S.FINISHED, 1)


def test_a_run_that_another_worker_claimed_meanwhile_is_left_alone(
    store: RunStore, make: Callable[..., str], away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = make(10)
    assert RunStore(store.url).claim(run_id)
    away("claim")
    claimed_by_a_worker(store, run_id, Worker(), monkeypatch)
    assert (store.run(run_id).state, store.run(run_id).step) == (S.RUNNING, 0)


def test_a_leaving_worker_does_not_wait_for_the_database_and_its_run_can_go_on(
    store: RunStore, make: Callable[..., str], away: Away
) -> None:
    run_id, worker = make(10), Worker()
    token = store.claim(run_id)
    assert token
    worker.leaving.set()
    away("corpus", times=1_000)
    jobs._work(worker, store, run_id, token)
    assert (store.run(run_id).state, store.run(run_id).error) == (S.INTERRUPTED, None)


def test_a_run_that_can_never_be_read_fails_in_the_end(
    store: RunStore, make: Callable[..., str], away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BEGIN_SECONDS", 0.05)
    away("corpus", times=1_000)
    run = run_inline(store, make(10))
    assert (run.state, run.error) == (S.FAILED, "store must be readable, got none")


# ---- on workers


@pytest.fixture
def queue(store: RunStore) -> Iterator[JobQueue]:
    with JobQueue(store.url, ProcessWorkers(2)) as queue:
        yield queue


def audit(store: RunStore) -> Callable[[], dict[str, int]]:
    """From now on, count the claims of every run, in the database itself."""
    with store._write() as db:
        db.execute(sa.text("CREATE TABLE claims (id TEXT)"))
    when_claimed(store.url, "claimed", dict.fromkeys(("sqlite", "postgresql"), "INSERT INTO claims VALUES (new.id)"))

    def count() -> dict[str, int]:
        with store._read() as db:
            return {row[0]: row[1] for row in db.execute(sa.text("SELECT id, count(*) FROM claims GROUP BY id"))}

    return count


def test_a_killed_worker_interrupts_its_run_only(
    store: RunStore, make: Callable[..., str], queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        queue.store, "expire_leases", list
    )  # the queue sees that the worker is gone, before its lease is
    claims = audit(store)
    killed, other = make(ENDLESS), make(3_000)
    rest = [make(300) for _ in range(3)]
    queue.submit(killed)
    until(lambda: store.run(killed).step > 0 and store.run(other).step > 0)
    assert [store.run(run_id).state for run_id in rest] == [S.QUEUED] * 3
    assert [store.queue_position(run_id) for run_id in rest] == [1, 2, 3]
    os.kill(pid_of(store.run(killed)), signal.SIGKILL)
    at = datetime.now(UTC)
    until(lambda: store.run(killed).state is S.INTERRUPTED)
    run = store.run(killed)
    assert run.heartbeat and (at - run.heartbeat).total_seconds() < LEASE_SECONDS
    assert len(store.history(killed)) > 0
    saved_model_fits(store, killed)
    until(lambda: all(store.run(run_id).state is S.FINISHED for run_id in (other, *rest)))
    assert claims() == dict.fromkeys((killed, other, *rest), 1)
    assert all(store.history(run_id).step.iloc[-1] == store.run(run_id).max_steps for run_id in rest)
    kept = store.checkpoints(killed)
    assert kept and kept[-1].step <= run.step
    store.continue_run(killed)
    queue.submit(killed)
    until(lambda: store.run(killed).step > 2 * run.step)
    known = [checkpoint for checkpoint in kept if checkpoint.step <= run.weights_step]  # type: ignore[operator]
    again = store.checkpoints(killed)
    assert again[: len(known)] == known and len(again) > len(known)


def without_a_core(pids: Iterable[int]) -> float:
    """Seconds for which threads of these processes were ready and had no core, since they began."""
    found = 0
    for task in [task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]:
        with suppress(OSError):  # it has just ended
            found += int((task / "schedstat").read_text().split()[1])
    return found / 1e9


def test_first_point_and_stop_come_within_half_a_second(
    store: RunStore, make: Callable[..., str], queue: JobQueue
) -> None:
    """Of the time for which they had a core: others may use the machine."""
    warm = make(1), make(1)
    until(lambda: all(store.run(run_id).state is S.FINISHED for run_id in warm))
    pids = {os.getpid(), *(pid_of(store.run(run_id)) for run_id in warm)}

    def seconds(condition: Callable[[], Any]) -> float:
        before = without_a_core(pids)
        return until(condition) - (without_a_core(pids) - before)

    first, stop, gaps = [], [], []
    for _ in range(3):
        run_id = make(ENDLESS)
        queue.submit(run_id)
        first.append(seconds(lambda r=run_id: len(store.history(r))))
        points = len(store.history(run_id))
        gaps.append(seconds(lambda r=run_id, n=points: len(store.history(r)) >= n + 5) / 5)
        store.request_stop(run_id)
        stop.append(seconds(lambda r=run_id: store.run(r).state is S.STOPPED))
        saved_model_fits(store, run_id)
    assert statistics.median(first) < 0.5
    assert statistics.median(stop) < 0.5
    assert statistics.median(gaps) < 0.25


def test_workers_are_niced_and_a_killed_idle_one_is_replaced(
    store: RunStore, make: Callable[..., str], queue: JobQueue
) -> None:
    runs = make(1), make(1)
    until(lambda: all(store.run(run_id).state is S.FINISHED for run_id in runs))
    pids = {pid_of(store.run(run_id)) for run_id in runs}
    for pid in pids:
        assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0) + 5
        os.kill(pid, signal.SIGKILL)
    run_id = make(1)
    queue.submit(run_id)
    until(lambda: store.run(run_id).state is S.FINISHED)
    assert pid_of(store.run(run_id)) not in pids


def test_close_interrupts_and_saves_and_leaves_no_worker(store: RunStore, make: Callable[..., str]) -> None:
    running, waiting = make(ENDLESS), make(10)
    with JobQueue(store.url, ProcessWorkers(1)):
        until(lambda: store.run(running).step > 0)
    run = store.run(running)
    assert (run.state, run.weights_step) == (S.INTERRUPTED, run.step)
    assert gone(pid_of(run))
    assert store.run(waiting).state is S.QUEUED
    assert "job queue" not in {thread.name for thread in threading.enumerate()}


def test_a_queue_outlasts_the_process_that_forks_its_workers(
    store: RunStore, make: Callable[..., str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    submit, failures = ProcessPoolExecutor.submit, [EOFError()]

    def submitted(pool: ProcessPoolExecutor, *args: Any) -> Future[Any]:
        if failures:
            raise failures.pop()
        return submit(pool, *args)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", submitted)
    run_id = make(10)
    with JobQueue(store.url, ProcessWorkers(1)):
        until(lambda: store.run(run_id).state is S.FINISHED)
    assert not failures
    assert "no workers for a moment: the process that forks them has gone" in caplog.text
    assert "Traceback" not in caplog.text  # a server that is stopped while it starts loses it, and need not shout


def test_a_queue_fills_the_workers_there_are_as_they_come_and_go(store: RunStore, make: Callable[..., str]) -> None:
    workers, runs = ThreadWorkers(1), [make(ENDLESS) for _ in range(4)]

    def trained() -> list[str]:
        return [run_id for run_id in runs if store.run(run_id).state is S.RUNNING]

    with JobQueue(store.url, workers) as queue:
        until(lambda: trained() == runs[:1])
        workers.count = 3
        until(lambda: trained() == runs[:3])
        workers.count = 1
        for run_id in runs[:2]:
            store.request_stop(run_id)
        until(lambda: trained() == runs[2:3] and len(queue._slots) == 1)
        store.request_stop(runs[2])
        until(lambda: trained() == runs[3:])
    assert [store.run(run_id).state for run_id in runs] == [S.STOPPED] * 3 + [S.INTERRUPTED]


class Lost(ThreadWorker):
    """A worker that claims a run and is never heard of again."""

    def __init__(self, how: Exception | None) -> None:
        super().__init__()
        self.how = how

    def submit(self, function: Task[T], /, *args: Any) -> Future[T]:
        url, run_id, token = args
        self.worker.store(url).claim(run_id, token, lease=0.0)
        future: Future[T] = Future()
        future.set_exception(self.how) if self.how else future.cancel()
        return future


@pytest.mark.parametrize("how", [BrokenExecutor("died"), RuntimeError("killed"), None])
def test_a_queue_answers_for_a_worker_that_is_lost_however_its_executor_says_so(
    store: RunStore, make: Callable[..., str], monkeypatch: pytest.MonkeyPatch, how: Exception | None
) -> None:
    monkeypatch.setattr("mmcore.store.store.lives", lambda worker: False)  # as of a process on another host
    workers, lost = ThreadWorkers(1), Lost(how)
    given: list[WorkerExecutor] = [ThreadWorker(worker=workers.worker), lost]
    monkeypatch.setattr(workers, "executor", given.pop)
    killed = make(10)
    with JobQueue(store.url, workers):
        until(lambda: store.run(killed).state is S.INTERRUPTED)
        if not isinstance(how, BrokenExecutor):  # the executor is as good as before
            monkeypatch.setattr(lost, "submit", given.pop().submit)
        other = make(10)
        until(lambda: store.run(other).state is S.FINISHED)
    assert store.run(killed).state is S.INTERRUPTED


def test_two_queues_on_one_store_train_each_run_once(
    store: RunStore, make: Callable[..., str], queue: JobQueue
) -> None:
    claims, runs = audit(store), [make(20) for _ in range(12)]
    with JobQueue(store.url, ProcessWorkers(1)):
        until(lambda: all(store.run(run_id).state is S.FINISHED for run_id in runs))
    assert claims() == dict.fromkeys(runs, 1)


SERVER = """
import functools, sys, threading
from mmcore import store
from mmcore.jobs import execution as jobs
from mmcore.jobs import JobQueue, ProcessWorkers
jobs.LEASE_SECONDS = lease = float(sys.argv[2])
for writes in ("claim", "record"):
    setattr(store.RunStore, writes, functools.partialmethod(getattr(store.RunStore, writes), lease=lease))
if __name__ == "__main__":
    JobQueue(sys.argv[1], ProcessWorkers(2)).start()
    print("serving", flush=True)
    threading.Event().wait()
"""


@contextmanager
def server(store: RunStore, folder: Path, lease: float = LEASE_SECONDS) -> Iterator[subprocess.Popen[str]]:
    """Another process that serves the queue."""
    (folder / "server.py").write_text(SERVER)
    environment = os.environ | {"PYTHONPATH": str(Path(training.__file__).parents[1])}
    command = [sys.executable, str(folder / "server.py"), store.url, str(lease)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def paused(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def test_e1_a_pause_longer_than_the_lease_cuts_no_run(
    store: RunStore, make: Callable[..., str], tmp_path: Path
) -> None:
    runs = [make(ENDLESS) for _ in range(2)]
    with server(store, tmp_path, lease=0.4) as process:
        until(lambda: all(store.run(run_id).step > 0 for run_id in runs))
        everyone = family(process.pid)
        for pid in everyone:
            os.kill(pid, signal.SIGSTOP)
        until(lambda: all(paused(pid) for pid in everyone))
        beat = max(run.heartbeat for run_id in runs if (run := store.run(run_id)).heartbeat)
        until(lambda: (datetime.now(UTC) - beat).total_seconds() > 1.2)
        assert store.expire_leases() == []
        before = {run_id: store.run(run_id).step for run_id in runs}
        for pid in everyone:
            os.kill(pid, signal.SIGCONT)
        until(lambda: all(store.run(run_id).step > before[run_id] for run_id in runs))
        assert {store.run(run_id).state for run_id in runs} == {S.RUNNING}


@pytest.mark.parametrize(
    ("looks", "expired"),
    [
        pytest.param([0, 30, 32, 34, 36], [1, 1, 1, 1, 2], id="one lease after a pause of its own"),
        pytest.param([0, 0.1, 0.2, 0.3, 0.1], [1, 1, 1, 2, 3], id="every quarter of a second, and on a clock set back"),
    ],
)
def test_e1_when_a_queue_looks_for_leases_that_have_expired(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, looks: list[float], expired: list[int]
) -> None:
    queue, now = JobQueue(store.url, ProcessWorkers()), time.time()
    clock = iter(now + look for look in looks)
    monkeypatch.setattr("mmcore.jobs.queue.time.time", lambda: next(clock))
    monkeypatch.setattr(queue.store, "expire_leases", asked := MagicMock())
    seen = []
    for _ in looks:
        queue._expire_leases()
        seen.append(asked.call_count)
    assert seen == expired


def family(pid: int) -> set[int]:
    """A process and its descendants."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    children = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    return {pid}.union(*(family(child) for child in children))


@pytest.mark.parametrize("asked", range(6))
def test_a_worker_told_to_leave_between_two_questions_leaves(
    store: RunStore, make: Callable[..., str], asked: int
) -> None:
    """Whichever question hears of it first: a run that its server left behind is not one that was stopped."""

    class Late(threading.Event):
        left = asked

        def is_set(self) -> bool:
            self.left -= 1
            return self.left < 0

    run_id = make(ENDLESS)
    token = store.claim(run_id)
    assert token is not None
    run = store.run(run_id)
    dataset = build_dataset(store.corpus(run.config.corpus_sha256), run.config.split, run.config.model.context_size)
    assert jobs.Training.of(store, run, token, dataset).go(None, Late(), None) is S.INTERRUPTED


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_server_and_the_next_goes_on(
    store: RunStore, make: Callable[..., str], tmp_path: Path, how: signal.Signals
) -> None:
    claims, running, rest = audit(store), [make(ENDLESS) for _ in range(2)], [make(200) for _ in range(3)]
    with server(store, tmp_path) as first:
        until(lambda: all(store.run(run_id).step > 0 for run_id in running))
        processes = family(first.pid) - {first.pid}
        workers = {pid_of(store.run(run_id)) for run_id in running}
        assert workers <= processes
        first.send_signal(how)
        first.wait()
        until(lambda: all(gone(pid) for pid in workers))
        until(lambda: all(gone(pid) for pid in processes))  # the fork server takes torch down first
    for run_id in running:
        assert store.run(run_id).state is S.INTERRUPTED
        saved_model_fits(store, run_id)
    assert [store.run(run_id).state for run_id in rest] == [S.QUEUED] * 3
    if how is not signal.SIGKILL:  # starting the next is the same after each
        return
    with server(store, tmp_path):
        until(lambda: all(store.run(run_id).state is S.FINISHED for run_id in rest))
    assert claims() == dict.fromkeys((*running, *rest), 1)
