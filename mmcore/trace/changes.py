"""What a small change makes of an example: other logits, a unit switched off, a constant added before the softmax."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..fields import require
from ..model import Model
from .example import perceptron


def shifted(model: Model, tensor: str, index: Sequence[int], delta: float) -> Model:
    """A copy with ``delta`` added to one number of one tensor."""
    require(tensor in model.tensors, "tensor", "one of " + ", ".join(model.tensors), tensor)
    shape = tuple(model.tensors[tensor].shape)
    fits = len(index) == len(shape) and all(0 <= at < size for at, size in zip(index, shape, strict=True))
    require(fits, "index", f"a place in {tensor}, of shape {shape}", tuple(index))
    require(math.isfinite(delta), "delta", "a finite number", delta)
    twin = model.copy()
    twin.tensors[tensor][tuple(index)] += delta
    return twin


def without_unit(model: Model, layer: int, unit: int) -> Model:
    """A copy with one hidden unit switched off: nothing it says reaches the next layer."""
    sizes = perceptron(model).hidden_sizes
    require(1 <= layer <= len(sizes), "layer", f"a hidden layer from 1 to {len(sizes)}", layer)
    require(0 <= unit < sizes[layer - 1], "unit", f"from 0 to {sizes[layer - 1] - 1}", unit)
    twin = model.copy()
    twin.tensors[f"W{layer + 1}"][unit] = 0
    return twin


def stable_softmax_demo(logits: NDArray[np.floating], target: int, scales: Sequence[float]) -> pd.DataFrame:
    """The loss from ``logits · scale`` in float32, two ways that are the same on paper.

    ``naive``: −ln(exp(l_target) / Σ exp(l)). ``stable``: log-sum-exp with the maximum taken off first,
    ln Σ exp(l − max) + max − l_target. Columns ``scale, largest, naive, stable``; where exp overflows (its argument
    is above 88.72) or a probability underflows to 0, naive is not a number or infinite.
    """
    rows = []
    for scale in scales:
        scaled = (np.asarray(logits, dtype=np.float64) * scale).astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            powers = np.exp(scaled)
            naive = -np.log(powers[target] / powers.sum())
        top = scaled.max()
        stable = np.log(np.exp(scaled - top).sum()) + top - scaled[target]
        rows.append({"scale": scale, "largest": float(top), "naive": float(naive), "stable": float(stable)})
    return pd.DataFrame(rows)
