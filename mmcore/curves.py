"""Curves of several runs on the same axes: what a step costs in examples, and curves made smooth."""

from __future__ import annotations

import pandas as pd

from .config import TrainConfig
from .fields import require

COUNTED = {"examples": "examples", "contexts": "contexts", "words": "words"}
"""What a batch is counted in, by where it comes from (:attr:`TrainConfig.sampler`)."""


def seen(steps: pd.Series[int], train: TrainConfig) -> pd.Series[int]:
    """How many examples, contexts or words training had drawn by each step, with repetitions."""
    return steps * train.batch_size


def smoothed(values: pd.Series[float], half_life: float) -> pd.Series[float]:
    """Exponential moving average in which a value counts half as much after `half_life` further measured ones.

    The average of the first few values is over those alone, so the line starts where the curve does; 0 changes nothing.
    """
    require(half_life >= 0, "half_life", "at least 0 points", half_life)
    if half_life == 0:
        return values
    return values.ewm(halflife=half_life, ignore_na=True).mean().where(values.notna())
