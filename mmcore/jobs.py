"""Training runs that wait in the store: in this process (:func:`run_inline`) or on workers (:class:`JobQueue`).

The queue is the store's rows in state *queued*; executors only place work. Every core gets an executor with one
warm, niced, single-threaded worker process, so that a worker's death breaks no other's run. Workers watch a pipe
whose other end only the server holds: when the server goes, however it goes, they save, mark their run
interrupted and leave. Nothing here imports Streamlit, and torch only where it trains.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Self

from .checkpoint import Checkpoint, affordable, checkpoint_steps, weights_of
from .config import RunConfig, SplitConfig, TrainConfig
from .data import BUNDLED_NAMES, Corpus, Dataset, build_dataset, read_words
from .store import LEASE_SECONDS, MAX_POINTS, Run, RunState, RunStore, StaleToken, StoreUnavailable, new_token, thinned

if TYPE_CHECKING:
    from .training import Step

WORKERS = os.cpu_count() or 1  # runs at once
TICK_SECONDS = 0.15  # between two looks at training, so that writes are at most 0.25 s apart
SAVE_SECONDS = 1.0  # between two saves of the weights
SAVE_SHARE = 0.05  # of the time that saving a large model may take
POLL_SECONDS = 0.25  # between a server's looks at the queue
NICE = 5  # so that training never makes a page wait
LAST_SECONDS = 0.25  # that the losses at the end may take once someone asked for it
GRACE_SECONDS = 1.0  # a leaving worker has to save its run
LONGEST_PAUSE = 10.0  # seconds between two tries of a write for which there is no room
SAMPLES, SAMPLE_SEED = 8, 1
PRELOAD = ["torch", "pandas", "sqlalchemy", "safetensors.torch"]
PRELOAD += ["mmcore.jobs", "mmcore.training", "mmcore.evaluation", "mmcore.sample", "mmcore.artifact"]

log = logging.getLogger(__name__)


class _Pauses:
    """How long to wait after each failure in a row: twice as long every time, and what failed is said once."""

    def __init__(self, first: float = POLL_SECONDS, longest: float = LONGEST_PAUSE) -> None:
        self.first = self.next = first
        self.longest, self.said = longest, ""

    def failed(self, sentence: str) -> float:
        """Seconds to wait now."""
        if sentence != self.said:
            log.warning("%s", sentence)
        pause, self.said = self.next, sentence
        self.next = min(self.longest, 2 * pause)
        return pause

    def over(self) -> None:
        """It works, or works again."""
        if self.said:
            log.warning("over: %s", self.said)
        self.next, self.said = self.first, ""


# ---- one run


def execute(store_url: str, run_id: str, token: str | None = None) -> None:
    """Train one queued run to its end; what a worker is given. Returns at once if another was quicker.

    `token` is the secret to claim the run with, for a caller that wants to answer for this worker's death.
    """
    if _leaving.is_set():
        return
    store = worker_store(store_url)
    claimed = store.claim(run_id, token)
    if claimed is None:
        log.info("run %s is not to be had", run_id)
        return
    _idle.clear()
    try:
        _work(store, run_id, claimed, None, _leaving)
    finally:
        _idle.set()


def run_inline(
    store: RunStore, run_id: str, on_step: Callable[[Step], None] | None = None, token: str | None = None
) -> Run:
    """Train one run in this process, and return it as it ended: a queued one, or one claimed with `token`.

    Ctrl-C stops it within a second and keeps it; a second Ctrl-C, or one before the first step, does not wait for
    that.
    """
    token = token or store.claim(run_id)
    if token is None:
        raise ValueError(f"run must be queued, got {run_id} that is {store.run(run_id).state}")
    begun = threading.Event()

    def show(step: Step) -> None:
        begun.set()
        if on_step:
            on_step(step)

    with _ctrl_c(begun) as stopped:
        _work(store, run_id, token, show, None, stopped)
    return store.run(run_id)


def _work(
    store: RunStore,
    run_id: str,
    token: str,
    on_step: Callable[[Step], None] | None,
    leaving: threading.Event | None,
    stopped: threading.Event | None = None,
) -> None:
    """All that is between the claim of a run and its end."""
    training = None
    last: dict[str, Any] = {}
    with _lease_kept(store, run_id, token), _stale_is_fine(run_id):
        try:
            training = _Training.of(store, store.run(run_id), token)
            state = training.go(on_step, leaving, stopped)
            last = training.last()
        except StaleToken:
            raise
        except KeyboardInterrupt:  # the second one: the last saved weights are what stays
            state = RunState.STOPPED
        except Exception as problem:
            state, last = RunState.FAILED, training.last(problem) if training else {}
            last |= {"error": _sentence(problem), "error_type": type(problem).__name__}
        end = functools.partial(store.finish, run_id, token, state, **last)
        _end(store, run_id, token, end, [event for event in (leaving, stopped) if event])


def _end(
    store: RunStore, run_id: str, token: str, finish: Callable[[], None], hurry: Sequence[threading.Event]
) -> None:
    """End a run, as soon as there is room to write that; who is in a hurry gets :class:`StoreUnavailable` instead."""
    pauses = _Pauses()
    while True:
        try:
            store.record(run_id, token)  # a run whose worker was thought dead goes on, so that it can end
            finish()
            return
        except StoreUnavailable as problem:
            again = time.monotonic() + pauses.failed(f"run {run_id} waits to be saved: {problem}")
            while time.monotonic() < again:
                if any(event.is_set() for event in hurry):
                    raise
                time.sleep(TICK_SECONDS)


class _Training:
    """A run in this process's memory; `write` is where its results go, and says whether to stop."""

    def __init__(
        self, config: RunConfig, corpus: Callable[[], Corpus], write: Callable[..., bool], checkpoints: int = 0
    ) -> None:
        from .training import TrainState

        self.config, self.write = config, write
        self.dataset = worker_dataset(config, corpus)
        self.state = TrainState(config.model, config.train, self.dataset.vocab.size)
        self.seconds_before = 0.0  # this run's training before it was continued
        self.newest: Step | None = None
        count = affordable(self.state.model.flat.numel(), checkpoints)
        self.film_steps = frozenset(checkpoint_steps(config.train.max_steps, count))
        self.points: list[Step] = []  # not written yet, as are these
        self.film: list[Checkpoint] = []
        self.ticks, self.next_write, self.next_save, self.next_samples = 0, 0.0, 0.0, 0.0
        self.pauses = _Pauses()
        self.events: Sequence[threading.Event] = ()  # each of them asks to stop or leave, as the store may
        self.asked, self.next_look = math.inf, 0.0  # when somebody did; when to look into the store again

    @classmethod
    def of(cls, store: RunStore, run: Run, token: str) -> _Training:
        """A claimed run, at the step at which it was last saved."""
        from safetensors.torch import load

        write = functools.partial(store.record, run.id, token)
        training = cls(run.config, lambda: store.corpus(run.config.corpus_sha256), write, run.checkpoints)
        if saved := store.train_state(run.id):
            training.state.load(load(saved))
            history = store.history(run.id)
            training.seconds_before = float(history.seconds[history.step <= training.state.step].max())
        return training

    def go(
        self,
        on_step: Callable[[Step], None] | None = None,
        leaving: threading.Event | None = None,
        stopped: threading.Event | None = None,
    ) -> RunState:
        """Train until the end, or until someone asks to stop or leave; the state the run is in then."""
        from .training import Pace, train

        self.events = [event for event in (leaving, stopped) if event]
        pace = Pace(seconds=TICK_SECONDS, at=self.film_steps)
        for step in train(self.state, self.dataset, pace=pace, stop=self.stops):
            self.newest = replace(step, seconds=step.seconds + self.seconds_before)
            stop = self.tick(self.newest)
            if on_step:
                on_step(self.newest)
            if step.step >= self.config.train.max_steps and (step.losses or not self.stops()):
                break
            if leaving and leaving.is_set():
                return RunState.INTERRUPTED
            if stop or any(event.is_set() for event in self.events):
                return RunState.STOPPED
        return RunState.FINISHED

    def stops(self) -> bool:
        """Whether someone asked to stop or leave. Asked while losses are computed, which may take minutes."""
        now, wanted = time.monotonic(), any(event.is_set() for event in self.events)
        if not wanted and now >= max(self.next_look, self.next_write):
            self.next_look = now + TICK_SECONDS
            try:
                wanted = self.write()
            except StoreUnavailable as problem:
                self.wait(problem)
        self.asked = min(self.asked, now) if wanted else self.asked
        return self.asked <= now

    def must_end(self) -> bool:
        """Whether losses that are still missing have to be left out, as someone waits for the end."""
        return self.stops() and time.monotonic() > self.asked + LAST_SECONDS

    def tick(self, step: Step) -> bool:
        """Write a step, from time to time with weights and samples; whether someone asked for a stop."""
        now = time.monotonic()
        self.points.append(step)
        self.keep(step)
        if now < self.next_write and (step.step in self.film_steps or self.pauses.said):
            return False  # these come thick at first: each in a transaction of its own would slow training down
        extra: dict[str, Any] = {}
        if step.train_loss is not None and now >= self.next_save:
            extra |= self.checkpoint(step.step, step.losses)
        if (self.ticks < 4 or now >= self.next_samples) and not self.stops():
            extra["samples"] = step.step, self.samples()
            self.next_samples = now + SAVE_SECONDS
        self.ticks += 1
        try:
            stop = self.write(points=self.points, checkpoints=self.film, **extra)
        except StoreUnavailable as problem:  # training goes on, and what it gave is written when there is room
            self.wait(problem)
            return False
        self.pauses.over()
        self.points, self.film, self.next_write = [], [], now + 0.9 * TICK_SECONDS
        if "weights" in extra:
            self.next_save = now + max(SAVE_SECONDS, (time.monotonic() - now) / SAVE_SHARE)
        return stop

    def wait(self, problem: StoreUnavailable) -> None:
        """Keep what could not be written, within bounds, and leave the store alone for a while."""
        self.next_write = time.monotonic() + self.pauses.failed(str(problem))
        if len(self.points) > MAX_POINTS:
            kept = thinned([point.step for point in self.points], MAX_POINTS // 2)
            self.points = [point for point in self.points if point.step in kept]

    def keep(self, step: Step) -> None:
        """Remember the weights of a step of the film; what a continued run starts with is in the store already."""
        fresh = step.step == 0 or step.updates is not None
        if fresh and step.step in self.film_steps and self.state.model.flat.isfinite().all():
            weights = weights_of(self.state.model)
            self.film.append(Checkpoint(step=step.step, weights=weights, updates=step.updates or {}))

    def last(self, problem: Exception | None = None) -> dict[str, Any]:
        """What is left to write at the end: the newest step with exact losses, the weights and samples of it."""
        from .evaluation import evaluate_splits
        from .training import TrainingDiverged

        if self.newest is None or (problem and not isinstance(problem, TrainingDiverged)):
            return {}
        known = {} if problem else self.newest.losses
        losses = evaluate_splits(self.state.model, self.dataset, test=True, known=known, stop=self.must_end)
        shown: dict[str, Any] = {name: loss for name, loss in losses.items() if not name.startswith("test")}
        # The weights kept by a run that diverged are those before the update that spoiled them.
        step = max(0, problem.step - 1) if isinstance(problem, TrainingDiverged) else self.newest.step
        ended = replace(self.newest, step=step, **shown)
        points = [*(point for point in self.points if point.step < step), ended]
        last = {"points": points, "checkpoints": self.film} | self.checkpoint(step, losses)
        return last if self.must_end() else last | {"samples": (step, self.samples())}

    def checkpoint(self, step: int, losses: dict[str, float]) -> dict[str, Any]:
        """Weights, training state and losses of this moment; nothing if they are not finite numbers."""
        from safetensors.torch import save

        from .artifact import Artifact

        if not self.state.model.flat.isfinite().all():
            return {}
        sealed = {name: loss for name, loss in losses.items() if not name.startswith("test")}
        dataset = self.dataset
        artifact = Artifact(self.state.model, dataset.vocab, self.config, sealed, step, dataset.cleaning)
        return {"weights": artifact.to_bytes(), "train_state": save(self.state.tensors()), "losses": losses}

    def samples(self) -> list[str]:
        """Some words from the model as it is, always with the same sample seed."""
        from .sample import drawn_words

        return drawn_words(self.state.model, self.dataset.vocab, SAMPLES, SAMPLE_SEED)


@contextlib.contextmanager
def _lease_kept(store: RunStore, run_id: str, token: str) -> Iterator[None]:
    """Renew the lease from a thread too: a large corpus or model may take longer than it between two steps."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(LEASE_SECONDS / 4):
            try:
                store.record(run_id, token)
            except StaleToken:
                return
            except Exception:  # the training thread meets the same problem and reports it
                log.debug("lease of run %s not renewed", run_id, exc_info=True)

    thread = threading.Thread(target=renew, name=f"lease {run_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def _stale_is_fine(run_id: str) -> Iterator[None]:
    try:
        yield
    except StaleToken:
        log.warning("run %s was taken from this worker; its results are dropped", run_id)


@contextlib.contextmanager
def _ctrl_c(begun: threading.Event) -> Iterator[threading.Event]:
    """The first Ctrl-C sets an event; the second interrupts as usual, and so does any while nothing has begun."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped  # only the main thread may handle signals
        return
    usual = signal.getsignal(signal.SIGINT)

    def first(number: int, frame: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, usual)
        if not begun.is_set():
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, first)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, usual)


