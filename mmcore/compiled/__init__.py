"""Training in compiled functions: batches of contexts; loss and gradients of MLPs and recurrent networks; AdamW.

PyTorch's calls between matrix products take small models most of their time: each goes over the batch once more, and
costs something before it begins. Here a whole batch is one call (:mod:`mmcore.compiled.kernels`,
:mod:`mmcore.compiled.recurrent`), with the same results up to rounding. Needs Numba, the extra ``[compiled]``. It
compiles what is first called on a machine, in some ten seconds, and keeps it on the disk.
"""

from __future__ import annotations

import importlib.util
from types import ModuleType

from ..fields import require


def installed() -> bool:
    """Whether Numba is there; it is not imported for that."""
    return importlib.util.find_spec("numba") is not None


def load() -> ModuleType:
    """:mod:`mmcore.compiled.steps`. ``ValueError`` where it cannot be had."""
    require(installed(), "compiled", "off where Numba is missing (pip install 'makemore-lab[compiled]')", True)
    try:
        return importlib.import_module(".steps", __package__)
    except RuntimeError as problem:  # Numba's, of no folder that can be written
        rule = f"off where Numba cannot keep what it compiles, or NUMBA_CACHE_DIR a folder for it ({problem})"
        raise ValueError(f"compiled must be {rule}, got True") from problem
