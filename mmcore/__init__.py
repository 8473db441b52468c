"""A character-level neural language model (Bengio et al. 2003): data, model, training, evaluation.

The public names, importable from here. What needs torch is imported when first asked for, so that
``import mmcore`` is quick.
"""

from __future__ import annotations

import importlib
from typing import Any

from .version import __version__

_MODULES: dict[str, tuple[str, ...]] = {
    "config": ("ModelConfig", "Preset", "PRESETS", "RunConfig", "SplitConfig", "TrainConfig"),
    "contexts": ("ContextCounts", "count_contexts"),
    "data": (
        "BOUNDARY",
        "BUNDLED_NAMES",
        "Corpus",
        "CorpusReport",
        "Dataset",
        "Examples",
        "Splits",
        "Vocab",
        "build_dataset",
        "build_examples",
        "corpus_from_words",
        "leakage",
        "read_words",
        "show_symbol",
        "split_words",
    ),
    "model": ("MLP", "cross_entropy"),
    "backprop": ("Backprop",),
    "training": ("Pace", "Step", "TrainingDiverged", "TrainState", "learning_rate_at", "train"),
    "evaluation": ("Losses", "bootstrap_interval", "evaluate", "evaluate_splits", "word_losses"),
    "ngram": ("NGram", "baselines", "uniform_loss"),
    "sample": ("Sample", "generate", "label", "labels", "next_distribution"),
    "artifact": ("Artifact", "load", "plain_torch"),
    "store": ("Run", "RunState", "RunStore"),
    "jobs": ("JobQueue", "execute", "run_inline"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
