"""Which of several results nothing beats: the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def pareto(costs: Sequence[float], losses: Sequence[float]) -> NDArray[np.bool_]:
    """Which points no other beats: none is as low in both numbers and lower in one. Lower is better.

    A point with a NaN is on no front and beats nothing; of equal points all are on it.
    """
    points = np.column_stack([np.asarray(costs, dtype=np.float64), np.asarray(losses, dtype=np.float64)])
    known = ~np.isnan(points).any(axis=1)
    front, lowest = np.zeros(len(points), dtype=bool), np.inf
    for cost in np.unique(points[known, 0]):
        at_cost = known & (points[:, 0] == cost)
        best = points[at_cost, 1].min()
        if best < lowest:  # lower than all that cost less
            front |= at_cost & (points[:, 1] == best)
            lowest = best
    return front
