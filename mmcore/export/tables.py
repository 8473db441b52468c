"""What a run says in tables and text: its curve, its embeddings, its samples, its settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..config import RunConfig
from ..dataset import show_symbol
from ..sample import drawn_words
from ..spreadsheet import csv

if TYPE_CHECKING:
    from .artifact import Artifact
    from .trained import Trained

SAMPLES, SAMPLE_SEED = 1_000, 0


def curve_csv(curve: pd.DataFrame) -> bytes:
    """A row a point, empty where nothing was measured."""
    return csv(curve).encode()


def embeddings_csv(artifact: Artifact) -> bytes:
    """Columns ``symbol`` and ``d1`` to ``dD``; the boundary, an empty string, is drawn as everywhere."""
    C = artifact.model.tensors["C"].numpy()
    table = pd.DataFrame(C, columns=[f"d{column}" for column in range(1, C.shape[1] + 1)])
    table.insert(0, "symbol", list(map(show_symbol, artifact.vocab.symbols)))
    return csv(table).encode()


def projector_files(trained: Trained) -> dict[str, bytes]:
    """Vectors, and beside them what they stand for with how often each occurs in train, as a target."""
    C = trained.artifact.model.tensors["C"].numpy()
    counts = np.bincount(trained.dataset.train.targets, minlength=len(C)).tolist()
    vectors = ["\t".join(map(repr, row)) for row in C.tolist()]
    rows = [
        f"{show_symbol(symbol)}\t{count}" for symbol, count in zip(trained.artifact.vocab.symbols, counts, strict=True)
    ]
    return {
        "vectors.tsv": ("\n".join(vectors) + "\n").encode(),
        "metadata.tsv": ("\n".join(["symbol\tcount", *rows]) + "\n").encode(),
    }


def samples_text(artifact: Artifact) -> bytes:
    """Words as Generate draws them with sample seed 0, one a line."""
    return "".join(f"{word}\n" for word in drawn_words(artifact.model, artifact.vocab, SAMPLES, SAMPLE_SEED)).encode()


def settings_json(config: RunConfig) -> bytes:
    """What ``RunConfig.from_dict`` reads."""
    return (json.dumps(config.to_dict(), indent=2) + "\n").encode()
