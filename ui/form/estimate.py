"""What the settings in the form will cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from mmcore.architectures.interface import ModelConfig
from mmcore.config import RunConfig
from mmcore.cost import Cost, amount
from mmcore.store import Run


def room(cost: Cost) -> str:
    """What a run needs beside time, in a few words."""
    return f"about {amount(cost.memory, 2)} of memory, {amount(cost.stored, 2)} in the store"


def parameter_table(config: ModelConfig, vocab_size: int) -> pd.DataFrame:
    """Columns ``Tensor, Shape, Parameters``, a row a tensor."""
    rows = [(name, " × ".join(map(str, shape)), math.prod(shape)) for name, shape in config.shapes(vocab_size).items()]
    return pd.DataFrame(rows, columns=["Tensor", "Shape", "Parameters"])


def finished_runs(runs: Sequence[Run]) -> list[tuple[RunConfig, int, float]]:
    """What :func:`expected_time` learns from: the newest runs that are over."""
    return [(run.config, run.step, run.seconds) for run in runs if run.ended is not None][:20]
