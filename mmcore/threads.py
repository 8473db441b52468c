"""How many threads PyTorch computes with: a matter of the process, so decided by whoever owns it.

``torch.set_num_threads`` holds for the thread that calls it and for every thread that begins to compute later. Training
never calls it. A worker, a command or a benchmark does, with the ``threads`` of the config; a process that trains
several runs at once computes with one thread, so that none of them disturbs another.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Compute with so many threads, and afterwards with as many as before.

    One is best for most models here: beside busy processes a second makes small tensors many times slower.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
