"""Count models: what a network has to beat."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .data import Dataset, Examples

SMOOTHING = 1.0  # added to every count, so that nothing is impossible (Laplace)


def uniform_loss(vocab_size: int) -> float:
    """ln V: the loss of knowing nothing, and what an untrained network should start from."""
    return math.log(vocab_size)


class NGram:
    """Next-character probabilities from the counts of ``order`` preceding characters (0: unigram, 1: bigram).

    Parameters
    ----------
    smoothing : above 0, added to every count; the lecture's bigram uses 1.
    """

    def __init__(self, examples: Examples, order: int, smoothing: float = SMOOTHING) -> None:
        if order not in (0, 1):
            raise ValueError(f"order must be 0 (unigram) or 1 (bigram), got {order}")
        if not smoothing > 0:
            raise ValueError(f"smoothing must be above 0, so that nothing is impossible, got {smoothing}")
        self.order = order
        counts = self._table(examples) + smoothing
        self.probabilities: NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)  # (V or 1, V)

    def _table(self, examples: Examples) -> NDArray[np.float64]:
        counted, vocab_size = examples.counts, examples.vocab_size
        table = np.zeros((vocab_size**self.order, vocab_size))
        rows = counted.contexts[:, -1] if self.order else np.zeros(len(counted.contexts), dtype=np.int64)
        np.add.at(table, rows, counted.counts)
        return table

    def loss(self, examples: Examples) -> float:
        """Exact mean negative log-likelihood, nats per character."""
        table = self._table(examples)
        seen = table > 0
        return float(-(table[seen] * np.log(self.probabilities[seen])).sum() / table.sum())


def baselines(dataset: Dataset) -> pd.DataFrame:
    """Reference losses fitted on train: columns ``model, train_loss, val_loss``, hardest to beat last."""
    rows: list[dict[str, object]] = []
    uniform = uniform_loss(dataset.vocab.size)
    rows.append({"model": "uniform", "train_loss": uniform, "val_loss": uniform})
    for order, name in enumerate(("unigram", "bigram")):
        model = NGram(dataset.train, order)
        rows.append({"model": name, "train_loss": model.loss(dataset.train), "val_loss": model.loss(dataset.val)})
    return pd.DataFrame(rows)
