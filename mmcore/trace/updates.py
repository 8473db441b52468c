"""What one update does to a loss, and how large updates are beside the values they change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..backprop import Autograd
from ..fields import require
from ..model import Model, cross_entropy
from .gradient_check import trained_names


@dataclass(frozen=True)
class Update:
    """One step of gradient descent on a batch: what it did to that batch's loss, and what the gradient predicts."""

    before: float
    after: float
    gradient_norm: float
    learning_rate: float
    p_before: NDArray[np.floating]  # (V,) mean probability of each next character
    p_after: NDArray[np.floating]

    @property
    def predicted(self) -> float:
        """The change of loss to first order, −η‖g‖²: right for a small step, and only for one."""
        return -self.learning_rate * self.gradient_norm**2


def one_update(model: Model, contexts: Tensor, targets: Tensor, learning_rate: float) -> Update:
    """``w ← w − η·gradient`` on a float64 copy of the model; the model itself stays as it is."""
    require(0 < learning_rate <= 1e6, "learning_rate", "above 0 and at most 1,000,000", learning_rate)
    twin = model.copy(torch.float64)
    automatic = Autograd(twin)
    before = automatic(contexts, targets)
    with torch.no_grad():
        p_before = twin(contexts).softmax(1).mean(0).numpy()
        twin.flat.sub_(automatic.gradient, alpha=learning_rate)
        logits = twin(contexts)
        after, p_after = cross_entropy(logits, targets).item(), logits.softmax(1).mean(0).numpy()
    return Update(before, after, automatic.gradient.norm().item(), learning_rate, p_before, p_after)


def update_ratios(model: Model, contexts: Tensor, targets: Tensor, learning_rate: float) -> pd.DataFrame:
    """How large one step of gradient descent is beside what it changes, for each trained tensor.

    Columns ``tensor, weights, gradient, ratio``: standard deviations, and η·std(gradient) / std(weights). The lecture's
    rule of thumb wants it near 10⁻³. NaN where all weights are equal, as biases that start at 0 are.
    """
    twin = model.copy(torch.float64)
    automatic = Autograd(twin)
    automatic(contexts, targets)
    rows = []
    for name, weights in trained_names(twin):
        spread, slope = (part.std(correction=0).item() for part in (weights, automatic.gradients[name]))
        ratio = learning_rate * slope / spread if spread else math.nan
        rows.append({"tensor": name, "weights": spread, "gradient": slope, "ratio": ratio})
    return pd.DataFrame(rows)


@torch.no_grad()
def losses_along_gradient(
    model: Model, contexts: Tensor, targets: Tensor, rates: Sequence[float]
) -> NDArray[np.float64]:
    """The batch's loss after one update from the same weights, for each learning rate."""
    twin = model.copy(torch.float64)
    automatic, start = Autograd(twin), twin.flat.clone()
    with torch.enable_grad():
        automatic(contexts, targets)
    losses = []
    for rate in rates:
        torch.sub(start, automatic.gradient, alpha=rate, out=twin.flat)
        losses.append(cross_entropy(twin(contexts), targets).item())
    return np.array(losses)
