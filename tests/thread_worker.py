"""A worker in threads of the tests' process."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from mmcore.jobs import Worker
from mmcore.jobs.worker import T, Task


class ThreadWorker:
    """An executor with so many threads and one worker."""

    def __init__(self, threads: int = 1) -> None:
        self.worker = Worker(shared=True)
        self._pool = ThreadPoolExecutor(threads)

    def submit(self, function: Task[T], /, *args: object) -> Future[T]:
        return self._pool.submit(function, self.worker, *args)

    def shutdown(self, wait: bool = True) -> None:
        self._pool.shutdown(wait, cancel_futures=True)