def _sentence(problem: Exception) -> str:
    from .training import TrainingDiverged

    if isinstance(problem, (ValueError, TrainingDiverged, StoreUnavailable)):
        return str(problem)
    log.error("training failed", exc_info=problem)
    return f"{type(problem).__name__}: {problem}"


# ---- a worker process

_leaving = threading.Event()  # the server is gone or wants this worker to go
_idle = threading.Event()
_idle.set()
_datasets: dict[tuple[str, SplitConfig, int], Dataset] = {}


@functools.lru_cache(maxsize=4)
def worker_store(url: str) -> RunStore:
    """This process's store; opened once."""
    return RunStore(url)


def worker_dataset(config: RunConfig, corpus: Callable[[], Corpus]) -> Dataset:
    """A run's dataset, from the last few of this process if it is among them."""
    key = (config.corpus_sha256, config.split, config.model.context_size)
    dataset = _datasets.pop(key, None) or build_dataset(corpus(), config.split, config.model.context_size)
    _datasets[key] = dataset  # the newest is last
    for oldest in list(_datasets)[:-3]:
        del _datasets[oldest]
    return dataset


def _start_worker(server: Connection, nice: int) -> None:
    import torch

    torch.set_num_threads(1)
    os.nice(nice)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the server's terminal is the server's to answer
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=_leave).start())
    threading.Thread(target=_watch, args=(server,), name="watch the server", daemon=True).start()


