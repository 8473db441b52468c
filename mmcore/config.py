"""What a run is made of, as plain frozen data: no torch here, so a form or a command line is quick."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self

ACTIVATIONS = ("tanh", "relu")
INITS = ("scaled", "lecture")
OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("constant", "step", "one-cycle", "inverse-time")
SAMPLERS = ("examples", "contexts")


def require(valid: bool, field_name: str, rule: str, value: object) -> None:
    """Raise the one sentence every invalid setting gets: field, rule, value."""
    if not valid:
        raise ValueError(f"{field_name} must be {rule}, got {value!r}")


def _whole(name: str, value: object, low: int, high: int) -> None:
    ok = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    require(ok, name, f"a whole number from {low:,} to {high:,}", value)


def _real(name: str, value: object, low: float, high: float, *, open_low: bool = False) -> None:
    # Comparing refuses NaN and infinities too, and does not overflow on a huge int as math.isfinite would.
    ok = isinstance(value, (int, float)) and not isinstance(value, bool)
    ok = ok and (low < value if open_low else low <= value) and value <= high  # type: ignore[operator]
    rule = f"above {low:g} and at most {high:g}" if open_low else f"from {low:g} to {high:g}"
    require(ok, name, f"a number {rule}", value)


def _choice(name: str, value: object, options: tuple[str, ...]) -> None:
    require(value in options, name, "one of " + ", ".join(options), value)


def _plain(value: Any) -> Any:
    """A field's value as JSON has it."""
    if isinstance(value, _Config):
        return value.to_dict()
    return list(value) if isinstance(value, tuple) else value


class _Config:
    """Reading and writing as plain JSON values; unknown fields are errors, absent ones take their default."""

    def to_dict(self) -> dict[str, Any]:
        """The config as JSON-ready values (tuples become lists)."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`; ``ValueError`` for a field that is unknown, or needed and missing."""
        require(isinstance(values, Mapping), cls.__name__, "a table of fields", values)
        fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(map(str, set(values) - set(fields)))
        require(not unknown, f"{cls.__name__} fields", "among " + ", ".join(sorted(fields)), unknown)
        optional = (dataclasses.MISSING, dataclasses.MISSING)
        needed = {name for name, f in fields.items() if (f.default, f.default_factory) == optional}
        require(needed <= set(values), f"{cls.__name__} fields", "at least " + ", ".join(needed), sorted(values))
        return cls(**values)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked like a new one."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]


@dataclass(frozen=True, kw_only=True)
class SplitConfig(_Config):
    """How words are divided into train, validation and test."""

    split_seed: int = 42
    train_fraction: float = 0.8
    val_fraction: float = 0.1
    deduplicate: bool = False  # before splitting, so that no word is in two splits

    def __post_init__(self) -> None:
        _whole("split_seed", self.split_seed, 0, 2**63 - 1)
        _real("train_fraction", self.train_fraction, 0, 1, open_low=True)
        _real("val_fraction", self.val_fraction, 0, 1, open_low=True)
        total = self.train_fraction + self.val_fraction
        require(total < 1, "train_fraction + val_fraction", "below 1, so that a test split is left", total)


@dataclass(frozen=True, kw_only=True)
class ModelConfig(_Config):
    """The multi-layer perceptron of Bengio et al. (2003), equation 1: ``y = b + Wx + U tanh(d + Hx)``."""

    context_size: int = 3
    embedding_dim: int = 10
    hidden_sizes: tuple[int, ...] = (200,)
    activation: str = "tanh"
    direct: bool = False  # the paper's W: straight from the embeddings to the logits
    dropout: float = 0.0  # share of hidden units silenced while training
    init: str = "scaled"

    def __post_init__(self) -> None:
        _whole("context_size", self.context_size, 1, 64)
        _whole("embedding_dim", self.embedding_dim, 1, 1024)
        require(isinstance(self.hidden_sizes, (tuple, list)), "hidden_sizes", "a list of numbers", self.hidden_sizes)
        object.__setattr__(self, "hidden_sizes", tuple(self.hidden_sizes))
        require(len(self.hidden_sizes) <= 8, "hidden_sizes", "at most 8 layers", self.hidden_sizes)
        for size in self.hidden_sizes:
            _whole("hidden_sizes", size, 1, 4096)
        require(bool(self.hidden_sizes) or self.direct, "hidden_sizes", "non-empty unless direct is on", ())
        _choice("activation", self.activation, ACTIVATIONS)
        require(isinstance(self.direct, bool), "direct", "true or false", self.direct)
        _real("dropout", self.dropout, 0, 0.95)
        _choice("init", self.init, INITS)

    def shapes(self, vocab_size: int) -> dict[str, tuple[int, ...]]:
        """Every tensor of the model and its shape, in the order the forward pass uses them."""
        width = self.context_size * self.embedding_dim
        shapes: dict[str, tuple[int, ...]] = {"C": (vocab_size, self.embedding_dim)}
        sizes = (width, *self.hidden_sizes)
        for layer, (fan_in, fan_out) in enumerate(pairwise(sizes), start=1):
            shapes |= {f"W{layer}": (fan_in, fan_out), f"b{layer}": (fan_out,)}
        output = len(sizes)
        if self.hidden_sizes:
            shapes[f"W{output}"] = (sizes[-1], vocab_size)
        shapes[f"b{output}"] = (vocab_size,)
        if self.direct:
            shapes["W"] = (width, vocab_size)
        return shapes

    def parameters(self, vocab_size: int) -> int:
        """How many numbers training adjusts."""
        return sum(math.prod(shape) for shape in self.shapes(vocab_size).values())


@dataclass(frozen=True, kw_only=True)
class TrainConfig(_Config):
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
        _whole("max_steps", self.max_steps, 1, 100_000_000)
        _whole("batch_size", self.batch_size, 1, 65_536)
        _choice("sampler", self.sampler, SAMPLERS)
        _choice("optimizer", self.optimizer, OPTIMIZERS)
        _real("learning_rate", self.learning_rate, 0, 1e3, open_low=True)
        _choice("schedule", self.schedule, SCHEDULES)
        _real("decay_rate", self.decay_rate, 0, 1e3)
        _real("weight_decay", self.weight_decay, 0, 10)
        _whole("patience", self.patience, 0, 1_000_000)
        _whole("check_every", self.check_every, 1, 100_000_000)
        _whole("seed", self.seed, 0, 2**63 - 1)
        _whole("threads", self.threads, 1, 256)


@dataclass(frozen=True, kw_only=True)
class RunConfig(_Config):
    """One run, whole: with the corpus whose sha256 this names, it decides every number of the result."""

    corpus_sha256: str
    split: SplitConfig = field(default_factory=SplitConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        parts: dict[str, type[_Config]] = {"split": SplitConfig, "model": ModelConfig, "train": TrainConfig}
        for name, owner in parts.items():
            value = getattr(self, name)
            if not isinstance(value, owner):
                object.__setattr__(self, name, owner.from_dict(value))
        sha256, hexadecimal = self.corpus_sha256, set("0123456789abcdef")
        ok = isinstance(sha256, str) and len(sha256) == 64 and set(sha256) <= hexadecimal
        require(ok, "corpus_sha256", "64 hexadecimal digits", self.corpus_sha256)


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
}
