"""Training in compiled functions: batches of contexts; loss and gradients of all but a few models; AdamW.

PyTorch's calls between matrix products take small models most of their time: each goes over the batch once more, and
costs something before it begins. Here a whole batch is one call (:mod:`mmcore.compiled.kernels`), with the same results
up to rounding. Needs Numba and what it takes matrix products from, the extra ``[compiled]``. It compiles what is first
called on a machine, in ten to thirty seconds, and keeps it on the disk.
"""

from __future__ import annotations

import importlib
from pickle import UnpicklingError
from types import ModuleType

from ..architectures.interface import ModelConfig

KEPT = "the folder that NUMBA_CACHE_DIR names, or __pycache__ beside mmcore/compiled"


def load(config: ModelConfig) -> ModuleType:
    """:mod:`mmcore.compiled.steps`, with all that a model is trained with. ``ValueError`` where it cannot be had."""
    try:
        steps = importlib.import_module(".steps", __package__)
        steps.make_ready(config)
    except ImportError as problem:
        rule = f"off without Numba, SciPy and threadpoolctl (pip install 'makemore-lab[compiled]': {problem})"
        raise ValueError(f"compiled must be {rule}, got True") from problem
    except (RuntimeError, OSError, EOFError, UnpicklingError) as problem:
        rule = f"off where Numba cannot keep or read what it compiles ({KEPT}: {problem})"
        raise ValueError(f"compiled must be {rule}, got True") from problem
    return steps
