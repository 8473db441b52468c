"""Where a model's loss comes from: by position, by character, by word; and how far its probabilities can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .config import require
from .data import Examples, Vocab
from .evaluation import log_probabilities
from .model import MLP

BINS = 10  # of a calibration curve


@dataclass(frozen=True)
class Breakdown:
    """A model's predictions on some examples, ready to be summed up by whatever one asks.

    All tables weigh every example alike, so that a weighted mean of their losses is the loss of the whole.
    """

    examples: Examples
    losses: NDArray[np.float64]  # (N,) nats
    predicted: NDArray[np.int64]  # (N,) the likeliest character
    contexts_p: NDArray[np.float64]  # (M, V) of the distinct contexts

    @classmethod
    def of(cls, model: MLP, examples: Examples) -> Breakdown:
        """Evaluate once; the tables below only sum. Raises ``ValueError`` without examples."""
        require(len(examples) > 0, "examples", "at least one", 0)
        counts = examples.counts
        log_p = log_probabilities(model, counts.contexts).double().numpy()
        losses = -log_p[counts.rows, examples.targets]
        return cls(examples, losses, log_p.argmax(axis=1)[counts.rows], np.exp(log_p))

    @property
    def positions(self) -> NDArray[np.int64]:
        """(N,): which character of its word each target is, from 1; the end of the word is the last."""
        index = self.examples.word_index
        starts = np.flatnonzero(np.diff(index, prepend=-1))
        return np.arange(len(index)) - starts[index] + 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,): the characters of each example's word."""
        return np.array([len(word) for word in self.examples.words])[self.examples.word_index]

    def by_position(self) -> pd.DataFrame:
        """Columns ``position, loss, examples``: where in a word the model is surprised."""
        return self._by("position", self.positions)

    def by_length(self) -> pd.DataFrame:
        """Columns ``length, loss, examples``: whether short or long words are hard, per character."""
        return self._by("length", self.lengths)

    def by_character(self, vocab: Vocab) -> pd.DataFrame:
        """Columns ``symbol, loss, examples, share``: loss by what came next, and its part (%) in the whole loss."""
        table = self._by("id", self.examples.targets)
        table.insert(0, "symbol", [vocab.symbols[i] for i in table["id"]])
        part = 100 * table["loss"] * table["examples"] / self.losses.sum()
        return table.drop(columns="id").assign(share=part)

    def _by(self, name: str, keys: NDArray[np.int64]) -> pd.DataFrame:
        values, rows = np.unique(keys, return_inverse=True)
        examples = np.bincount(rows)
        return pd.DataFrame({name: values, "loss": np.bincount(rows, self.losses) / examples, "examples": examples})

    def words(self) -> pd.DataFrame:
        """Columns ``word, loss, characters``: each word's loss per character, hardest first, each word once."""
        index, words = self.examples.word_index, self.examples.words
        characters = np.bincount(index, minlength=len(words))
        loss = np.bincount(index, self.losses, len(words)) / characters
        table = pd.DataFrame({"word": words, "loss": loss, "characters": characters}).drop_duplicates("word")
        return table.sort_values("loss", ascending=False, kind="stable", ignore_index=True)

    def confusions(self, vocab: Vocab, count: int = 20) -> pd.DataFrame:
        """Columns ``truth, predicted, examples, share``: what the likeliest guess was instead, most frequent first.

        ``share`` (%) is of the examples whose truth this was.
        """
        targets, size = self.examples.targets, self.examples.vocab_size
        wrong = self.predicted != targets
        pairs, examples = np.unique(targets[wrong] * size + self.predicted[wrong], return_counts=True)
        order = np.argsort(-examples, kind="stable")[:count]
        truth, guess = np.divmod(pairs[order], size)
        share = 100 * examples[order] / np.bincount(targets, minlength=size)[truth]
        names = ([vocab.symbols[i] for i in ids] for ids in (truth, guess))
        return pd.DataFrame(
            {**dict(zip(("truth", "predicted"), names, strict=True)), "examples": examples[order]}
        ).assign(share=share)

    @property
    def accuracy(self) -> float:
        """The share of examples whose truth was the likeliest guess."""
        return float((self.predicted == self.examples.targets).mean())

    def calibration(self, bins: int = BINS) -> pd.DataFrame:
        """Columns ``predicted, happened, predictions``: of all that was given about 30 %, did 30 % happen?

        Every probability the model gives to every character counts as one prediction, in ``bins`` equal bins of
        probability (Guo et al. 2017, for all classes). Empty bins are left out.
        """
        counts = self.examples.counts
        p, weight = self.contexts_p, counts.totals[:, None]
        at = np.minimum((p * bins).astype(np.int64), bins - 1)
        made = np.bincount(at.ravel(), np.broadcast_to(weight, p.shape).ravel(), bins)
        expected = np.bincount(at.ravel(), (p * weight).ravel(), bins)
        happened = np.bincount(at.ravel(), counts.counts.astype(np.float64).ravel(), bins)
        kept = made > 0
        columns = {"predicted": expected[kept] / made[kept], "happened": happened[kept] / made[kept]}
        return pd.DataFrame(columns | {"predictions": made[kept].astype(np.int64)})


def calibration_error(calibration: pd.DataFrame) -> float:
    """The mean distance of predicted from happened, weighted by predictions: expected calibration error."""
    weights = calibration["predictions"] / calibration["predictions"].sum()
    return float(((calibration["predicted"] - calibration["happened"]).abs() * weights).sum())
