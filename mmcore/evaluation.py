"""Exact losses of a whole split: sum over all examples ÷ N, never a mean of batch means."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .contexts import Ids, by_beginning
from .data import Dataset, Examples
from .model import Model

CELLS = 2**22  # log-probabilities to compute together: 16 MB


@dataclass(frozen=True)
class Losses:
    """One split's loss in nats per character, over ``examples`` characters, and the same in other units."""

    loss: float
    examples: int

    @property
    def perplexity(self) -> float:
        """exp(loss): how many equally likely characters would be as hard to guess."""
        return math.exp(self.loss) if self.loss < 700 else math.inf

    @property
    def bits_per_char(self) -> float:
        """loss ÷ ln 2."""
        return self.loss / math.log(2)


@torch.no_grad()
def pieces(model: Model, contexts: Ids) -> Iterator[tuple[Tensor, Tensor]]:
    """Places (B,) of some of the contexts (M, T), and the log-probabilities (B, V) of what comes next; in time all."""
    order = torch.from_numpy(by_beginning(contexts, model.vocab_size))  # what is read once stays in one piece
    for rows in order.split(rows_at_once(model)):
        yield rows, torch.log_softmax(model(torch.from_numpy(contexts)[rows]), 1)


def rows_at_once(model: Model) -> int:
    """Contexts to evaluate together: the architecture's number, fewer where the vocabulary is large."""
    return min(model.config.rows_at_once, max(1, CELLS // model.vocab_size))


def log_probabilities(model: Model, contexts: Ids) -> Tensor:
    """Log-probabilities (M, V) of the next character after each of a few contexts (M, T)."""
    log_p = torch.empty(len(contexts), model.vocab_size, dtype=model.flat.dtype)
    for rows, piece in pieces(model, contexts):
        log_p[rows] = piece
    return log_p


def evaluate(model: Model, examples: Examples) -> Losses:
    """The exact loss of a model on some examples, computed on their distinct contexts.

    Touches no random generator and drops no units. Sums are in float64. No examples: the loss is NaN.
    """
    counts = examples.counts
    if not counts.examples:
        return Losses(math.nan, 0)
    log_p = torch.empty(len(counts.contexts), dtype=torch.float64)
    for rows, piece in pieces(model, counts.contexts):
        times = torch.from_numpy(counts.following.dense(rows.numpy())).to(piece.dtype)
        # Row by row in float32 (exact enough for V terms), then over the M rows in float64.
        log_p[rows] = torch.linalg.vecdot(piece, times).double()
    return Losses(-log_p.sum().item() / counts.examples, counts.examples)


def evaluate_splits(model: Model, dataset: Dataset, *, test: bool) -> dict[str, float]:
    """``train_loss``, ``val_loss``, ``val_loss_unseen`` and, only if asked for, ``test_loss``, ``test_loss_unseen``.

    A split without words (no unseen ones, say) has no entry.
    """
    parts = {"train_loss": dataset.train, "val_loss": dataset.val, "val_loss_unseen": dataset.val_unseen}
    if test:
        parts |= {"test_loss": dataset.test, "test_loss_unseen": dataset.test_unseen}
    return {name: evaluate(model, examples).loss for name, examples in parts.items() if len(examples)}


def target_log_probabilities(model: Model, examples: Examples) -> NDArray[np.float64]:
    """(N,): the log-probability of what came next, for each example."""
    counts = examples.counts
    log_p = np.empty(len(counts.following.columns))
    for rows, piece in pieces(model, counts.contexts):
        which, places = counts.following.entries(rows.numpy())
        log_p[places] = piece.numpy()[which, counts.following.columns[places]]
    return np.asarray(log_p[counts.pairs])


def target_probabilities(model: Model, examples: Examples) -> NDArray[np.float64]:
    """(N,): the probability of what came next, for each example."""
    return np.exp(target_log_probabilities(model, examples))


def word_losses(model: Model, examples: Examples) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """For each word: the sum of its characters' losses (its surprisal in nats), and how many characters."""
    losses = -target_log_probabilities(model, examples)
    index, words = examples.word_index, len(examples.words)
    return np.bincount(index, losses, words).astype(np.float64), np.bincount(index, minlength=words).astype(np.int64)


def bootstrap_interval(
    sums: NDArray[np.float64], counts: NDArray[np.int64], *, level: float = 0.95, draws: int = 1_000, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of a split's loss, resampling words (not characters, which depend on each other).

    Efron (1979). ``sums`` and ``counts`` as from :func:`word_losses`. No words: the interval is NaN.
    """
    rng = np.random.default_rng(seed)
    n = len(sums)
    if not n:
        return math.nan, math.nan
    losses = np.empty(draws)
    for draw in range(draws):
        picked = rng.integers(n, size=n)
        losses[draw] = sums[picked].sum() / counts[picked].sum()
    low, high = np.quantile(losses, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
