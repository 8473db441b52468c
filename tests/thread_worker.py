"""Workers in threads of the tests' process, where the app has processes."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from mmcore.jobs import Worker, WorkerExecutor
from mmcore.jobs.worker import T, Task


class ThreadWorker:
    """An executor with so many threads and one worker."""

    def __init__(self, threads: int = 1, worker: Worker | None = None) -> None:
        self.worker = worker or Worker(shared=True)
        self._pool = ThreadPoolExecutor(threads)

    def submit(self, function: Task[T], /, *args: object) -> Future[T]:
        return self._pool.submit(function, self.worker, *args)

    def shutdown(self, wait: bool = True) -> None:
        self._pool.shutdown(wait, cancel_futures=True)


class ThreadWorkers:
    """Gives a queue executors that train several runs in this process; ``count`` may be set at any time."""

    def __init__(self, count: int) -> None:
        self.count, self.worker = count, Worker(shared=True)
        self.given: list[WorkerExecutor] = []

    def start(self, store_url: str) -> None:
        pass

    def executor(self) -> WorkerExecutor:
        self.given.append(ThreadWorker(worker=self.worker))
        return self.given[-1]

    def close(self) -> None:
        self.worker.leave(seconds=30)
        for executor in self.given:
            executor.shutdown()
