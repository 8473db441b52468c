"""Training runs that wait in the store: in this process (:func:`run_inline`) or on workers (:class:`JobQueue`).

The queue is the store's rows in state *queued*; executors only place work. Every core gets an executor with one
warm, niced, single-threaded worker process, so that a worker's death breaks no other's run. Workers watch a pipe
whose other end only the server holds: when the server goes, however it goes, they save, mark their run
interrupted and leave. Nothing here imports Streamlit, and torch only where it trains.
"""

from __future__ import annotations

from .execution import execute as execute
from .execution import run_inline as run_inline
from .queue import WORKERS as WORKERS
from .queue import JobQueue as JobQueue
from .turns import Turns as Turns
from .worker import Worker as Worker
from .worker import WorkerExecutor as WorkerExecutor
