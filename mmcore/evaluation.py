"""Exact losses of a whole split: sum over all examples ÷ N, never a mean of batch means."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .architectures.prefix_tree import Levels, prefixes
from .architectures.sequence import SequenceConfig
from .contexts import Ids, SharedContexts, by_prefix, share
from .dataset import Dataset, Examples
from .first_layer import ByTables
from .losses import LOSSES, SHOWN
from .model import Model

CELLS = 2**20  # log-probabilities to compute together: 4 MB
WORK = 2**35  # multiplications to do together: about a second, after which someone may be asked whether to stop


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


class Pieces:
    """Contexts (M, T) cut into as many as a model, as it is now, reads at once; in an order (M,).

    Which prefixes a model that reads from left to right has to read of a piece, takes a fifth to a half of its time to
    find. They are the same whatever the weights, and kept in ``found``.
    """

    def __init__(self, model: Model, contexts: Ids, order: Ids, found: dict[Any, Any] | None = None) -> None:
        self.model, self.contexts = model, torch.from_numpy(contexts)
        self.size = rows_at_once(model)
        self.rows = torch.from_numpy(order).split(self.size)  # what is read once stays in one piece
        self.logits = ByTables(model) if ByTables.small(model) else model
        self.found = found

    @torch.no_grad()
    def log_probabilities(self, place: int) -> Tensor:
        """Of what comes next after each context of a piece: (B, V)."""
        rows = self.rows[place]
        if not isinstance(self.model.config, SequenceConfig):
            return torch.log_softmax(self.logits(self.contexts[rows]), 1)
        levels, ends = self._prefixes(place)
        return torch.log_softmax(self.model.level_logits(levels, ends=ends), 1)

    def _prefixes(self, place: int) -> tuple[Levels, Tensor]:
        rows, found = self.rows[place], self.found
        if found is None:
            return prefixes(self.contexts[rows])
        if found.get("size") != self.size:  # no more than one way to cut them is kept
            found.clear()
            found["size"] = self.size
        key = self.size, place  # another thread may cut them in its way meanwhile
        levels, ends = found[key] = found.get(key) or prefixes(self.contexts[rows])
        return levels, ends

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Which contexts a piece has (B,), and the log-probabilities (B, V)."""
        for place, rows in enumerate(self.rows):
            yield rows, self.log_probabilities(place)


def rows_at_once(model: Model) -> int:
    """Contexts to evaluate together: the architecture's number, fewer with many symbols or parameters."""
    work = math.ceil(model.config.parameters(model.vocab_size) * model.config.reuse)
    return max(1, min(model.config.rows_at_once, CELLS // model.vocab_size, WORK // work))


def log_probabilities(model: Model, contexts: Ids) -> Tensor:
    """Log-probabilities (M, V) of the next character after each of a few contexts (M, T)."""
    log_p = torch.empty(len(contexts), model.vocab_size, dtype=model.flat.dtype)
    for rows, piece in Pieces(model, contexts, by_prefix(contexts, model.vocab_size)):
        log_p[rows] = piece
    return log_p


def evaluate(model: Model, examples: Examples) -> Losses:
    """The exact loss of a model on some examples, computed on their distinct contexts.

    Touches no random generator and drops no units. Sums are in float64. No examples: the loss is NaN.
    """
    return Losses(losses_on(model, share({"loss": examples.counts}))["loss"], len(examples))


def losses_on(model: Model, shared: SharedContexts, stop: Callable[[], bool] = lambda: False) -> dict[str, float]:
    """The exact loss of each part; NaN for one without examples.

    Parameters
    ----------
    stop : asked after every piece; once it says so there are no losses
    """
    totals = dict.fromkeys(shared.following, 0.0)
    for rows, piece in Pieces(model, shared.contexts, shared.order, shared.found):
        if stop():
            return {}
        log_p = piece.numpy()
        for name, following in shared.following.items():
            which, places = following.entries(rows.numpy())
            of_examples = log_p[which, following.columns[places]].astype(np.float64)
            totals[name] += float(of_examples @ following.values[places])
    counted = {name: float(following.values.sum(dtype=np.float64)) for name, following in shared.following.items()}
    return {name: -total / counted[name] if counted[name] else math.nan for name, total in totals.items()}


def evaluate_splits(
    model: Model,
    dataset: Dataset,
    *,
    test: bool,
    known: Mapping[str, float] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, float]:
    """``train_loss``, ``val_loss``, ``val_loss_unseen`` and, only if asked for, ``test_loss``, ``test_loss_unseen``.

    A split without words (no unseen ones, say) has no entry.

    Parameters
    ----------
    known : losses of this very model that need not be computed again
    stop : as for :func:`losses_on`
    """
    found = dict(known or {})
    for shared in [dataset.shown, *([dataset.sealed] if test else [])]:
        if not shared.following.keys() <= found.keys():
            measured = losses_on(model, shared, stop)
            if not measured:
                break
            found = measured | found
    return {name: found[name] for name in (LOSSES if test else SHOWN) if name in found}


def expected_seconds(model: Model, dataset: Dataset, tries: int = 3) -> float:
    """How long the losses on train and validation take, judged by a few of their contexts."""
    shared, seconds = dataset.shown, []
    for _ in range(tries):
        began = time.perf_counter()
        pieces = Pieces(model, shared.contexts, shared.order, shared.found)
        pieces.log_probabilities(len(pieces.rows) // 2)
        seconds.append(time.perf_counter() - began)
    least = min(seconds)  # the others waited for a turn on the core
    return least * len(shared.contexts) / len(pieces.rows[len(pieces.rows) // 2])


def target_log_probabilities(model: Model, examples: Examples) -> NDArray[np.float64]:
    """(N,): the log-probability of what came next, for each example."""
    counts = examples.counts
    log_p = np.empty(len(counts.following.columns))
    for rows, piece in Pieces(model, counts.contexts, counts.order):
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
