"""Guessing words letter by letter, as in Shannon (1951): which guess is right, and what that is worth in nats.

Someone who guesses in the order of their own expectation tells no probabilities, only which guess is right: its rank.
Ranks can be compared all the same, a visitor's with a model's, as both become nats by one rule, :func:`code_lengths`.
C. E. Shannon, "Prediction and Entropy of Printed English", Bell System Technical Journal 30 (1951).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .dataset import Dataset, Splits, Vocab
from .fields import require
from .ngram import NGram

WORTH = 10  # letters that the first shares of the ranks count for, beside those that were guessed


@dataclass
class Game:
    """A visitor's words: those guessed, and how far the one at hand is.

    Parameters
    ----------
    words : to guess, in this order
    frequent : every id of the vocabulary, the most frequent in train first
    """

    vocab: Vocab
    words: tuple[str, ...]
    frequent: tuple[int, ...]
    done: list[tuple[int, ...]] = field(default_factory=list)  # the rank of each letter, and of the end, word by word
    ranks: list[int] = field(default_factory=list)  # of the word at hand, so far
    wrong: list[int] = field(default_factory=list)  # guesses at its next letter

    @property
    def over(self) -> bool:
        """Whether every word has been guessed."""
        return len(self.done) == len(self.words)

    @property
    def prefix(self) -> str:
        """What is known of the word at hand."""
        return self.vocab.decode(self._ids[: len(self.ranks)])

    @property
    def guessed(self) -> tuple[str, ...]:
        """The words that were guessed to their end."""
        return self.words[: len(self.done)]

    @property
    def left(self) -> list[int]:
        """The ids that the next letter may still be."""
        return [i for i in range(self.vocab.size) if i not in self.wrong]

    def guess(self, symbol: int) -> bool:
        """Whether the next letter, or the end, is this one; a right guess leads on to the next."""
        require(not self.over and symbol in self.left, "guess", "a symbol not guessed yet at this place", symbol)
        if symbol != self._ids[len(self.ranks)]:
            self.wrong.append(symbol)
            return False
        self._found(len(self.wrong) + 1)
        return True

    def give_up(self) -> None:
        """The next letter is found, as if what is left had been guessed in the order of frequency."""
        found = self._ids[len(self.ranks)]
        left = [symbol for symbol in self.frequent if symbol not in self.wrong]
        self._found(len(self.wrong) + left.index(found) + 1)

    @property
    def _ids(self) -> list[int]:
        return [*self.vocab.encode(self.words[len(self.done)]), 0]

    def _found(self, rank: int) -> None:
        ids = self._ids
        self.ranks, self.wrong = [*self.ranks, rank], []
        if len(self.ranks) == len(ids):
            self.done.append(tuple(self.ranks))
            self.ranks = []


def words_to_guess(splits: Splits, seed: int) -> tuple[str, ...]:
    """Every validation word that occurs in neither train nor test, once, shuffled."""
    words = sorted({*splits.val} - {*splits.train} - {*splits.test})
    random.Random(seed).shuffle(words)
    return tuple(words)


def new_game(data: Dataset, seed: int) -> Game:
    """A game on a split; ``ValueError`` where it has no word to guess."""
    words = words_to_guess(data.splits, seed)
    require(bool(words), "validation words", "some that occur in neither train nor test", len(words))
    times = np.bincount(data.train.targets, minlength=data.vocab.size)
    return Game(data.vocab, words, tuple(np.argsort(-times, kind="stable").tolist()))


def ranks(p: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,): which guess is right if all are made by probabilities (N, V), likeliest first; of equals the lower id."""
    own, ids = p[np.arange(len(targets)), targets][:, None], np.arange(p.shape[1])
    found: NDArray[np.int64] = 1 + ((p > own) | ((p == own) & (ids < targets[:, None]))).sum(axis=1)
    return found


def first_shares(bigram: NGram) -> NDArray[np.float64]:
    """(V,): how often each guess of a bigram is right on what it counted, 1 added to each."""
    right = bigram.right_at() + 1
    shares: NDArray[np.float64] = right / right.sum()
    return shares


def code_lengths(ranks: Sequence[int], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """What it costs to tell each rank, in nats, to someone who knows those before it.

    Its probability is its share so far: of the ranks before it, and of ``shares`` as if they were :data:`WORTH` more.
    With the ranks, a twin of who guesses can write the words down again, so their mean is a loss like any other's:
    on many letters no lower than the entropy of what is guessed (Shannon 1951, section 6).
    """
    counts, costs = WORTH * shares / shares.sum(), []
    for before, rank in enumerate(ranks):
        costs.append(-math.log(counts[rank - 1] / (WORTH + before)))
        counts[rank - 1] += 1
    return np.array(costs)


@dataclass(frozen=True)
class Player:
    """Who guesses: the ranks of the right guesses, and for a model what it loses by its own probabilities (N,)."""

    ranks: tuple[int, ...]
    losses: NDArray[np.float64] | None = None

    @classmethod
    def model(cls, p: NDArray[np.float64], targets: NDArray[np.int64]) -> Player:
        """A model that gives these probabilities (N, V)."""
        losses = -np.log(p[np.arange(len(targets)), targets])
        return cls(tuple(ranks(p, targets).tolist()), losses)


def standings(players: Mapping[str, Player], shares: NDArray[np.float64]) -> pd.DataFrame:
    """A row a player: ``player, first`` (share of letters right at once) ``, guesses`` (mean) ``, coded, loss``.

    ``coded`` is the mean of :func:`code_lengths`, ``loss`` that of the model's own probabilities, NaN for a visitor.
    """

    def rows() -> Iterator[dict[str, object]]:
        for name, player in players.items():
            made = np.array(player.ranks)
            row = {"player": name, "first": (made == 1).mean(), "guesses": made.mean()}
            row |= {"coded": code_lengths(player.ranks, shares).mean()}
            yield row | {"loss": math.nan if player.losses is None else player.losses.mean()}

    return pd.DataFrame(rows())


def gap(one: Player, other: Player, shares: NDArray[np.float64]) -> tuple[float, float]:
    """How many nats per character one needs more than the other on the same letters, and the standard error."""
    differences = code_lengths(one.ranks, shares) - code_lengths(other.ranks, shares)
    error = differences.std(ddof=1) / math.sqrt(len(differences)) if len(differences) > 1 else math.nan
    return float(differences.mean()), float(error)
