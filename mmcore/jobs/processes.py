"""A worker process: warm, niced, single-threaded, and gone when its server is."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
from multiprocessing.connection import Connection

from ..config import RunConfig, TrainConfig
from ..corpus import BUNDLED_NAMES, read_words
from ..store import RunStore
from .execution import Training, log, work

NICE = 5  # so that training never makes a page wait
GRACE_SECONDS = 1.0  # a leaving worker has to save its run
PRELOAD = ["torch", "pandas", "sqlalchemy", "safetensors.torch"]
PRELOAD += ["mmcore.jobs", "mmcore.training", "mmcore.evaluation", "mmcore.sample", "mmcore.export.artifact"]


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
    idle.clear()
    try:
        work(store, run_id, claimed, None, _leaving)
    finally:
        idle.set()


# ---- a worker process

_leaving = threading.Event()  # the server is gone or wants this worker to go
idle = threading.Event()
idle.set()


@functools.lru_cache(maxsize=4)
def worker_store(url: str) -> RunStore:
    """This process's store; opened once."""
    return RunStore(url)


def start_worker(server: Connection, nice: int) -> None:
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
    idle.wait(GRACE_SECONDS)
    os._exit(0)


def warm_up(store_url: str) -> None:
    """Do everything once, so that the first run does not wait for it."""
    try:
        worker_store(store_url).queued()
        corpus = read_words(BUNDLED_NAMES)
    except (ValueError, OSError) as error:  # no bundled names in this installation, or no store: a run will say so
        log.warning("worker not warm: %s", error)
        return
    config = RunConfig(corpus_sha256=corpus.sha256, train=TrainConfig(max_steps=3))
    training = Training(config, lambda: corpus, lambda **_: False)
    training.go()
    training.last()
