"""Named starting points, and what they say about a learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .architectures import model_config
from .architectures.interface import ModelConfig
from .config import RunConfig, TrainConfig


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named starting point: settings plus the sentence that says when to take it."""

    title: str
    note: str
    model: ModelConfig
    train: TrainConfig


_LECTURE = TrainConfig(
    max_steps=200_000, batch_size=32, sampler="examples", optimizer="sgd", learning_rate=0.1, schedule="step"
)

PRESETS: dict[str, Preset] = {
    "quick": Preset(
        title="Quick",
        note="AdamW with a one-cycle schedule on larger batches: past the lecture's loss within seconds.",
        model=model_config(),
        train=TrainConfig(max_steps=5_000, weight_decay=0.1),
    ),
    "blink": Preset(
        title="Blink",
        note="As low as half a second gets on one core: four characters of context, AdamW on distinct contexts.",
        model=model_config(context_size=4, embedding_dim=32),
        train=TrainConfig(max_steps=800, learning_rate=0.03, weight_decay=0.1),
    ),
    "best": Preset(
        title="Best MLP",
        note="The lowest validation loss that a minute buys: a wide layer, six characters, dropout and weight decay.",
        model=model_config(context_size=6, embedding_dim=24, hidden_sizes=(768,), dropout=0.2),
        train=TrainConfig(max_steps=25_000, learning_rate=0.004, weight_decay=0.05),
    ),
    "lecture": Preset(
        title="Lecture",
        note="The lecture's final model and loop: 200,000 updates of 32 examples, rate 0.1, then 0.01.",
        model=model_config(init="lecture"),
        train=_LECTURE,
    ),
    "lecture-first": Preset(
        title="Lecture, first version",
        note="Two-dimensional embeddings that can be drawn as they are, 100 hidden units.",
        model=model_config(embedding_dim=2, hidden_sizes=(100,), init="lecture"),
        train=_LECTURE,
    ),
    "seed-notes": Preset(
        title="Seed notes",
        note="The lecture's model at a constant learning rate of 0.01: see how slow a small step is.",
        model=model_config(init="lecture"),
        train=_LECTURE.replace(learning_rate=0.01, schedule="constant"),
    ),
    "bigram": Preset(
        title="Bigram",
        note="What follows each character, learned by gradients: as good as counting pairs, and no better.",
        model=model_config(architecture="bigram"),
        train=TrainConfig(max_steps=1_000, learning_rate=0.2),
    ),
    "wavenet": Preset(
        title="WaveNet",
        note="Eight characters, fused two by two with batch normalisation: the lecture series' fifth part.",
        model=model_config(architecture="wavenet"),
        train=TrainConfig(max_steps=10_000, batch_size=128, learning_rate=0.003, weight_decay=0.1),
    ),
    "rnn": Preset(
        title="RNN",
        note="One hidden state that reads the whole word, character by character.",
        model=model_config(architecture="rnn"),
        train=TrainConfig(max_steps=5_000, batch_size=64, sampler="words", learning_rate=0.01, weight_decay=0.1),
    ),
    "gru": Preset(
        title="GRU",
        note="A recurrent network with gates: it learns what to keep of the word so far.",
        model=model_config(architecture="gru", hidden_size=256, dropout=0.4),
        train=TrainConfig(max_steps=1_200, sampler="words", learning_rate=0.005, weight_decay=0.1),
    ),
    "lstm": Preset(
        title="LSTM",
        note="A recurrent network with a memory cell beside its state.",
        model=model_config(architecture="lstm", hidden_size=256, dropout=0.4),
        train=TrainConfig(max_steps=1_200, sampler="words", learning_rate=0.005, weight_decay=0.1),
    ),
    "transformer": Preset(
        title="Transformer",
        note="Four layers of self-attention over the word so far, as in makemore.",
        model=model_config(architecture="transformer", dropout=0.2),
        train=TrainConfig(max_steps=4_500, batch_size=128, sampler="words", learning_rate=0.003, weight_decay=0.5),
    ),
    "microgpt": Preset(
        title="microgpt",
        note="A. Karpathy's GPT in one file of plain Python: 4,192 numbers for the names, one word an update.",
        model=model_config(
            architecture="transformer",
            embedding_dim=16,
            layers=1,
            normalisation="rms",
            activation="relu",
            bias=False,
        ),
        train=TrainConfig(max_steps=1_000, batch_size=1, sampler="words", learning_rate=0.01, schedule="linear"),
    ),
    "best-of-all": Preset(
        title="Best of five minutes",
        note="The lowest validation loss that five minutes buy: a wide GRU with much dropout.",
        model=model_config(architecture="gru", embedding_dim=32, hidden_size=256, dropout=0.45, state_dropout=0.15),
        train=TrainConfig(max_steps=18_000, batch_size=128, sampler="words", learning_rate=0.005, weight_decay=0.1),
    ),
}

_QUICK, _MICROGPT = PRESETS["quick"], PRESETS["microgpt"]
_WORDS = _QUICK.train.replace(sampler="words", batch_size=32)
_GPT = _MICROGPT.model.replace(normalisation="layer", activation="gelu", bias=True)

TO_MICROGPT: dict[str, Preset] = {
    "context-16": Preset(
        title="Context of 16",
        note="Sixteen characters instead of three, each with weights of its own for every place.",
        model=_QUICK.model.replace(context_size=16),
        train=_QUICK.train,
    ),
    "attention": Preset(
        title="Attention",
        note="One layer of attention and one feed-forward layer instead: the same weights at every place.",
        model=_GPT,
        train=_QUICK.train,
    ),
    "whole-words": Preset(
        title="Whole words",
        note="Batches of 32 words instead of 256 contexts.",
        model=_GPT,
        train=_WORDS,
    ),
    "rms": Preset(
        title="RMS normalisation",
        note="Instead of layer normalisation, with nothing to learn in it; and first weights as microgpt draws them.",
        model=_GPT.replace(normalisation="rms"),
        train=_WORDS,
    ),
    "no-biases": Preset(
        title="No biases, ReLU",
        note="Leave out every bias, and ReLU instead of GELU: the shape of microgpt.",
        model=_MICROGPT.model,
        train=_WORDS,
    ),
}
"""Between the presets *Quick* and *microgpt*: each differs from the one before it in what its note says."""


def starting_points() -> dict[str, Preset]:
    """Every named starting point of a sweep's run: presets, and the steps to microgpt."""
    return PRESETS | TO_MICROGPT


def preset_for(architecture: str) -> str:
    """The name of the first preset of an architecture, where its settings start from."""
    return next(name for name, preset in PRESETS.items() if preset.model.architecture == architecture)


def preset_of(config: RunConfig, among: Mapping[str, Preset] | None = None) -> str | None:
    """The preset whose settings these are, whatever the seed and the split; None for settings of one's own.

    A branch is none: it does not begin where a preset does. ``among``: of which presets, all by default.
    """
    if config.origin is not None:
        return None
    for name, preset in (PRESETS if among is None else among).items():
        if preset.model == config.model and preset.train.replace(seed=config.train.seed) == config.train:
            return name
    return None


def usual_rate(model: ModelConfig, train: TrainConfig) -> float:
    """A learning rate to begin with: for AdamW that of the architecture's preset, for SGD the lecture's."""
    if train.optimizer == "sgd":
        return _LECTURE.learning_rate
    return PRESETS[preset_for(model.architecture)].train.learning_rate


def calmer_rate(model: ModelConfig, train: TrainConfig) -> float:
    """What to try after a divergence: the usual rate, or a tenth where even that was too much."""
    return min(usual_rate(model, train), train.learning_rate / 10)
