"""A worker process: warm, niced, single-threaded, and gone when its server is."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext

from ..config import RunConfig, TrainConfig
from ..corpus import BUNDLED_NAMES, read_words
from .execution import Training, log
from .worker import T, Task, Worker

NICE = 5  # so that training never makes a page wait
GRACE_SECONDS = 1.0  # a leaving worker has to save its run
PRELOAD = ["torch", "pandas", "sqlalchemy", "safetensors.torch"]
PRELOAD += ["mmcore.jobs", "mmcore.training", "mmcore.evaluation", "mmcore.sample", "mmcore.export.artifact"]


# ---- the server's side


class OneProcess:
    """An executor with one warm worker process, which leaves when no one holds the other end of ``alive`` any more."""

    def __init__(self, context: BaseContext, alive: Connection, store_url: str, nice: int) -> None:
        self._pool = ProcessPoolExecutor(1, context, start_worker, (alive, nice))
        self.submit(warm_up, store_url)

    def submit(self, function: Task[T], /, *args: object) -> Future[T]:
        return self._pool.submit(on_worker, function, *args)

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
        worker.store(store_url).queued()
        corpus = read_words(BUNDLED_NAMES)
    except (ValueError, OSError) as error:  # no bundled names in this installation, or no store: a run will say so
        log.warning("worker not warm: %s", error)
        return
    config = RunConfig(corpus_sha256=corpus.sha256, train=TrainConfig(max_steps=3))
    training = Training(config, worker.dataset(config, lambda: corpus), lambda _: False)
    training.go()
    training.last()
