"""Weights along the way: at which steps a run keeps them, what is kept, and a model from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .fields import require

if TYPE_CHECKING:
    from .model import Model

COUNT = 40  # that a run keeps
MAX_BYTES = 4 * 2**20  # of them together; large models keep fewer
FLOAT = np.dtype("<f4")


@dataclass(frozen=True)
class TensorUpdate:
    """What one update did to one tensor; the lecture series' part 3 plots ``ratio`` as ``ud``."""

    ratio: float  # std of the update ÷ std of the tensor after it; NaN where all its numbers are equal
    gradient_mean: float
    gradient_std: float


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A run's weights at one step, and the update that led there."""

    step: int
    weights: bytes = field(repr=False)  # float32 in the layout of Model.flat
    updates: Mapping[str, TensorUpdate] = field(default_factory=dict, repr=False)  # by tensor; none at step 0


def checkpoint_steps(max_steps: int, count: int = COUNT) -> tuple[int, ...]:
    """At most ``count`` steps from 0 to ``max_steps``, both included, evenly spaced on a logarithmic axis.

    Early steps are dense, because that is when a model changes most. Below 2 there are none: what a run ends with is
    kept in any case.
    """
    require(max_steps >= 1, "max_steps", "at least 1", max_steps)
    if count < 2:
        return ()
    if max_steps < count:
        return tuple(range(max_steps + 1))
    steps: tuple[int, ...] = (0, max_steps)
    for points in range(count, 4 * count):  # rounding makes the first ones equal, so more points are tried
        rounded = np.unique(np.rint(np.geomspace(1, max_steps + 1, points)).astype(np.int64) - 1)
        if len(rounded) > count:
            break
        steps = tuple(rounded.tolist())
    return steps


def affordable(parameters: int, count: int = COUNT, limit: int = MAX_BYTES) -> int:
    """How many of ``count`` checkpoints of so many float32 numbers fit into ``limit`` bytes."""
    return min(count, limit // (FLOAT.itemsize * parameters))


def weights_of(model: Model) -> bytes:
    """A model's numbers as :class:`Checkpoint` keeps them."""
    return model.flat.numpy().astype(FLOAT, copy=False).tobytes()


def restore(model: Model, checkpoint: Checkpoint) -> Model:
    """A model like ``model`` with the weights of a checkpoint; ``ValueError`` if they do not fit or are not finite."""
    import torch

    size, got = FLOAT.itemsize * model.flat.numel(), len(checkpoint.weights)
    require(got == size, "checkpoint", f"{size:,} bytes of float32 for this model", f"{got:,} bytes")
    numbers = np.frombuffer(checkpoint.weights, FLOAT).astype(np.float32)  # a copy: bytes cannot be written to
    require(bool(np.isfinite(numbers).all()), "checkpoint", "finite numbers", f"others at step {checkpoint.step:,}")
    twin = model.copy(torch.float32)
    twin.flat.copy_(torch.from_numpy(numbers))
    return twin
