"""Where a model's loss comes from: by position, by character, by word; and how far its probabilities can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .dataset import Examples, Vocab
from .evaluation import Pieces
from .fields import require
from .model import MLP

BINS = 15  # of a calibration curve, as in Guo et al. 2017


@dataclass(frozen=True)
class Breakdown:
    """A model's predictions on some examples, ready to be summed up by whatever one asks.

    All tables weigh every example alike, so that a weighted mean of their losses is the loss of the whole.
    """

    examples: Examples
    losses: NDArray[np.float64]  # (N,) nats
    predicted: NDArray[np.int64]  # (N,) the likeliest character
    confidence: NDArray[np.float64]  # (N,) its probability

    @classmethod
    def of(cls, model: MLP, examples: Examples) -> Breakdown:
        """Evaluate once; the tables below only sum. Raises ``ValueError`` without examples."""
        require(len(examples) > 0, "examples", "at least one", 0)
        counts, predicted = examples.counts, np.empty(len(examples.counts.contexts), dtype=np.int64)
        losses, confidence = np.empty(len(counts.following.columns)), np.empty(len(counts.contexts))
        for rows, piece in Pieces(model, counts.contexts, counts.order):
            log_p, at = piece.double().numpy(), rows.numpy()
            which, places = counts.following.entries(at)
            losses[places] = -log_p[which, counts.following.columns[places]]
            predicted[at] = log_p.argmax(axis=1)
            confidence[at] = np.exp(log_p.max(axis=1))
        return cls(examples, losses[counts.pairs], predicted[counts.rows], confidence[counts.rows])

    @property
    def positions(self) -> NDArray[np.int64]:
        """(N,): which character of its word each target is, from 1; the end of the word is the last."""
        index = self.examples.word_index
        starts = np.flatnonzero(np.diff(index, prepend=-1))
        return np.arange(len(index)) - starts[index] + 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,): the characters of each example's word."""
        index = self.examples.word_index
        return (np.bincount(index, minlength=len(self.examples.words)) - 1)[index]

    def by_position(self) -> pd.DataFrame:
        """Columns ``position, loss, examples``: where in a word the model is surprised."""
        return self._by("position", self.positions)

    def by_length(self) -> pd.DataFrame:
        """Columns ``length, loss, examples``: whether short or long words are hard, per character."""
        return self._by("length", self.lengths)

    def by_character(self, vocab: Vocab) -> pd.DataFrame:
        """Columns ``symbol, loss, examples, share``: loss by what came next, and its share in the whole loss."""
        table = self._by("id", self.examples.targets)
        table.insert(0, "symbol", [vocab.symbols[i] for i in table["id"]])
        share = table["loss"] * table["examples"] / self.losses.sum()
        return table.drop(columns="id").assign(share=share)

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

        ``share`` is of the examples whose truth this was.
        """
        targets, size = self.examples.targets, self.examples.vocab_size
        wrong = self.predicted != targets
        pairs, examples = np.unique(targets[wrong] * size + self.predicted[wrong], return_counts=True)
        order = np.argsort(-examples, kind="stable")[:count]
        truth, guess = np.divmod(pairs[order], size)
        share = examples[order] / np.bincount(targets, minlength=size)[truth]
        names = ([vocab.symbols[i] for i in ids] for ids in (truth, guess))
        return pd.DataFrame(
            {**dict(zip(("truth", "predicted"), names, strict=True)), "examples": examples[order]}
        ).assign(share=share)

    @property
    def accuracy(self) -> float:
        """The share of examples whose truth was the likeliest guess."""
        return float((self.predicted == self.examples.targets).mean())

    def calibration(self) -> pd.DataFrame:
        """Columns ``confidence, right, predictions``: of the guesses made with about 30 %, were 30 % right?

        The guess is the likeliest character, in :data:`BINS` equal bins of its probability (Guo et al. 2017). Empty
        bins are left out.
        """
        at = np.minimum((self.confidence * BINS).astype(np.int64), BINS - 1)
        right = self.predicted == self.examples.targets
        sums = np.stack([np.bincount(at, weights, BINS) for weights in (None, self.confidence, right)])
        made, said, correct = sums[:, sums[0] > 0]
        return pd.DataFrame({"confidence": said / made, "right": correct / made, "predictions": made.astype(np.int64)})


def expected_calibration_error(calibration: pd.DataFrame) -> float:
    """The mean distance of confidence from accuracy, weighted by predictions (ECE; Guo et al. 2017, equation 3)."""
    weights = calibration["predictions"] / calibration["predictions"].sum()
    return float(((calibration["confidence"] - calibration["right"]).abs() * weights).sum())
