"""What files are made of: a trained model with its words and its curve."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ..config import RunConfig
from ..dataset import Dataset, split_words

if TYPE_CHECKING:
    import pandas as pd

    from ..checkpoint import Checkpoint
    from ..corpus import Corpus
    from .artifact import Artifact


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One run, whole, and nothing of the store that it comes from. Test losses are not in it."""

    run_id: str
    name: str
    created: str  # ISO 8601, UTC
    artifact: Artifact
    corpus: Corpus
    curve: pd.DataFrame = field(repr=False)  # step, learning_rate, batch_loss, train_loss, val_loss, …; a row a point
    checkpoints: tuple[Checkpoint, ...] = field(default=(), repr=False)

    @property
    def config(self) -> RunConfig:
        """All settings."""
        return self.artifact.config

    @cached_property
    def dataset(self) -> Dataset:
        """What it was trained and judged on."""
        splits = split_words(self.corpus.words, self.config.split)
        return Dataset(self.artifact.vocab, self.config.model.context_size, splits, self.artifact.cleaning)
