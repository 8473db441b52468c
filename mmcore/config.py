"""What a run is made of, as plain frozen data: no torch here, so a form or a command line is quick.

What a model is made of is in ``family`` and ``families``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from .families import FAMILIES as FAMILIES
from .family import ACTIVATIONS as ACTIVATIONS
from .family import INITS as INITS
from .family import NORMALISATIONS as NORMALISATIONS
from .family import ModelConfig as ModelConfig
from .fields import Config, choice, real, whole
from .fields import require as require

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("constant", "step", "one-cycle", "inverse-time")
STRETCHED = ("step", "one-cycle")  # of these, the schedules that depend on max_steps
SAMPLERS = ("examples", "contexts", "words")


@dataclass(frozen=True, kw_only=True)
class SplitConfig(Config):
    """How words are divided into train, validation and test: drawn, or `fixed` by who gave them in three files."""

    split_seed: int = 42
    train_fraction: float = 0.8
    val_fraction: float = 0.1
    deduplicate: bool = False  # before splitting, so that no word is in two splits
    fixed: tuple[int, ...] = ()  # how many words of the corpus, in its order, are train, validation and test

    def __post_init__(self) -> None:
        if self.fixed != ():
            self._check_fixed()
        whole("split_seed", self.split_seed, 0, 2**63 - 1)
        real("train_fraction", self.train_fraction, 0, 1, open_low=True)
        real("val_fraction", self.val_fraction, 0, 1, open_low=True)
        total = self.train_fraction + self.val_fraction
        require(total < 1, "train_fraction + val_fraction", "below 1, so that a test split is left", total)

    def _check_fixed(self) -> None:
        ok = isinstance(self.fixed, (tuple, list)) and len(self.fixed) == 3
        require(ok, "fixed", "three numbers of words, or nothing", self.fixed)
        object.__setattr__(self, "fixed", tuple(self.fixed))
        for count in self.fixed:
            whole("fixed", count, 1, 2**53)
        for setting in dataclasses.fields(self):
            value = getattr(self, setting.name)
            without = setting.name == "fixed" or value == setting.default
            require(without, setting.name, "left out where files fix the split", value)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: what has no say in this split is left out, so that older versions read what they can."""
        if self.fixed:
            return {"fixed": list(self.fixed)}
        return {name: value for name, value in super().to_dict().items() if name != "fixed"}


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Config):
    """How a model is trained. Everything that decides the final weights, and nothing else, is here."""

    max_steps: int = 2_000
    batch_size: int = 256
    sampler: str = "contexts"
    optimizer: str = "adamw"
    learning_rate: float = 0.02
    schedule: str = "one-cycle"
    decay_rate: float = 1e-4  # r of the inverse-time schedule, per update
    weight_decay: float = 0.0  # on weights and C, not on biases
    patience: int = 0  # checks without a better validation loss before stopping; 0 never stops early
    check_every: int = 500  # updates between those checks
    seed: int = 1  # initialisation, batches, dropout
    threads: int = 1

    def __post_init__(self) -> None:
        whole("max_steps", self.max_steps, 1, 100_000_000)
        whole("batch_size", self.batch_size, 1, 65_536)
        choice("sampler", self.sampler, SAMPLERS)
        choice("optimizer", self.optimizer, OPTIMIZERS)
        real("learning_rate", self.learning_rate, 0, 1e3, open_low=True)
        choice("schedule", self.schedule, SCHEDULES)
        real("decay_rate", self.decay_rate, 0, 1e3)
        real("weight_decay", self.weight_decay, 0, 10)
        whole("patience", self.patience, 0, 1_000_000)
        whole("check_every", self.check_every, 1, 100_000_000)
        whole("seed", self.seed, 0, 2**63 - 1)
        whole("threads", self.threads, 1, 256)


