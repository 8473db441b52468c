"""Training runs that wait in the store: in this process (:func:`run_inline`) or on workers (:class:`JobQueue`).

The queue is the store's rows in state *queued*; executors only place work, and the queue is given them: by default
processes of this machine (:class:`ProcessWorkers`), or the workers of a Dask cluster. Nothing here imports Streamlit,
and torch only where it trains.
"""

from __future__ import annotations

from .execution import execute as execute
from .execution import run_inline as run_inline
from .interrupt import ctrl_c as ctrl_c
from .processes import WORKERS as WORKERS
from .processes import ProcessWorkers as ProcessWorkers
from .queue import JobQueue as JobQueue
from .queue import Workers as Workers
from .scheduler import said as said
from .scheduler import scheduler_address as scheduler_address
from .scheduler import workers_of_environment as workers_of_environment
from .turns import Turns as Turns
from .turns import Withdrawn as Withdrawn
from .worker import Worker as Worker
from .worker import WorkerExecutor as WorkerExecutor
