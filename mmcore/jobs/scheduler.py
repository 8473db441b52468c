"""Who trains what is queued: processes of this machine, or the workers of a cluster that runs already."""

from __future__ import annotations

import os

from ..fields import require
from .processes import ProcessWorkers
from .queue import Workers

SCHEDULER = "MMCORE_SCHEDULER"


def scheduler_address() -> str | None:
    """``MMCORE_SCHEDULER``, the address of a Dask scheduler; ``ValueError`` for what is no address."""
    address = os.environ.get(SCHEDULER) or None
    known = address is None or address.startswith(("tcp://", "tls://"))
    require(known, SCHEDULER, "the address of a Dask scheduler, such as tcp://host:8786", address)
    return address


def workers_of_environment(local: ProcessWorkers | None = None) -> Workers:
    """The cluster's workers where ``MMCORE_SCHEDULER`` names one, else this machine's, made unless given."""
    address = scheduler_address()
    if address is None:
        return local or ProcessWorkers()
    from .dask import DaskWorkers

    return DaskWorkers(address)
