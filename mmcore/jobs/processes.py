"""Worker processes of this machine: warm, niced, single-threaded, and gone when their server is.

Each run has a process of its own, so that a worker's death breaks no other's run. Workers watch a pipe whose other end
only the server holds: when the server goes, however it goes, they save, mark their run interrupted and leave.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import weakref
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext

from ..config import RunConfig, TrainConfig
from ..corpus import BUNDLED_NAMES, read_words
from ..logs import write_logs
from .execution import Training, log
from .worker import T, Task, Worker, WorkerExecutor

WORKERS = os.cpu_count() or 1  # runs at once
NICE = 5  # so that training never makes a page wait
GRACE_SECONDS = 1.0  # a leaving worker has to save its run
PRELOAD = ["torch", "pandas", "sqlalchemy", "safetensors.torch"]
PRELOAD += ["mmcore.jobs", "mmcore.training", "mmcore.evaluation", "mmcore.sample", "mmcore.export.artifact"]


# ---- the server's side


class ProcessWorkers:
    """So many worker processes, by default one a core, forked from one that has PyTorch loaded."""

    address: str | None = None
    problem = ""

    def __init__(self, count: int | None = None) -> None:
        self.count = count or WORKERS
        self._context = multiprocessing.get_context("forkserver")
        self._given: weakref.WeakSet[OneProcess] = weakref.WeakSet()
        self._store_url: str | None = None

    def start(self, store_url: str) -> None:
        """Get ready; the first time says whose runs the workers warm up for."""
        if self._store_url is None:
            self._context.set_forkserver_preload(PRELOAD)
            self._alive, self._server = self._context.Pipe(duplex=False)
            self._store_url = store_url

    def executor(self) -> WorkerExecutor:
        """One more process for the queue."""
        return self._process(NICE)

    def apart(self) -> WorkerExecutor:
        """A process beside the queue's, which goes before them; it ends with them."""
        return self._process(nice=0)

    def _process(self, nice: int) -> OneProcess:
        assert self._store_url, "not started"
        made = OneProcess(self._context, self._alive, self._store_url, nice)
        self._given.add(made)
        return made

    def close(self) -> None:
        """End the processes: they save what they train and leave."""
        if self._store_url is None:
            return
        self._server.close()  # which each of them watches
        for process in list(self._given):
            process.shutdown()
        self._alive.close()
        self._store_url = None


class OneProcess:
    """An executor with one warm worker process, which leaves when no one holds the other end of ``alive`` any more."""

    def __init__(self, context: BaseContext, alive: Connection, store_url: str, nice: int) -> None:
        self._pool = ProcessPoolExecutor(1, context, start_worker, (alive, nice))
        self.submit(warm_up, store_url)

    def submit(self, function: Task[T], /, *args: object) -> Future[T]:
        try:
            return self._pool.submit(on_worker, function, *args)
        except EOFError as problem:  # where the server is ending, this may go before it
            raise BrokenProcessPool("the process that forks them has gone") from problem

    def shutdown(self, wait: bool = True) -> None:
        self._pool.shutdown(wait, cancel_futures=True)


# ---- the worker's side

_worker: Worker  # this process's, if it is a worker


def on_worker(function: Task[T], *args: object) -> T:
    """Call a function with this process's worker."""
    return function(_worker, *args)


def start_worker(server: Connection, nice: int) -> None:
    """Make this process a worker."""
    import torch

    global _worker
    _worker = worker = Worker(disposable=True)
    write_logs(worker=True)
    torch.set_num_threads(1)
    os.nice(nice)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the server's terminal is the server's to answer
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=_leave, args=(worker,)).start())
    threading.Thread(target=_watch, args=(server, worker), name="watch the server", daemon=True).start()


def _watch(server: Connection, worker: Worker) -> None:
    with contextlib.suppress(EOFError, OSError):
        server.recv_bytes()  # nothing is ever sent: this ends when no one holds the other end any more
    _leave(worker)


def _leave(worker: Worker) -> None:
    worker.leave(GRACE_SECONDS)
    os._exit(0)


def warm_up(worker: Worker, store_url: str) -> None:
    """Do everything once, so that the first run does not wait for it."""
    try:
        worker.store(store_url).queued(limit=1)
        corpus = read_words(BUNDLED_NAMES)
    except (ValueError, OSError) as error:  # no bundled names in this installation, or no store: a run will say so
        log.warning("worker not warm: %s", error)
        return
    config = RunConfig(corpus_sha256=corpus.sha256, train=TrainConfig(max_steps=3))
    training = Training(config, worker.dataset(config, lambda: corpus), lambda _: False)
    training.go()
    training.last()
