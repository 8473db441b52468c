"""A character-level neural language model (Bengio et al. 2003): data, model, training, evaluation.

The public names, importable from here. What needs torch is imported when first asked for, so that
``import mmcore`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:  # the same names, for type checkers and editors
    from .architectures import ARCHITECTURES as ARCHITECTURES
    from .architectures import ModelConfig as ModelConfig
    from .architectures import model_config as model_config
    from .architectures import read_model as read_model
    from .backprop import Autograd as Autograd
    from .backprop import Backprop as Backprop
    from .backprop import gradients_of as gradients_of
    from .checkpoint import Checkpoint as Checkpoint
    from .checkpoint import checkpoint_steps as checkpoint_steps
    from .checkpoint import restore as restore
    from .config import Origin as Origin
    from .config import RunConfig as RunConfig
    from .config import SplitConfig as SplitConfig
    from .config import TrainConfig as TrainConfig
    from .contexts import ContextCounts as ContextCounts
    from .contexts import count_contexts as count_contexts
    from .corpus import BUNDLED_NAMES as BUNDLED_NAMES
    from .corpus import Corpus as Corpus
    from .corpus import CorpusReport as CorpusReport
    from .corpus import corpus_from_words as corpus_from_words
    from .corpus import read_words as read_words
    from .dataset import BOUNDARY as BOUNDARY
    from .dataset import Dataset as Dataset
    from .dataset import Examples as Examples
    from .dataset import Splits as Splits
    from .dataset import Vocab as Vocab
    from .dataset import build_dataset as build_dataset
    from .dataset import build_examples as build_examples
    from .dataset import leakage as leakage
    from .dataset import show_symbol as show_symbol
    from .dataset import split_words as split_words
    from .doctor import Finding as Finding
    from .doctor import examine as examine
    from .evaluation import Losses as Losses
    from .evaluation import bootstrap_interval as bootstrap_interval
    from .evaluation import evaluate as evaluate
    from .evaluation import evaluate_splits as evaluate_splits
    from .evaluation import target_probabilities as target_probabilities
    from .evaluation import word_losses as word_losses
    from .export.artifact import Artifact as Artifact
    from .export.artifact import load as load
    from .export.artifact import plain_torch as plain_torch
    from .finder import learning_rate_range_test as learning_rate_range_test
    from .finder import suggest_rate as suggest_rate
    from .jobs import JobQueue as JobQueue
    from .jobs import ProcessWorkers as ProcessWorkers
    from .jobs import Worker as Worker
    from .jobs import execute as execute
    from .jobs import run_inline as run_inline
    from .mixture import mixture_loss as mixture_loss
    from .mixture import mixture_weights as mixture_weights
    from .model import MLP as MLP
    from .model import Model as Model
    from .model import cross_entropy as cross_entropy
    from .ngram import KneserNey as KneserNey
    from .ngram import NGram as NGram
    from .ngram import baselines as baselines
    from .ngram import kneser_ney_table as kneser_ney_table
    from .ngram import uniform_loss as uniform_loss
    from .presets import PRESETS as PRESETS
    from .presets import Preset as Preset
    from .sample import Sample as Sample
    from .sample import generate as generate
    from .sample import label as label
    from .sample import labels as labels
    from .sample import next_distribution as next_distribution
    from .schedules import learning_rate_at as learning_rate_at
    from .scoring import nearest_word as nearest_word
    from .scoring import novelty_by_temperature as novelty_by_temperature
    from .scoring import percentile as percentile
    from .scoring import score_word as score_word
    from .store import Run as Run
    from .store import RunState as RunState
    from .store import RunStore as RunStore
    from .threads import torch_threads as torch_threads
    from .trace import Neurons as Neurons
    from .trace import Trace as Trace
    from .trace import TraceStep as TraceStep
    from .trace import Update as Update
    from .trace import backward_trace as backward_trace
    from .trace import forward_trace as forward_trace
    from .trace import gradient_check as gradient_check
    from .trace import neuron_report as neuron_report
    from .trace import one_update as one_update
    from .trace import stable_softmax_demo as stable_softmax_demo
    from .trace import update_ratios as update_ratios
    from .train_state import TrainState as TrainState
    from .training import Pace as Pace
    from .training import Step as Step
    from .training import TrainingDiverged as TrainingDiverged
    from .training import train as train

_MODULES: dict[str, tuple[str, ...]] = {
    "checkpoint": (
        "Checkpoint",
        "checkpoint_steps",
        "restore",
    ),
    "architectures": (
        "model_config",
        "read_model",
        "ARCHITECTURES",
        "ModelConfig",
    ),
    "presets": (
        "PRESETS",
        "Preset",
    ),
    "config": (
        "Origin",
        "RunConfig",
        "SplitConfig",
        "TrainConfig",
    ),
    "contexts": (
        "ContextCounts",
        "count_contexts",
    ),
    "dataset": (
        "BOUNDARY",
        "Dataset",
        "Examples",
        "Splits",
        "Vocab",
        "build_dataset",
        "build_examples",
        "leakage",
        "show_symbol",
        "split_words",
    ),
    "corpus": (
        "BUNDLED_NAMES",
        "Corpus",
        "CorpusReport",
        "corpus_from_words",
        "read_words",
    ),
    "model": (
        "MLP",
        "Model",
        "cross_entropy",
    ),
    "backprop": (
        "Autograd",
        "Backprop",
        "gradients_of",
    ),
    "train_state": ("TrainState",),
    "training": (
        "Pace",
        "Step",
        "TrainingDiverged",
        "train",
    ),
    "schedules": ("learning_rate_at",),
    "evaluation": (
        "Losses",
        "bootstrap_interval",
        "evaluate",
        "evaluate_splits",
        "target_probabilities",
        "word_losses",
    ),
    "ngram": (
        "KneserNey",
        "NGram",
        "baselines",
        "kneser_ney_table",
        "uniform_loss",
    ),
    "mixture": (
        "mixture_loss",
        "mixture_weights",
    ),
    "sample": (
        "Sample",
        "generate",
        "label",
        "labels",
        "next_distribution",
    ),
    "export.artifact": (
        "Artifact",
        "load",
        "plain_torch",
    ),
    "playground": (
        "Play",
        "play",
        "steps_within",
    ),
    "scoring": (
        "nearest_word",
        "novelty_by_temperature",
        "percentile",
        "score_word",
    ),
    "doctor": (
        "Finding",
        "examine",
    ),
    "finder": (
        "learning_rate_range_test",
        "suggest_rate",
    ),
    "trace": (
        "Neurons",
        "Trace",
        "TraceStep",
        "Update",
        "backward_trace",
        "forward_trace",
        "gradient_check",
        "neuron_report",
        "one_update",
        "stable_softmax_demo",
        "update_ratios",
    ),
    "store": (
        "Run",
        "RunState",
        "RunStore",
    ),
    "threads": ("torch_threads",),
    "jobs": (
        "JobQueue",
        "ProcessWorkers",
        "Worker",
        "execute",
        "run_inline",
    ),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
