"""Count models: what a network has to beat."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .contexts import rank
from .dataset import Dataset, Examples

LONGEST = 4  # order of the count models that a network is compared with; longer contexts are rare in short words
ORDERS = (1, 2, 3, 4, 5)  # of count models beside a network, or mixed with it
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
        self.smoothing, self.vocab_size = smoothing, examples.vocab_size
        self._pairs, self._counts = self._counted(examples)
        self._totals = np.bincount(self._pairs // self.vocab_size, self._counts, self.vocab_size**order)

    def _counted(self, examples: Examples) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The pairs (last character, or 0; next character) that occur, as sorted keys, and how often."""
        counted, size = examples.counts, examples.vocab_size
        before = counted.contexts[:, -1] * size if self.order else np.zeros(len(counted.contexts), dtype=np.int64)
        keys = np.repeat(before, np.diff(counted.following.starts)) + counted.following.columns
        pairs, places = np.unique(keys, return_inverse=True)
        return pairs, np.bincount(places, counted.following.values).astype(np.float64)

    def distribution(self, contexts: NDArray[np.int64]) -> NDArray[np.float64]:
        """(M, V): of every character after each context (M, T)."""
        before = contexts[:, -1] if self.order else np.zeros(len(contexts), dtype=np.int64)
        places, found = _look_up(self._pairs, before[:, None] * self.vocab_size + np.arange(self.vocab_size))
        counts = np.where(found, self._counts[places], 0) + self.smoothing
        p: NDArray[np.float64] = counts / (self._totals[before] + self.smoothing * self.vocab_size)[:, None]
        return p

    def right_at(self) -> NDArray[np.float64]:
        """(V,): how many times each of its guesses, the likeliest first, is right on what it has counted."""
        before = self._pairs // self.vocab_size
        order = np.lexsort((-self._counts, before))
        starts = np.searchsorted(before, before)  # of each pair's own character
        return np.bincount(np.arange(len(before)) - starts, self._counts[order], self.vocab_size).astype(np.float64)

    def loss(self, examples: Examples) -> float:
        """Exact mean negative log-likelihood, nats per character."""
        pairs, times = self._counted(examples)
        places, found = _look_up(self._pairs, pairs)
        counts = np.where(found, self._counts[places], 0) + self.smoothing
        p = counts / (self._totals[pairs // self.vocab_size] + self.smoothing * self.vocab_size)
        return float(-(times * np.log(p)).sum() / times.sum())


def baselines(dataset: Dataset) -> pd.DataFrame:
    """Reference losses fitted on train: columns ``model, train_loss, val_loss``, hardest to beat last."""
    rows: list[dict[str, object]] = []
    uniform = uniform_loss(dataset.vocab.size)
    rows.append({"model": "uniform", "train_loss": uniform, "val_loss": uniform})
    for order, name in enumerate(("unigram", "bigram")):
        model = NGram(dataset.train, order)
        rows.append({"model": name, "train_loss": model.loss(dataset.train), "val_loss": model.loss(dataset.val)})
    return pd.DataFrame(rows)


class KneserNey:
    """Interpolated Kneser-Ney: the counts of ``order`` preceding characters, each order backed by the next shorter.

    ``p_k(w | c) = max(n(c, w) − d_k, 0) / n(c) + d_k · t(c) / n(c) · p_{k−1}(w | c without its first character)``,
    with t(c) the number of distinct characters after c, and 1 / V below order 0 (Kneser & Ney 1995; Chen & Goodman
    1999, section 4.1.6). The longest order counts occurrences; a shorter one counts in how many different contexts
    a pair occurs. At the start of a word nothing can stand before, so such contexts count occurrences at every order,
    and of several boundaries one is looked at. The discount is d = n₁ / (n₁ + 2 n₂), of the pairs counted once and
    twice (Ney, Essen & Kneser 1994), or ½ where that is 0 or 1.

    Parameters
    ----------
    examples : to count, with a context size of at least ``order``
    order : preceding characters, 0 (unigram) to 20
    """

    def __init__(self, examples: Examples, order: int) -> None:
        if not 0 <= order <= 20:
            raise ValueError(f"order must be from 0 to 20, got {order}")
        self._check(examples, order)
        self.order, self.vocab_size = order, examples.vocab_size
        self._levels: list[_Level] = []
        parents = np.zeros(len(examples), dtype=np.int64)
        contexts = [parents]
        self._links: list[NDArray[np.int64]] = []  # of each order: the sorted keys (shorter context, character)
        size = 1  # how many different contexts there are of the order below
        for k in range(1, order + 1):
            keys = parents * self.vocab_size + examples.contexts[:, -k]
            link, parents = rank(keys, size * self.vocab_size)
            size = len(link)
            self._links.append(link)
            contexts.append(parents)
        for k in range(order + 1):
            longer = contexts[k + 1] if k < order else None
            self._levels.append(_Level.count(examples, k, contexts[k], longer))

    @staticmethod
    def _check(examples: Examples, order: int) -> None:
        if examples.context_size < order:
            raise ValueError(f"context_size must be at least the order, {order}, got {examples.context_size}")

    def probability(self, contexts: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of each target (N,) after its context (N, T)."""
        p = np.full(len(targets), 1 / self.vocab_size)
        ids, known = np.zeros(len(targets), dtype=np.int64), np.ones(len(targets), dtype=bool)
        for k, level in enumerate(self._levels):
            if k:
                keys = ids * self.vocab_size + contexts[:, -k]
                ids, found = _look_up(self._links[k - 1], keys)
                known &= found & _whole(contexts, k)
            p = np.where(known, level.mix(ids, targets, self.vocab_size, p), p)
        return p

    def distribution(self, contexts: NDArray[np.int64]) -> NDArray[np.float64]:
        """(M, V): of every character after each context (M, T)."""
        symbols = np.tile(np.arange(self.vocab_size), len(contexts))
        repeated = np.repeat(contexts, self.vocab_size, axis=0)
        return self.probability(repeated, symbols).reshape(len(contexts), self.vocab_size)

    def loss(self, examples: Examples) -> float:
        """Exact mean negative log-likelihood, nats per character."""
        self._check(examples, self.order)
        return float(-np.log(self.probability(examples.contexts, examples.targets)).mean())


def _whole(contexts: NDArray[np.int64], order: int) -> NDArray[np.bool_]:
    """(N,): whether the last ``order`` characters hold no boundary but, perhaps, the first of them."""
    return contexts[:, -(order - 1)] != 0 if order > 1 else np.ones(len(contexts), dtype=bool)


def _look_up(table: NDArray[np.int64], keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The places of keys in a sorted table, and whether each is there at all."""
    if not len(table):
        return np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys), dtype=bool)
    places = np.minimum(np.searchsorted(table, keys), len(table) - 1)
    return places, table[places] == keys


@dataclass(frozen=True)
class _Level:
    """One order's counts: of pairs (context, character) by sorted key, and of contexts."""

    pairs: NDArray[np.int64]
    counts: NDArray[np.float64]
    totals: NDArray[np.float64]  # n(c)
    types: NDArray[np.float64]  # t(c)
    discount: float

    @classmethod
    def count(
        cls, examples: Examples, order: int, contexts: NDArray[np.int64], longer: NDArray[np.int64] | None
    ) -> _Level:
        """Count occurrences, or distinct longer contexts where there are longer ones and something stands before."""
        vocab_size, rows = examples.vocab_size, np.flatnonzero(_whole(examples.contexts, order))
        size, targets = int(contexts.max(initial=0)) + 1, examples.targets[rows]
        pairs, inverse = rank(contexts[rows] * vocab_size + targets, size * vocab_size)
        counts = np.bincount(inverse, minlength=len(pairs)).astype(np.float64)
        if longer is not None:
            keys = longer[rows] * vocab_size + targets
            found, ranks = rank(keys, (int(longer.max(initial=0)) + 1) * vocab_size)
            shorter = np.empty(len(found), dtype=np.int64)
            shorter[ranks] = inverse  # of each longer pair the one that it ends with, whichever example says so
            distinct = np.bincount(shorter, minlength=len(pairs)).astype(np.float64)
            at_start = np.zeros(len(pairs), dtype=bool)
            if order:
                at_start[inverse[examples.contexts[rows, -order] == 0]] = True
            counts = np.where(at_start, counts, distinct)
        of = pairs // vocab_size
        totals = np.bincount(of, counts, size).astype(np.float64)
        types = np.bincount(of, minlength=size).astype(np.float64)
        once, twice = (int((counts == n).sum()) for n in (1, 2))
        return cls(pairs, counts, totals, types, once / (once + 2 * twice) if once and twice else 0.5)

    def mix(
        self, contexts: NDArray[np.int64], targets: NDArray[np.int64], vocab_size: int, shorter: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """This order's probabilities, given those of the order below; meaningless for contexts it does not know."""
        if not len(self.pairs):  # no word is as long as this order
            return shorter
        places, found = _look_up(self.pairs, contexts * vocab_size + targets)
        counted = np.where(found, np.maximum(self.counts[places] - self.discount, 0), 0)
        totals = np.maximum(self.totals[contexts], 1)
        return (counted + self.discount * self.types[contexts] * shorter) / totals


def kneser_ney_table(train: Examples, val: Examples, orders: Sequence[int] = ORDERS) -> pd.DataFrame:
    """Losses of the count models of some orders, fitted on train: columns ``order, train_loss, val_loss``."""
    models = [KneserNey(train, order) for order in orders]
    rows = [{"order": m.order, "train_loss": m.loss(train), "val_loss": m.loss(val)} for m in models]
    return pd.DataFrame(rows)


def counting_loss(train: Examples, val: Examples, longest: int = LONGEST) -> float:
    """The lowest validation loss of Kneser-Ney models that look no further than the examples' contexts reach."""
    longest = min(longest, train.context_size)
    return min(KneserNey(train, order).loss(val) for order in range(1, longest + 1))
