"""A Dask scheduler and two workers on this machine, as a user would start them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmcore import BUNDLED_NAMES, RunStore, read_words
from tests.waiting import PATIENCE

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
        self.workers: list[subprocess.Popen[bytes]] = []

    def dask(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "cluster.log").open("a") as log:
            command = [sys.executable, "-m", "dask", *arguments]
            return subprocess.Popen(command, env=os.environ | SETTINGS, stdout=log, stderr=log)

    def start_scheduler(self) -> None:
        where = ("--host", "127.0.0.1", "--port", str(self.port))
        self.scheduler = self.dask("scheduler", *where, "--no-dashboard")

    def start_worker(self, threads: int = 1) -> None:
        one = ("--nthreads", str(threads), "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder))
        self.workers.append(self.dask("worker", self.address, *one))

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.terminate()
        for process in (*self.workers, self.scheduler):
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    started = Cluster(tmp_path)
    started.start_scheduler()
    try:
        for _ in range(2):
            started.start_worker()
        yield started
    finally:
        started.stop()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    opened = RunStore(str(tmp_path / "store.sqlite"))
    opened.add_corpus(read_words(BUNDLED_NAMES))
    yield opened
    opened.close()
