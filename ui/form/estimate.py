"""What the settings in the form will cost."""

from __future__ import annotations

import math

import pandas as pd

from mmcore.architectures.interface import ModelConfig
from mmcore.cost import Cost, amount


def room(cost: Cost) -> str:
    """What a run needs beside time, in a few words."""
    return f"about {amount(cost.memory, 2)} of memory, {amount(cost.stored, 2)} in the store"


def parameter_table(config: ModelConfig, vocab_size: int) -> pd.DataFrame:
    """Columns ``Tensor, Shape, Parameters``, a row a tensor."""
    rows = [(name, " × ".join(map(str, shape)), math.prod(shape)) for name, shape in config.shapes(vocab_size).items()]
    return pd.DataFrame(rows, columns=["Tensor", "Shape", "Parameters"])
