"""The figures of a run that can be computed again: exact losses with intervals, beside what counting reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..evaluation import bootstrap_interval, word_losses
from ..ngram import NGram, counting_loss

if TYPE_CHECKING:
    from .trained import Trained

PARTS = {
    "train_loss": ("Train loss", "train"),
    "val_loss": ("Validation loss", "val"),
    "val_loss_unseen": ("Loss on unseen words", "val_unseen"),
}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A loss in nats per symbol on so many symbols; its 95 % interval where it is a model's."""

    title: str
    loss: float
    symbols: int
    low: float | None = None
    high: float | None = None


def figures(trained: Trained) -> dict[str, Figure]:
    """By name: the model's losses on train, validation and unseen words, as far as there are any, then two by counting.

    The intervals are percentile bootstraps over the words of a split. The test split is not looked at.
    """
    data, found = trained.dataset, {}
    for name, (title, part) in PARTS.items():
        examples = getattr(data, part)
        if not len(examples):
            continue
        sums, counts = word_losses(trained.artifact.model, examples)
        low, high = bootstrap_interval(sums, counts)
        loss = float(sums.sum() / counts.sum())
        found[name] = Figure(title=title, loss=loss, symbols=len(examples), low=low, high=high)
    counted = {
        "bigram": ("Bigram counts, validation", NGram(data.train, 1).loss(data.val)),
        "kneser_ney": ("Kneser-Ney, validation", counting_loss(data.train, data.val)),
    }
    for name, (title, loss) in counted.items():
        found[name] = Figure(title=title, loss=loss, symbols=len(data.val))
    return found
