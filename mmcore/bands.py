"""Several curves as one: their mean, and how far they are apart."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def band(histories: Sequence[pd.DataFrame], loss: str = "val_loss") -> pd.DataFrame:
    """Mean, lowest and highest of several curves at each step that all of them have measured.

    Columns ``step, mean, low, high``. Steps that only some have (one stopped early, or its curve was thinned) are left
    out: the mean would jump where a curve ends.
    """
    curves = [history.dropna(subset=[loss]).set_index("step")[loss] for history in histories]
    if not curves:
        return pd.DataFrame(columns=["step", "mean", "low", "high"])
    table = pd.concat(curves, axis=1, join="inner").sort_index()
    found = pd.DataFrame({"mean": table.mean(axis=1), "low": table.min(axis=1), "high": table.max(axis=1)})
    return found.rename_axis("step").reset_index()
