"""What a run is made of, as plain frozen data: no torch here, so a form or a command line is quick.

What a model is made of is in ``architectures``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from .architectures import model_config, read_model
from .architectures.interface import ModelConfig
from .fields import Config, choice, real, require, whole

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
    model: ModelConfig = field(default_factory=model_config)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        if not isinstance(self.model, ModelConfig):
            object.__setattr__(self, "model", read_model(self.model))
        for name, owner in (("split", SplitConfig), ("train", TrainConfig)):
            value = getattr(self, name)
            if not isinstance(value, owner):
                object.__setattr__(self, name, owner.from_dict(value))
        sha256, hexadecimal = self.corpus_sha256, set("0123456789abcdef")
        ok = isinstance(sha256, str) and len(sha256) == 64 and set(sha256) <= hexadecimal
        require(ok, "corpus_sha256", "64 hexadecimal digits", self.corpus_sha256)
        samplers, sampler = self.model.samplers, self.train.sampler
        require(sampler in samplers, "sampler", f"one of {', '.join(samplers)} for {self.model.title}", sampler)
