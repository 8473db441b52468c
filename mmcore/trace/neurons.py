"""What hidden units do over many examples, and over the checkpoints of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..architectures.interface import is_statistic
from ..architectures.layers import activate
from ..backprop import Autograd
from ..fields import require
from ..model import Model
from .example import perceptron

SATURATED = 0.97  # |tanh| beyond it passes back less than 6 % of a gradient: 1 − 0.97² = 0.0591
DECADES = 8.0  # of gradients that a histogram tells apart


@dataclass(frozen=True)
class Neurons:
    """What one hidden layer does on some examples."""

    sums: NDArray[np.floating]  # z, (B, H)
    outputs: NDArray[np.floating]  # h, (B, H)
    activation: str

    @property
    def unit_saturation(self) -> NDArray[np.float64]:
        """(H,): on which share of the examples each unit is stuck: |h| > 0.97 for tanh, h = 0 for ReLU."""
        stuck = np.abs(self.outputs) > SATURATED if self.activation == "tanh" else self.outputs <= 0
        return np.asarray(stuck.mean(axis=0), dtype=np.float64)

    @property
    def saturated(self) -> float:
        """The share over all units and examples."""
        return float(self.unit_saturation.mean())

    @property
    def reach(self) -> float:
        """The |z| that 99.9 % of the pre-activations do not exceed."""
        return float(np.quantile(np.abs(self.sums), 0.999))

    @property
    def dead(self) -> NDArray[np.int64]:
        """The units stuck on every example: next to no gradient reaches their weights."""
        return np.flatnonzero(self.unit_saturation == 1)


@torch.no_grad()
def neuron_report(model: Model, contexts: NDArray[np.int64], layer: int = 1) -> Neurons:
    """Pre-activations and outputs of a hidden layer (counted from 1) on (B, T) contexts; nothing is dropped."""
    config = perceptron(model)
    require(1 <= layer < config.output, "layer", f"a hidden layer from 1 to {config.output - 1}", layer)
    require(len(contexts) > 0, "contexts", "at least one row", len(contexts))
    p = model.tensors
    h = p["C"][torch.from_numpy(contexts)].flatten(1)
    for number in range(1, layer + 1):
        z = h @ p[f"W{number}"] + p[f"b{number}"]
        h = activate(config.activation, z)
    return Neurons(z.numpy(), h.numpy(), config.activation)


@dataclass(frozen=True)
class Histograms:
    """How some numbers are spread at each of F checkpoints: shares (F, bins) of them between edges (bins + 1,)."""

    shares: NDArray[np.float64]
    edges: NDArray[np.float64]


@dataclass(frozen=True)
class NeuronHistory:
    """What one hidden layer did on the same examples at each of F checkpoints."""

    sums: Histograms  # z; the few beyond the outer edges count to the outer bins
    outputs: Histograms  # h
    saturated: NDArray[np.float64]  # (F,) share of the outputs
    dead: NDArray[np.float64]  # (F,) share of the units


def neuron_history(
    models: Sequence[Model], contexts: NDArray[np.int64], layer: int = 1, bins: int = 50
) -> NeuronHistory:
    """:func:`neuron_report` of one model at several checkpoints, with bins that fit all of them."""
    require(len(models) > 0, "models", "at least one", len(models))
    reports = [neuron_report(model, contexts, layer) for model in models]
    reach = max(report.reach for report in reports) or 1.0
    tanh = reports[0].activation == "tanh"
    top = 1.0 if tanh else max(float(report.outputs.max()) for report in reports) or 1.0
    return NeuronHistory(
        _histograms([report.sums for report in reports], -reach, reach, bins),
        _histograms([report.outputs for report in reports], -1.0 if tanh else 0.0, top, bins),
        np.array([report.saturated for report in reports]),
        np.array([len(report.dead) / report.outputs.shape[1] for report in reports]),
    )


def gradient_history(
    models: Sequence[Model], contexts: Tensor, targets: Tensor, bins: int = 50
) -> dict[str, Histograms]:
    """How large each tensor's gradients on one batch were at several checkpoints: histograms of log₁₀ |gradient|.

    The bins of a tensor span :data:`DECADES` powers of ten below its largest gradient; what is smaller, 0 included,
    counts to the lowest.
    """
    require(len(models) > 0, "models", "at least one", len(models))
    sizes: dict[str, list[NDArray[np.floating]]] = {}
    for model in models:
        automatic = Autograd(model)
        automatic(contexts, targets)
        for name, gradient in automatic.gradients.items():
            if not is_statistic(name):
                tiny = gradient.abs().clamp_min(torch.finfo(gradient.dtype).tiny)
                sizes.setdefault(name, []).append(tiny.log10().numpy())
    tops = {name: max(float(size.max()) for size in found) for name, found in sizes.items()}
    return {name: _histograms(found, tops[name] - DECADES, tops[name], bins) for name, found in sizes.items()}


def _histograms(arrays: Sequence[NDArray[np.floating]], low: float, high: float, bins: int) -> Histograms:
    counts = [torch.histc(torch.from_numpy(values).clamp(low, high), bins, low, high).numpy() for values in arrays]
    shares = np.stack([count / values.size for count, values in zip(counts, arrays, strict=True)])
    return Histograms(shares.astype(np.float64), np.linspace(low, high, bins + 1))