def _watch(server: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        server.recv_bytes()  # nothing is ever sent: this ends when no one holds the other end any more
    _leave()


def _leave() -> None:
    _leaving.set()
    _idle.wait(GRACE_SECONDS)
    os._exit(0)


def _warm_up(store_url: str) -> None:
    """Do everything once, so that the first run does not wait for it."""
    try:
        worker_store(store_url).queued()
        corpus = read_words(BUNDLED_NAMES)
    except (ValueError, OSError) as error:  # no bundled names in this installation, or no store: a run will say so
        log.warning("worker not warm: %s", error)
        return
    config = RunConfig(corpus_sha256=corpus.sha256, train=TrainConfig(max_steps=3))
    training = _Training(config, lambda: corpus, lambda **_: False)
    training.go()
    training.last()


# ---- the server's side


@dataclass
class _Slot:
    """One worker's place: its executor and what it is doing."""

    executor: ProcessPoolExecutor
    future: Future[None] | None = None
    run_id: str = ""
    token: str = ""
    rest_until: float = 0.0  # a worker that cannot even start, or claim, is not tried again at once
    rests: _Pauses = field(default_factory=lambda: _Pauses(longest=60.0))

    def rest(self, sentence: str) -> None:
        """Give it nothing to do for a while."""
        self.rest_until = time.monotonic() + self.rests.failed(sentence)


class JobQueue:
    """Trains what is queued in a store, one run a worker, in the order of the queue.

    Several queues, in one process or many, may serve one store; each run is still trained once.

    Parameters
    ----------
    store_url : str, optional
        As for :class:`RunStore`. Workers open it themselves.
    workers : int, optional
        Runs at once; by default one a core.
    """

    def __init__(self, store_url: str | None = None, workers: int | None = None) -> None:
        self.store = RunStore(store_url)
        self.workers = workers or WORKERS
        self._context = multiprocessing.get_context("forkserver")
        self._slots: list[_Slot] = []
        self._apart: list[ProcessPoolExecutor] = []
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._looked, self._patient_until = time.time(), 0.0

    def start(self) -> Self:
        """Start the workers and begin with what is queued; returns before they are warm."""
        if self._thread is None:
            self._context.set_forkserver_preload(PRELOAD)
            self._alive_reader, self._alive_writer = self._context.Pipe(duplex=False)
            self._thread = threading.Thread(target=self._serve, name="job queue", daemon=True)
            self._thread.start()
            _before_threads_are_joined(self.close)
        return self

    def submit(self, run_id: str) -> None:
        """Look at the queue now, rather than within 0.25 s; the run must be queued in the store already."""
        log.debug("run %s submitted", run_id)
        self._wake.set()

    def apart(self) -> Executor:
        """A new executor with one warm worker beside the queue's, which goes before them; it ends with the queue."""
        self._apart.append(self._executor(nice=0))
        return self._apart[-1]

    def close(self) -> None:
        """End the workers; what they train becomes interrupted, what is queued stays queued."""
        if self._thread is None or self._closing.is_set():
            return
        self._closing.set()
        self._wake.set()
        self._thread.join()
        self._alive_writer.close()  # the workers save and leave
        for executor in [*self._apart, *(slot.executor for slot in self._slots)]:
            executor.shutdown(cancel_futures=True)
        self._alive_reader.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _serve(self) -> None:
        pauses = _Pauses()
        while not self._closing.is_set():
            pause = POLL_SECONDS
            try:
                self._slots = self._slots or [_Slot(self._executor()) for _ in range(self.workers)]
                self._expire_leases()
                for slot in self._slots:
                    self._collect(slot)
                self._place()
                pauses.over()
            except EOFError:  # the server is ending, and this went first; else the next look starts another
                log.warning("no workers for a moment: the process that forks them has gone")
            except StoreUnavailable as problem:  # a database that is away for a moment must not end the queue
                pause = pauses.failed(f"the job queue waits: {problem}")
            except Exception as problem:
                log.debug("the job queue met an error", exc_info=True)
                pause = pauses.failed(f"the job queue goes on after {type(problem).__name__}: {problem}")
            self._wake.wait(pause)
            self._wake.clear()

    def _expire_leases(self) -> None:
        """Interrupt runs whose worker is gone; after a pause of this process their workers may have paused as well."""
        now = time.time()
        if now - self._looked > LEASE_SECONDS / 2:
            self._patient_until = now + LEASE_SECONDS
        self._looked = now
        if now >= self._patient_until:
            self.store.expire_leases()

    def _executor(self, nice: int = NICE) -> ProcessPoolExecutor:
        executor = ProcessPoolExecutor(1, self._context, _start_worker, (self._alive_reader, nice))
        executor.submit(_warm_up, self.store.url)
        return executor

    def _collect(self, slot: _Slot) -> None:
        """Free a slot whose run has ended; if its worker died, answer for the run and make a new worker."""
        if slot.future is None or not slot.future.done():
            return
        problem = slot.future.exception()
        if problem is None:
            slot.future = None
            slot.rests.over()
            return
        try:
            self.store.finish(slot.run_id, slot.token, RunState.INTERRUPTED)
            slot.rests.over()
        except StaleToken:  # it had not claimed the run, or had ended it
            slot.rest(f"run {slot.run_id} was not trained: {problem}")
        slot.future = None
        if isinstance(problem, BrokenProcessPool):
            log.warning("the worker of run %s died", slot.run_id)
            self._renew(slot)

    def _renew(self, slot: _Slot) -> None:
        slot.executor.shutdown(wait=False)
        slot.executor = self._executor()

    def _place(self) -> None:
        """Give the next queued runs to the slots that have nothing to do."""
        busy = {slot.run_id for slot in self._slots if slot.future}
        waiting = (run_id for run_id in self.store.queued() if run_id not in busy)
        free = [slot for slot in self._slots if not slot.future and slot.rest_until < time.monotonic()]
        for slot, run_id in zip(free, waiting, strict=False):
            token = new_token()
            try:
                future = slot.executor.submit(execute, self.store.url, run_id, token)
            except BrokenProcessPool:  # it died while it had nothing to do
                self._renew(slot)
                self._wake.set()
                continue
            slot.future, slot.run_id, slot.token = future, run_id, token
            future.add_done_callback(lambda _: self._wake.set())


def _before_threads_are_joined(close: Callable[[], None]) -> None:
    """Call something when the interpreter exits, before it waits for executors (``atexit`` comes after that)."""
    register: Callable[[Callable[[], None]], None] = threading._register_atexit  # type: ignore[attr-defined]
    register(close)
