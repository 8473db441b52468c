"""Three independent ways to a gradient, side by side: by hand, autograd, central differences."""

from __future__ import annotations

import math

import pandas as pd
import torch
from torch import Tensor

from ..architectures.interface import is_statistic
from ..backprop import Autograd, gradients_of
from ..fields import require
from ..model import Model, cross_entropy

ENTRIES = 64  # of each tensor that a gradient check nudges, where it does not nudge all
NUDGE = 1e-5  # of a central difference: its truncation and its rounding error are both near 1e-10 in float64


def trained_names(model: Model) -> list[tuple[str, Tensor]]:
    """The tensors that gradients change: running statistics have none, though the loss depends on them."""
    return [(name, tensor) for name, tensor in model.tensors.items() if not is_statistic(name)]


def gradient_check(
    model: Model, contexts: Tensor, targets: Tensor, *, entries: int | None = ENTRIES, nudge: float = NUDGE
) -> pd.DataFrame:
    """Every trained tensor's gradient in float64, three ways: by hand, by autograd, and by central differences.

    ``(loss(w + ε) − loss(w − ε)) / 2ε`` for ``entries`` numbers of each tensor, the largest gradient among them
    (None: all). Columns ``tensor, shape, largest, exact, hand_autograd, nudged, autograd_numeric``: the largest
    gradient, whether the first two are equal to the bit, and the largest differences. Where a model has no gradients
    derived by hand, those two columns are None and NaN.
    """
    require(nudge > 0, "nudge", "above 0", nudge)
    require(len(contexts) > 0, "contexts", "at least one row", len(contexts))
    twin = model.copy(torch.float64)
    automatic = Autograd(twin)
    automatic(contexts, targets)
    hand = gradients_of(twin, len(contexts))  # as training uses them where nothing is compiled
    by_hand = not isinstance(hand, Autograd)
    if by_hand:
        hand(contexts, targets)
    rows = []
    for name, weights in trained_names(twin):
        gradient = automatic.gradients[name]
        ids = _entries(gradient, entries)
        numeric = _central_differences(twin, contexts, targets, weights, ids, nudge)
        row: dict[str, object] = {"tensor": name, "shape": " × ".join(map(str, gradient.shape))}
        row |= {"largest": gradient.abs().max().item(), "exact": None, "hand_autograd": math.nan, "nudged": len(ids)}
        if by_hand:
            row["exact"] = torch.equal(hand.gradients[name], gradient)
            row["hand_autograd"] = (hand.gradients[name] - gradient).abs().max().item()
        rows.append(row | {"autograd_numeric": (numeric - gradient.flatten()[ids]).abs().max().item()})
    return pd.DataFrame(rows)


def _entries(gradient: Tensor, count: int | None) -> Tensor:
    """Which entries to nudge: all, or the largest half and the rest evenly spaced."""
    size = gradient.numel()
    if count is None or count >= size:
        return torch.arange(size)
    largest = gradient.abs().flatten().topk((count + 1) // 2).indices
    ids: Tensor = torch.cat([largest, torch.linspace(0, size - 1, count // 2).long()]).unique()
    return ids


@torch.no_grad()
def _central_differences(
    model: Model, contexts: Tensor, targets: Tensor, weights: Tensor, ids: Tensor, nudge: float
) -> Tensor:
    flat, numeric = weights.view(-1), torch.empty(len(ids), dtype=torch.float64)
    for row, i in enumerate(ids.tolist()):
        kept = flat[i].item()
        losses = []
        for shifted in (kept + nudge, kept - nudge):
            flat[i] = shifted
            losses.append(cross_entropy(model(contexts), targets).item())
        flat[i] = kept
        numeric[row] = (losses[0] - losses[1]) / (2 * nudge)
    return numeric
