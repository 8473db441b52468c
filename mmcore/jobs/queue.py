"""The queue: rows in state *queued*, given in their order to whoever trains them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass, field
from typing import Protocol, Self

from ..store import KEPT_SECONDS, LEASE_SECONDS, RunState, RunStore, StaleToken, StoreUnavailable, new_token
from .execution import POLL_SECONDS, Pauses, execute, log
from .sweeping import Sweeping
from .worker import WorkerExecutor

EMPTY_EVERY = 600.0  # seconds between two looks into the bin


class Workers(Protocol):
    """Who trains the runs of a queue: gives it executors, each of which trains one run at a time."""

    @property
    def count(self) -> int:
        """How many runs may be in training at once. It may change, as workers come and go."""

    @property
    def address(self) -> str | None:
        """Of the scheduler whose workers they are; None: they are processes of this machine."""

    @property
    def problem(self) -> str:
        """Why there are none, and what to do about it; empty while there are some."""

    def start(self, store_url: str) -> None:
        """Get ready for the runs of a store; may be called again."""

    def executor(self) -> WorkerExecutor:
        """One more, or one in the place of a broken one. ``BrokenExecutor`` if there is none to be had just now."""

    def close(self) -> None:
        """End the executors; their workers save what they train and leave."""


@dataclass
class _Slot:
    """Room for one run in training: an executor and what it is doing."""

    executor: WorkerExecutor
    future: Future[None] | None = None
    run_id: str = ""
    token: str = ""
    rest_until: float = 0.0  # a worker that cannot even start, or claim, is not tried again at once
    rests: Pauses = field(default_factory=lambda: Pauses(longest=60.0))

    def rest(self, sentence: str) -> None:
        """Give it nothing to do for a while."""
        self.rest_until = time.monotonic() + self.rests.failed(sentence)


class JobQueue:
    """Has what is queued in a store trained, in the order of the queue, as many runs at once as there are workers.

    Several queues, in one process or many, may serve one store; each run is still trained once.

    Parameters
    ----------
    store_url : str or None
        As for :class:`RunStore`. Workers open it themselves.
    workers : Workers
        They start and end with the queue.
    sweep : str, optional
        The id of one whose runs alone are to be trained.
    """

    def __init__(self, store_url: str | None, workers: Workers, sweep: str | None = None) -> None:
        self.store, self.workers, self.sweep = RunStore(store_url), workers, sweep
        self.sweeping = Sweeping(self.store)
        self._slots: list[_Slot] = []
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._looked, self._patient_until = time.time(), 0.0
        self._expired = 0.0  # when leases were looked at last
        self._empty_at = 0.0  # by time.monotonic

    def start(self) -> Self:
        """Start the workers and begin with what is queued; returns before they are warm."""
        if self._thread is None:
            self.workers.start(self.store.url)
            self._thread = threading.Thread(target=self._serve, name="job queue", daemon=True)
            self._thread.start()
            _before_threads_are_joined(self.close)
        return self

    @property
    def serves(self) -> bool:
        """Whether it is at work, if only waiting for a database or a scheduler to come back."""
        return self._thread is not None and self._thread.is_alive() and not self._closing.is_set()

    def submit(self, run_id: str) -> None:
        """Look at the queue now, rather than within 0.25 s; the run must be queued in the store already."""
        log.debug("run %s submitted", run_id, extra={"run": run_id})
        self._wake.set()

    def close(self) -> None:
        """End the workers; what they train becomes interrupted, what is queued stays queued."""
        if self._thread is None or self._closing.is_set():
            return
        self._closing.set()
        self._wake.set()
        self._thread.join()
        self.workers.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _serve(self) -> None:
        pauses = Pauses()
        while not self._closing.is_set():
            pause = POLL_SECONDS
            try:
                for slot in self._slots:
                    self._collect(slot)
                self._fit()
                self._place()  # first, so that a worker whose run has just ended waits for nothing else
                self._expire_leases()
                if self.sweeping.advance(self.workers.count, self.sweep):
                    self._place()
                self._empty_bin()
                pauses.over()
            except BrokenExecutor as problem:  # the next look asks for another
                pause = pauses.failed(f"no workers for a moment: {problem}")
            except StoreUnavailable as problem:  # a database that is away for a moment must not end the queue
                pause = pauses.failed(f"the job queue waits: {problem}")
            except Exception as problem:
                log.debug("the job queue met an error", exc_info=True)
                pause = pauses.failed(f"the job queue goes on after {type(problem).__name__}: {problem}")
            self._wake.wait(pause)
            self._wake.clear()

    def _expire_leases(self) -> None:
        """Interrupt runs whose worker is gone; after a pause of this process their workers may have paused as well.

        Not at the end of every short run.
        """
        now = time.time()
        if now - self._looked > LEASE_SECONDS / 2:
            self._patient_until = now + LEASE_SECONDS
        self._looked = now
        if now >= self._patient_until and not 0 <= now - self._expired < POLL_SECONDS:
            self._expired = now
            self.store.expire_leases()

    def _empty_bin(self) -> None:
        """Remove for good what was deleted a day ago."""
        if time.monotonic() >= self._empty_at:
            self._empty_at = time.monotonic() + EMPTY_EVERY
            self.store.empty_bin(KEPT_SECONDS)

    def _fit(self) -> None:
        """Have as many slots as there are workers; one that is busy stays until its run has ended."""
        idle = [slot for slot in self._slots if not slot.future]
        for slot in idle[: max(0, len(self._slots) - self.workers.count)]:
            slot.executor.shutdown(wait=False)
            self._slots.remove(slot)
        while len(self._slots) < self.workers.count:
            self._slots.append(_Slot(self.workers.executor()))

    def _collect(self, slot: _Slot) -> None:
        """Free a slot whose run has ended; if its worker died, answer for the run and make a new worker."""
        if slot.future is None or not slot.future.done():
            return
        if slot.future.cancelled():  # a cluster's scheduler has gone: a worker that lives goes on, or its lease expires
            slot.future = None
            slot.rest(f"run {slot.run_id} is out of sight")
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
        if isinstance(problem, BrokenExecutor):
            log.warning("the worker of run %s died", slot.run_id, extra={"run": slot.run_id})
            self._renew(slot)

    def _renew(self, slot: _Slot) -> None:
        broken, slot.executor = slot.executor, self.workers.executor()
        broken.shutdown(wait=False)

    def _place(self) -> None:
        """Give the next queued runs to the slots that have nothing to do."""
        busy = {slot.run_id for slot in self._slots if slot.future}
        queued = self.store.queued(self.sweep, len(self._slots))  # of which those in `busy` are not claimed yet
        waiting = (run_id for run_id in queued if run_id not in busy)
        free = [slot for slot in self._slots if not slot.future and slot.rest_until < time.monotonic()]
        for slot, run_id in zip(free, waiting, strict=False):
            token = new_token()
            try:
                future = slot.executor.submit(execute, self.store.url, run_id, token)
            except BrokenExecutor:  # it died while it had nothing to do
                self._renew(slot)
                self._wake.set()
                continue
            slot.future, slot.run_id, slot.token = future, run_id, token
            future.add_done_callback(lambda _: self._wake.set())


def _before_threads_are_joined(close: Callable[[], None]) -> None:
    """Call something when the interpreter exits, before it waits for executors (``atexit`` comes after that)."""
    register: Callable[[Callable[[], None]], None] = threading._register_atexit  # type: ignore[attr-defined]
    register(close)
