"""What a worker has: the state that all it is given to do in one process shares."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Concatenate, Protocol, TypeVar

from ..config import RunConfig, SplitConfig
from ..corpus import Corpus
from ..dataset import Dataset, build_dataset
from ..fields import require
from ..store import RunStore
from ..threads import torch_threads

KEPT = 3  # datasets, however large
KEPT_BYTES = 256 * 2**20  # and more of them, as long as they take no more together: a sweep may need several

T = TypeVar("T")
Task = Callable[Concatenate["Worker", ...], T]  # what a worker is given to call, with itself as the first argument


class Worker:
    """The open stores and last datasets of a process, what it has to do, and whether it is to leave.

    Parameters
    ----------
    shared : several runs may be in training at once, each in a thread of its own and computing with that one only.
    disposable : the process may be ended, as whoever gave it something to do then makes another.
    """

    def __init__(self, *, shared: bool = False, disposable: bool = False) -> None:
        self.shared, self.disposable = shared, disposable
        self.leaving = threading.Event()  # what is in training is to be saved and to end
        self._tasks, self._task_ended = 0, threading.Condition()
        self._reading = threading.RLock()
        self._stores: dict[str, RunStore] = {}
        self._datasets: dict[tuple[str, SplitConfig, int], Dataset] = {}

    def store(self, url: str) -> RunStore:
        """A store, opened once."""
        with self._reading:
            if url not in self._stores:
                self._stores[url] = RunStore(url)
            return self._stores[url]

    def dataset(self, config: RunConfig, corpus: Callable[[], Corpus]) -> Dataset:
        """A run's dataset: one of the last few, or built from its corpus."""
        key = (config.corpus_sha256, config.split, config.model.context_size)
        with self._reading:
            dataset = self._datasets.pop(key, None) or build_dataset(corpus(), config.split, config.model.context_size)
            self._datasets[key] = dataset  # the newest is last
            for oldest in list(self._datasets)[:-KEPT]:
                if sum(kept.nbytes for kept in self._datasets.values()) > KEPT_BYTES:
                    del self._datasets[oldest]
            return dataset

    @contextlib.contextmanager
    def threads(self, count: int) -> Iterator[None]:
        """Compute with so many threads meanwhile. ``ValueError`` for more than one in a shared process."""
        if not self.shared:
            with torch_threads(count):
                yield
            return
        import torch

        require(count == 1, "threads", "1 in a process that trains several runs", count)
        torch.set_num_threads(1)  # and so it stays: to put it back might reach the other runs
        yield

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """What :meth:`leave` waits for."""
        with self._task_ended:
            self._tasks += 1
        try:
            yield
        finally:
            with self._task_ended:
                self._tasks -= 1
                self._task_ended.notify_all()

    def leave(self, seconds: float) -> None:
        """Ask all tasks to end, and wait for that, though no longer than so many seconds."""
        self.leaving.set()
        with self._task_ended:
            self._task_ended.wait_for(lambda: not self._tasks, seconds)

    @contextlib.contextmanager
    def ended_after(self, seconds: float) -> Iterator[None]:
        """End the process if this takes longer, where it is disposable."""
        timer = threading.Timer(seconds, os._exit, (1,))
        timer.daemon = True
        if self.disposable:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()


class WorkerExecutor(Protocol):
    """An executor that calls functions with the worker they run on."""

    def submit(self, function: Task[T], /, *args: object) -> Future[T]:
        """Call ``function(worker, *args)``; ``BrokenExecutor``, here or from the future, if its worker died."""

    def shutdown(self, wait: bool = True) -> None:
        """Take no more; what has not begun is cancelled."""
