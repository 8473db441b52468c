"""Training runs that wait in the store: in this process (:func:`run_inline`) or on workers (:class:`JobQueue`).

The queue is the store's rows in state *queued*; executors only place work. Every core gets an executor with one
warm, niced, single-threaded worker process, so that a worker's death breaks no other's run. Workers watch a pipe
whose other end only the server holds: when the server goes, however it goes, they save, mark their run
interrupted and leave. Nothing here imports Streamlit, and torch only where it trains.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Self

from ..store import LEASE_SECONDS, RunState, RunStore, StaleToken, StoreUnavailable, new_token
from .execution import POLL_SECONDS, Pauses, execute, log
from .processes import NICE, PRELOAD, OneProcess
from .worker import WorkerExecutor

WORKERS = os.cpu_count() or 1  # runs at once


# ---- the server's side


@dataclass
class _Slot:
    """One worker's place: its executor and what it is doing."""

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
        self._apart: list[WorkerExecutor] = []
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

    def apart(self) -> WorkerExecutor:
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
            executor.shutdown()
        self._alive_reader.close()
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

    def _executor(self, nice: int = NICE) -> WorkerExecutor:
        return OneProcess(self._context, self._alive_reader, self.store.url, nice)

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
