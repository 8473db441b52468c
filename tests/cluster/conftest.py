"""A Dask scheduler and two workers on this machine, as a user would start them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from mmcore import BUNDLED_NAMES, RunStore, read_words

pytest.importorskip("distributed", reason="needs the extra [cluster]")

SETTINGS = {
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",  # no run is begun a second time by the cluster itself
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}


class Cluster:
    """Processes that can be ended and started again one by one."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder, self.address = folder, f"tcp://127.0.0.1:{self.port}"
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []
        self.leaving: list[subprocess.Popen[bytes]] = []  # told to end, and perhaps still at it
        self.threads: dict[int, int] = {}  # of each worker, by its pid

    def dask(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "cluster.log").open("a") as log:
            command = [sys.executable, "-m", "dask", *arguments]
            return subprocess.Popen(command, env=os.environ | SETTINGS, stdout=log, stderr=log)

    def start_scheduler(self) -> None:
        where = ("--host", "127.0.0.1", "--port", str(self.port), "--dashboard-address", "127.0.0.1:0")
        self.scheduler = self.dask("scheduler", *where, "--no-dashboard")

    def start_worker(self, threads: int = 1) -> None:
        one = ("--nthreads", str(threads), "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder))
        started = self.dask("worker", self.address, *one)
        self.workers.append(started)
        self.threads[started.pid] = threads

    def dismiss(self, process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
        self.workers.remove(process)
        self.leaving.append(process)
        process.send_signal(how)

    def kill_scheduler(self) -> None:
        """Its workers leave with it."""
        assert self.scheduler
        self.scheduler.kill()
        self.scheduler.wait()
        self.leaving += self.workers
        self.workers = []

    def have_two_workers(self) -> None:
        """With one thread each, and a scheduler: those that are there, and others for those that are not."""
        if self.scheduler is None or self.scheduler.poll() is not None:
            self.start_scheduler()
        wanted = [one for one in self.workers if one.poll() is None and self.threads[one.pid] == 1][:2]
        end([*self.leaving, *(one for one in self.workers if one not in wanted)])
        self.workers, self.leaving = wanted, []
        for _ in range(2 - len(wanted)):
            self.start_worker()

    def stop(self) -> None:
        end([*self.workers, *self.leaving])
        if self.scheduler is not None:
            end([self.scheduler])


def end(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """As a terminal would end them, and those that do not heed it by force."""
    ending = list(processes)
    for process in ending:
        process.terminate()
    for process in ending:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
def cluster(processes: Cluster) -> Cluster:
    """A scheduler and two workers with a thread each, started once for all tests; what one has ended is there again."""
    processes.have_two_workers()
    return processes


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    opened = RunStore(str(tmp_path / "store.sqlite"))
    opened.add_corpus(read_words(BUNDLED_NAMES))
    yield opened
    opened.close()