@dataclass(frozen=True, kw_only=True)
class RunConfig(Config):
    """One run, whole: with the corpus whose sha256 this names, it decides every number of the result."""

    corpus_sha256: str
    split: SplitConfig = field(default_factory=SplitConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        parts: dict[str, type[Config]] = {"split": SplitConfig, "model": ModelConfig, "train": TrainConfig}
        for name, owner in parts.items():
            value = getattr(self, name)
            if not isinstance(value, owner):
                object.__setattr__(self, name, owner.from_dict(value))
        sha256, hexadecimal = self.corpus_sha256, set("0123456789abcdef")
        ok = isinstance(sha256, str) and len(sha256) == 64 and set(sha256) <= hexadecimal
        require(ok, "corpus_sha256", "64 hexadecimal digits", self.corpus_sha256)
        samplers, sampler = self.model.samplers, self.train.sampler
        require(sampler in samplers, "sampler", f"one of {', '.join(samplers)} for {self.model.title}", sampler)


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
        model=ModelConfig(),
        train=TrainConfig(max_steps=5_000, weight_decay=0.1),
    ),
    "blink": Preset(
        title="Blink",
        note="As low as half a second gets on one core: four characters of context, AdamW on distinct contexts.",
        model=ModelConfig(context_size=4, embedding_dim=32),
        train=TrainConfig(max_steps=800, learning_rate=0.03, weight_decay=0.1),
    ),
    "best": Preset(
        title="Best MLP",
        note="The lowest validation loss that a minute buys: a wide layer, six characters, dropout and weight decay.",
        model=ModelConfig(context_size=6, embedding_dim=24, hidden_sizes=(768,), dropout=0.2),
        train=TrainConfig(max_steps=25_000, learning_rate=0.004, weight_decay=0.05),
    ),
    "lecture": Preset(
        title="Lecture",
        note="The lecture's final model and loop: 200,000 updates of 32 examples, rate 0.1, then 0.01.",
        model=ModelConfig(init="lecture"),
        train=_LECTURE,
    ),
    "lecture-first": Preset(
        title="Lecture, first version",
        note="Two-dimensional embeddings that can be drawn as they are, 100 hidden units.",
        model=ModelConfig(embedding_dim=2, hidden_sizes=(100,), init="lecture"),
        train=_LECTURE,
    ),
    "seed-notes": Preset(
        title="Seed notes",
        note="The lecture's model at a constant learning rate of 0.01: see how slow a small step is.",
        model=ModelConfig(init="lecture"),
        train=_LECTURE.replace(learning_rate=0.01, schedule="constant"),
    ),
    "bigram": Preset(
        title="Bigram",
        note="What follows each character, learnt by gradients: as good as counting pairs, and no better.",
        model=ModelConfig(architecture="bigram"),
        train=TrainConfig(max_steps=1_000, learning_rate=0.2),
    ),
    "wavenet": Preset(
        title="WaveNet",
        note="Eight characters, fused two by two with batch normalisation: the lecture series' fifth part.",
        model=ModelConfig(architecture="wavenet"),
        train=TrainConfig(max_steps=10_000, batch_size=128, learning_rate=0.003, weight_decay=0.1),
    ),
    "rnn": Preset(
        title="RNN",
        note="One hidden state that reads the whole word, character by character.",
        model=ModelConfig(architecture="rnn"),
        train=TrainConfig(max_steps=5_000, batch_size=64, sampler="words", learning_rate=0.01, weight_decay=0.1),
    ),
    "gru": Preset(
        title="GRU",
        note="A recurrent network with gates: it learns what to keep of the word so far.",
        model=ModelConfig(architecture="gru", hidden_size=256, dropout=0.4),
        train=TrainConfig(max_steps=1_200, sampler="words", learning_rate=0.005, weight_decay=0.1),
    ),
    "lstm": Preset(
        title="LSTM",
        note="A recurrent network with a memory cell beside its state.",
        model=ModelConfig(architecture="lstm", hidden_size=256, dropout=0.4),
        train=TrainConfig(max_steps=1_200, sampler="words", learning_rate=0.005, weight_decay=0.1),
    ),
    "transformer": Preset(
        title="Transformer",
        note="Four layers of self-attention over the word so far, as in makemore.",
        model=ModelConfig(architecture="transformer", dropout=0.2),
        train=TrainConfig(max_steps=4_500, batch_size=128, sampler="words", learning_rate=0.003, weight_decay=0.5),
    ),
    "best-of-all": Preset(
        title="Best of five minutes",
        note="The lowest validation loss that five minutes buy: a wide GRU with much of it silenced in every update.",
        model=ModelConfig(architecture="gru", embedding_dim=32, hidden_size=256, dropout=0.45, state_dropout=0.15),
        train=TrainConfig(max_steps=18_000, batch_size=128, sampler="words", learning_rate=0.005, weight_decay=0.1),
    ),
}


def preset_for(architecture: str) -> str:
    """The name of the first preset of an architecture, where its settings start from."""
    return next(name for name, preset in PRESETS.items() if preset.model.architecture == architecture)


def usual_rate(model: ModelConfig, train: TrainConfig) -> float:
    """A learning rate to begin with: for AdamW that of the architecture's preset, for SGD the lecture's."""
    if train.optimizer == "sgd":
        return _LECTURE.learning_rate
    return PRESETS[preset_for(model.architecture)].train.learning_rate


def calmer_rate(model: ModelConfig, train: TrainConfig) -> float:
    """What to try after a divergence: the usual rate, or a tenth where even that was too much."""
    return min(usual_rate(model, train), train.learning_rate / 10)
