"""Several curves as one: their mean, and how far they are apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

MAX_POINTS = 200  # of a band


def band(histories: Sequence[pd.DataFrame], loss: str = "val_loss") -> pd.DataFrame:
    """Mean, lowest and highest of several curves at the steps at which any of them was measured.

    Columns ``step, mean, low, high``; at most :data:`MAX_POINTS` rows. Runs measure when it is time to, so that each
    has steps of its own: between two of them a curve is taken as straight. Steps beyond the end of a curve are left
    out, as the mean would jump there.
    """
    curves = [history.dropna(subset=[loss]).sort_values("step") for history in histories]
    if not curves or any(curve.empty for curve in curves):
        return pd.DataFrame(columns=["step", "mean", "low", "high"])
    first, last = max(curve.step.iloc[0] for curve in curves), min(curve.step.iloc[-1] for curve in curves)
    every = np.unique(np.concatenate([curve["step"].to_numpy() for curve in curves]))
    inside = every[(every >= first) & (every <= last)]
    evenly = np.linspace(0, len(inside) - 1, min(MAX_POINTS, len(inside)))
    steps = inside[evenly.round().astype(int)]  # the first and the last included
    values = np.array([np.interp(steps, curve["step"], curve[loss]) for curve in curves])
    found = {"step": steps, "mean": values.mean(axis=0), "low": values.min(axis=0), "high": values.max(axis=0)}
    return pd.DataFrame(found)
