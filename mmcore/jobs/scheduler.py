"""Who trains what is queued: processes of this machine, or the workers of a cluster that runs already."""

from __future__ import annotations

import os
from importlib.util import find_spec

from ..fields import require
from .processes import ProcessWorkers
from .queue import Workers

SCHEDULER = "MMCORE_SCHEDULER"


def scheduler_address() -> str | None:
    """``MMCORE_SCHEDULER``, the address of a Dask scheduler; ``ValueError`` for what is no address, or without Dask."""
    address = os.environ.get(SCHEDULER) or None
    known = address is None or (address.startswith(("tcp://", "tls://")) and _has_a_port(address))
    require(known, SCHEDULER, "the address of a Dask scheduler, such as tcp://host:8786", address)
    able = address is None or find_spec("distributed") is not None
    require(able, SCHEDULER, "left out unless makemore-lab[cluster] is installed", address)
    return address


def _has_a_port(address: str) -> bool:
    host, _, port = address.partition("://")[2].rpartition(":")
    return bool(host) and port.isascii() and port.isdecimal() and 0 < int(port) < 2**16


def workers_of_environment(local: ProcessWorkers | None = None) -> Workers:
    """The cluster's workers where ``MMCORE_SCHEDULER`` names one, else this machine's, made unless given."""
    address = scheduler_address()
    if address is None:
        return local or ProcessWorkers()
    from .dask import DaskWorkers

    return DaskWorkers(address)


def said(workers: Workers) -> str:
    """How many they are, and where; or why there are none."""
    if workers.problem:
        return f"no worker: {workers.problem}"
    where = f"the cluster at {workers.address}" if workers.address else "this machine"
    return f"{workers.count:,} {'worker' if workers.count == 1 else 'workers'} of {where}"
