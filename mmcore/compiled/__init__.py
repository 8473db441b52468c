"""The steps of training between matrix products, compiled: batches of contexts, an MLP's activations, loss, AdamW.

PyTorch's calls between the products take an MLP most of its time: each goes over the batch once more, and costs
something before it begins. Here each group of them is one pass (:mod:`mmcore.compiled.kernels`). Results are the same
up to rounding. Needs Numba, the extra ``[compiled]``; its kernels are compiled once on a machine, in some seconds, and
kept on its disk.
"""

from __future__ import annotations

import importlib.util

from ..fields import require


def installed() -> bool:
    """Whether Numba is there; it is not imported for that."""
    return importlib.util.find_spec("numba") is not None


def require_installed() -> None:
    """``ValueError`` where compiled steps cannot be had."""
    require(installed(), "compiled", "off where Numba is missing (pip install 'makemore-lab[compiled]')", True)
