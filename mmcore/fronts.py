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
    each, of_cost = np.unique(points[known, 0], return_inverse=True)  # costs from the lowest on, and which of them
    best = np.full(len(each), np.inf)  # loss at each cost
    np.minimum.at(best, of_cost, points[known, 1])
    cheaper = np.minimum.accumulate(np.append(np.inf, best))[:-1]  # the lowest loss of all that cost less
    front = np.zeros(len(points), dtype=bool)
    front[known] = (points[known, 1] == best[of_cost]) & (best < cheaper)[of_cost]
    return front
