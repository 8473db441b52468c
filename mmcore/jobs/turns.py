"""Whose turn it is on one worker that answers many visitors."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

from .worker import T, Task, WorkerExecutor


class Withdrawn(CancelledError):
    """Nobody waits for the result any more."""


@dataclass
class _Request(Generic[T]):
    """What a visitor asked the worker for."""

    visitor: str
    function: Task[T]
    args: tuple[object, ...]
    promised: Future[T] = field(default_factory=Future)
    # A file is what a worker in another process can see; it is made only when the request is withdrawn.
    withdrawn: Path = field(default_factory=lambda: Path(tempfile.gettempdir(), f"withdrawn-{secrets.token_hex(16)}"))

    def start(self, executor: WorkerExecutor) -> Future[T]:
        return executor.submit(self.function, *self.args, self.withdrawn)

    def withdraw(self) -> None:
        with contextlib.suppress(OSError):  # on a full disk the worker goes on until its time is over
            self.withdrawn.touch()


class Turns:
    """One worker for many visitors: a visitor's newest request replaces the one before, waiting or running.

    Parameters
    ----------
    executor : makes a fresh executor with one worker; asked for the first, and again when a worker died.
    """

    def __init__(self, executor: Callable[[], WorkerExecutor]) -> None:
        self._make, self._executor = executor, executor()
        self._lock = threading.Lock()
        self._waiting: dict[str, _Request[Any]] = {}
        self._running: _Request[Any] | None = None

    def submit(self, visitor: str, function: Task[T], *args: object) -> Future[T]:
        """Ask for ``function(worker, *args, withdrawn)``; withdraws what this visitor asked for before.

        The file ``withdrawn`` appears when the result is no longer wanted; it is for the function to look, and to
        raise :class:`Withdrawn`.
        """
        asked = _Request(visitor, function, args)
        self.withdraw(visitor)
        with self._lock:
            self._waiting[visitor] = asked  # in the place of the one that was withdrawn
        self._next()
        return asked.promised

    def withdraw(self, visitor: str) -> None:
        """End what this visitor asked for; the place in the line is kept for a newer request."""
        with self._lock:
            if visitor in self._waiting:
                self._waiting[visitor].promised.cancel()
            if self._running is not None and self._running.visitor == visitor:
                self._running.withdraw()

    def ahead(self, visitor: str) -> int:
        """How many requests of others come before this visitor's."""
        with self._lock:
            if visitor not in self._waiting:
                return 0
            line = [name for name, request in self._waiting.items() if not request.promised.cancelled()]
            others = self._running is not None and self._running.visitor != visitor
            return line.index(visitor) + others if visitor in line else 0

    def _next(self) -> None:
        with self._lock:
            if self._running is not None or not self._waiting:
                return
            request = self._running = self._waiting.pop(next(iter(self._waiting)))
        if not request.promised.set_running_or_notify_cancel():
            self._done(request)
            return
        try:
            future = request.start(self._executor)
        except BrokenExecutor:  # it died while it had nothing to do
            self._executor = self._make()
            future = request.start(self._executor)
        future.add_done_callback(lambda finished: self._hand_over(finished, request))

    def _hand_over(self, finished: Future[T], request: _Request[T]) -> None:
        try:
            request.promised.set_result(finished.result())
        except (Exception, CancelledError) as problem:
            if isinstance(problem, BrokenExecutor):
                self._executor = self._make()
            request.promised.set_exception(problem)
        self._done(request)

    def _done(self, request: _Request[Any]) -> None:
        with self._lock:
            self._running = None
            request.withdrawn.unlink(missing_ok=True)
        self._next()

    def close(self) -> None:
        """End the worker; what waits is cancelled."""
        with self._lock:
            waiting, self._waiting = list(self._waiting.values()), {}
            if self._running is not None:
                self._running.withdraw()
        for request in waiting:
            request.promised.cancel()
        self._executor.shutdown(wait=False)
