"""Workers of a Dask cluster: as many runs at once as its workers have threads, while they come and go.

A worker needs this package, and to reach the store. It is handed a run's id and a token to claim it with, so a task
that Dask should ever run twice finds the second time that there is nothing to be had.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from distributed import Client, WorkerPlugin, get_worker

from ..fields import quoted
from ..logs import write_logs
from .worker import T, Task, Worker, WorkerExecutor

if TYPE_CHECKING:
    from distributed import Worker as DaskWorker

CONNECT_SECONDS = 5.0
COUNT_SECONDS = 1.0  # between two looks at how many threads there are
LEAVE_SECONDS = 3.0  # that a leaving worker has to save its runs

log = logging.getLogger(__name__)


# ---- the server's side


class DaskWorkers:
    """The workers of a scheduler that runs already, and goes on without us."""

    def __init__(self, address: str) -> None:
        self.address: str | None = address
        self.count = 0  # threads of all workers, as of a second ago; 0 while the scheduler is away
        self._client: Any = None  # a Client
        self._unfit = ""  # why its workers cannot be told what to do
        self._scheduler = ""  # id of the one whose workers know what to do; a new one at the address has to be told
        self._looked, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, store_url: str) -> None:
        """Look who is there, now and every second. In a thread: to find out that nobody is takes seconds."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="watch the scheduler", daemon=True)
            self._thread.start()
            self._looked.wait(COUNT_SECONDS)

    @property
    def problem(self) -> str:
        """Why there are no workers; empty while there are some."""
        if self.count:
            return ""
        if self._unfit:
            return f"those of the scheduler at {self.address} cannot train ({self._unfit})"
        if not self._reached:
            return f"the scheduler at {self.address} does not answer; what is queued begins when it does"
        return f"the scheduler at {self.address} has none; start one with: dask worker {self.address}"

    @property
    def _reached(self) -> bool:
        return bool(self._scheduler) and self._client is not None and self._client.status == "running"

    def executor(self) -> WorkerExecutor:
        """Room for one more run, on whichever worker is free. ``BrokenExecutor`` while the scheduler is away."""
        client = self._client
        if client is None or not self._reached:
            raise BrokenExecutor(f"no scheduler at {self.address}")
        return OnCluster(client)

    def close(self) -> None:
        """Withdraw what has not begun; what is in training goes on, as the cluster is not ours to end."""
        self._closing.set()
        if self._client is not None:
            self._client.close()
        self._scheduler, self.count = "", 0

    def _watch(self) -> None:
        while not self._closing.is_set():
            try:
                self._look()
            except (OSError, TimeoutError) as problem:
                log.debug("no scheduler at %s: %s", quoted(self.address), problem)
                self.count, self._unfit = 0, ""
            except Exception as problem:  # of a worker, which has not what it takes; the next look may go better
                if str(problem) != self._unfit:
                    log.warning("workers of %s cannot train: %s", quoted(self.address), problem)
                self.count, self._unfit = 0, str(problem)
            self._looked.set()
            self._closing.wait(COUNT_SECONDS)

    def _look(self) -> None:
        """See who is there."""
        if self._client is None or self._client.status == "closed":
            connect: Any = Client  # untyped
            self._client = connect(self.address, timeout=CONNECT_SECONDS, set_as_default=False)
        if self._closing.is_set():
            self._client.close()
            return
        found = self._client.scheduler_info()
        if found["id"] != self._scheduler:
            self._client.register_plugin(TrainsRuns())
        self._scheduler, self._unfit = found["id"], ""
        threads = sum(worker["nthreads"] for worker in found["workers"].values())
        self.count = threads if self._reached else 0  # else what it said is of before


@dataclass(frozen=True)
class ClusterWorker:
    """A worker as its scheduler knows it."""

    address: str
    threads: int  # runs at once
    runs: int  # that it has to train, whoever gave them


def cluster_workers(address: str) -> list[ClusterWorker]:
    """All workers of a scheduler; ``OSError`` where none answers."""
    connect: Any = Client  # untyped
    try:
        with connect(address, timeout=CONNECT_SECONDS, set_as_default=False) as client:
            found, tasks = client.scheduler_info()["workers"], client.processing()
    except (OSError, TimeoutError) as problem:
        raise OSError(f"the scheduler at {address} does not answer within {CONNECT_SECONDS:g} s") from problem
    return [ClusterWorker(name, one["nthreads"], len(tasks.get(name, ()))) for name, one in sorted(found.items())]


class OnCluster:
    """An executor that calls a function on one of the cluster's workers, and never again by itself."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._executor = client.get_executor(pure=False, retries=0)

    def submit(self, function: Task[T], /, *args: object) -> Future[T]:
        if self._client.status != "running":
            raise BrokenExecutor("the scheduler is away")
        future: Future[T] = self._executor.submit(on_worker, function, *args)
        return future

    def shutdown(self, wait: bool = True) -> None:
        with contextlib.suppress(OSError, TimeoutError, RuntimeError):  # it may be away
            self._executor.shutdown(wait)


# ---- the worker's side


class TrainsRuns(WorkerPlugin):
    """What a worker of the cluster has: its open stores and last datasets, shared by the runs in its threads."""

    name = "makemore-lab"

    def setup(self, worker: DaskWorker) -> None:
        """When it joins, or this plugin reaches it."""
        write_logs(worker=True)
        self.state = Worker(shared=True)

    def teardown(self, worker: DaskWorker) -> None:
        """When it is told to leave: its runs are saved and interrupted, to go on elsewhere."""
        self.state.leave(LEAVE_SECONDS)


def on_worker(function: Task[T], *args: Any) -> T:
    """Call a function with the state of the worker it runs on."""
    plugin: Any = get_worker().plugins[TrainsRuns.name]
    return function(plugin.state, *args)
