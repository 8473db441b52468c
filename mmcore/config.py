"""What a run is made of, as plain frozen data: no torch here, so a form or a command line is quick.

What a model is made of is in ``architectures``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field, replace
from typing import Any

from .architectures import model_config, read_model
from .architectures.interface import ModelConfig
from .fields import Choice, Config, Flag, Real, Whole, require, whole

STRETCHED = ("step", "one-cycle", "linear")  # the schedules that depend on max_steps

NONE = "–"  # is said of a setting that an architecture does not have
FREE_TO_CHANGE = frozenset({"dropout", "state_dropout"})  # of a model, as they act in training only

SEED = Whole(
    title="Seed",
    help="Of initialisation, batches and dropout: on one machine, the same seed and settings give the same weights, "
    "bit for bit.",
    low=0,
    high=2**63 - 1,
    more=True,
)
FRACTION = Real(
    title="Train fraction",
    help="Share of the words to train on: 80 % in the lecture.",
    low=0,
    high=1,
    open_low=True,
    step=0.05,
    more=True,
)


@dataclass(frozen=True, kw_only=True)
class SplitConfig(Config):
    """How words are divided into train, validation and test: drawn, or `fixed` by who gave them in three files."""

    train_fraction: float = FRACTION.field(0.8)
    val_fraction: float = replace(
        FRACTION,
        title="Validation fraction",
        help="Share of the words to choose settings by: 10 % in the lecture, where it is called dev. "
        "The rest is the test split.",
    ).field(0.1)
    split_seed: int = replace(
        SEED,
        title="Split seed",
        help="Of the shuffle before the words are cut into train, validation and test. The lecture uses 42.",
    ).field(42)
    deduplicate: bool = Flag(
        title="De-duplicate before splitting",
        help="Keep each word once before splitting, so that no validation word also occurs in train. "
        "Data shows how many do without it.",
        more=True,
    ).field(False)
    fixed: tuple[int, ...] = ()  # how many words of the corpus, in its order, are train, validation and test

    def __post_init__(self) -> None:
        if self.fixed != ():
            self._check_fixed()
        super().__post_init__()
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

    max_steps: int = Whole(
        title="Steps",
        help="How many times the parameters are updated: forward, backward, update. The lecture does 200,000.",
        unit="updates",
        low=1,
        high=100_000_000,
    ).field(2_000)
    learning_rate: float = Real(
        title="Learning rate",
        help="How far one update goes against the gradient. With too small a rate the same number of updates learns "
        "little; too large a one ends with a higher loss. The lecture looks for it between 0.001 and 1 and settles on "
        "0.1 for SGD. AdamW wants less, about 0.02.",
        low=0,
        high=1e3,
        open_low=True,
        step=0.01,
        stops=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0),
    ).field(0.02)
    batch_size: int = Whole(
        title="Batch size",
        help="How many examples one update averages over: the lecture's minibatch of 32. With batches from "
        "*Contexts* it counts contexts, with *Words* whole words. More is less noisy and slower.",
        unit="examples",
        low=1,
        high=65_536,
    ).field(256)
    sampler: str = Choice(
        title="Batches from",
        help="*Examples*: rows drawn at random, as in the lecture. *Contexts*: every distinct context that occurs, "
        "with all characters that follow it at once: the same expected gradient with less noise. *Words*: whole words, "
        "every character predicted and each prefix read once, for models that read from left to right.",
        options={"examples": "Examples", "contexts": "Contexts", "words": "Words"},
        stops=("examples", "contexts", "words"),
        more=True,
    ).field("contexts")
    optimizer: str = Choice(
        title="Optimiser",
        help="What turns a gradient into an update. *SGD*: `p.data += -lr * p.grad`, as in the lecture. "
        "*AdamW*: along a running mean of the gradients, divided for each parameter by the root of a running mean of "
        "their squares.",
        options={"sgd": "SGD", "adamw": "AdamW"},
        more=True,
    ).field("adamw")
    schedule: str = Choice(
        title="Schedule",
        help="How the learning rate changes. *Step* is the lecture's decay from 0.1 to 0.01; *one-cycle* climbs, "
        "then falls to zero; *linear* falls to zero from the start; *inverse time* is the paper's ε₀ / (1 + r·t).",
        options={
            "constant": "Constant",
            "step": "Step, a tenth in the second half",
            "one-cycle": "One-cycle",
            "linear": "Linear, to zero",
            "inverse-time": "Inverse time, ε₀ / (1 + r·t)",
        },
        more=True,
    ).field("one-cycle")
    decay_rate: float = Real(
        title="Decay rate r",
        help="r of the inverse-time schedule, per update. The paper uses 10⁻⁸ per example. Other schedules ignore it.",
        low=0,
        high=1e3,
        step=1e-4,
        more=True,
    ).field(1e-4)
    weight_decay: float = Real(
        title="Weight decay",
        help="Pulls weights and C towards zero in every update, as the paper does with 10⁻⁴. Not the biases.",
        low=0,
        high=10,
        step=1e-4,
        stops=(0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
        more=True,
    ).field(0.0)
    seed: int = SEED.field(1)
    patience: int = Whole(
        title="Early stopping patience",
        help="Early stopping: how many checks in a row may pass without a better validation loss. The best "
        "weights are kept. 0: never stop early.",
        unit="checks",
        low=0,
        high=1_000_000,
        more=True,
    ).field(0)
    check_every: int = Whole(
        title="Check every (steps)",
        help="Updates between two checks of early stopping.",
        unit="updates",
        low=1,
        high=100_000_000,
        more=True,
    ).field(500)
    threads: int = Whole(
        title="Threads",
        help="Of the processor, for one run. More than one changes the order of sums, and so the last bits of the "
        "weights.",
        unit="threads",
        low=1,
        high=256,
        on_form=False,
    ).field(1)
    compiled: bool = Flag(
        title="Compiled",
        help="What lies between matrix products is compiled for this processor by Numba. An MLP takes about half the "
        "time, a small model that reads words a half to a quarter; of WaveNet, and of an MLP with normalisation or "
        "GELU, only batches and AdamW are compiled. The first such run on a machine waits ten to thirty seconds for "
        "the compiler. The losses are the same; the last bits of the weights are not.",
        stops=(False, True),
        more=True,
    ).field(False)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; what is not compiled does not say so, so that older versions read it."""
        values = super().to_dict()
        return values if self.compiled else {name: value for name, value in values.items() if name != "compiled"}


def _check_sha256(name: str, value: object) -> None:
    ok = isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")
    require(ok, name, "64 hexadecimal digits", value)


@dataclass(frozen=True, kw_only=True)
class Origin(Config):
    """The weights that a branched run begins with: another run's, after so many of its steps."""

    run_id: str
    step: int
    weights_sha256: str  # of its float32 numbers in the layout of Model.flat

    def __post_init__(self) -> None:
        ok = isinstance(self.run_id, str) and 1 <= len(self.run_id) <= 32
        require(ok, "run_id", "the id of a run, of at most 32 characters", self.run_id)
        whole("step", self.step, 0, 2**31 - 1)
        _check_sha256("weights_sha256", self.weights_sha256)


@dataclass(frozen=True, kw_only=True)
class RunConfig(Config):
    """One run, whole: with the corpus whose sha256 this names, it decides every number of the result.

    With an ``origin`` the run is a branch: it begins with those weights instead of drawing its first ones, and all
    else is as in any run: steps count from 0, the schedule is its own, and the optimiser's moments begin at 0.
    """

    corpus_sha256: str
    split: SplitConfig = field(default_factory=SplitConfig)
    model: ModelConfig = field(default_factory=model_config)
    train: TrainConfig = field(default_factory=TrainConfig)
    origin: Origin | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.model, ModelConfig):
            object.__setattr__(self, "model", read_model(self.model))
        for name, owner in (("split", SplitConfig), ("train", TrainConfig)):
            value = getattr(self, name)
            if not isinstance(value, owner):
                object.__setattr__(self, name, owner.from_dict(value))
        if self.origin is not None and not isinstance(self.origin, Origin):
            object.__setattr__(self, "origin", Origin.from_dict(self.origin))
        _check_sha256("corpus_sha256", self.corpus_sha256)
        samplers, sampler = self.model.samplers, self.train.sampler
        require(sampler in samplers, "sampler", f"one of {', '.join(samplers)} for {self.model.title}", sampler)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; without an origin where there is none, so that older versions read what they can."""
        values = super().to_dict()
        return values if self.origin else {name: value for name, value in values.items() if name != "origin"}

    def check_branch(self, parent: RunConfig) -> None:
        """``ValueError`` where weights of a run like ``parent`` are none to begin with here."""
        same: list[tuple[str, Any, Any]] = [("corpus_sha256", self.corpus_sha256, parent.corpus_sha256)]
        same += [("architecture", self.model.architecture, parent.model.architecture)]
        for own, theirs in ((self.split, parent.split), (self.model, parent.model)):
            names = [name for name in vars(theirs) if name not in FREE_TO_CHANGE]
            same += [(name, getattr(own, name, None), getattr(theirs, name)) for name in names]
        for name, value, wanted in same:
            require(value == wanted, name, f"{wanted}, as in the run it starts from", value)


def said_of(config: RunConfig) -> dict[str, tuple[str, str]]:
    """Title and value of each setting; by the title without what is in brackets, which architectures share."""
    parts: tuple[Config, ...] = (config.model, config.train, config.split)
    said = {"Architecture": ("Architecture", config.model.title)}
    for part in parts:
        for name, setting in part.settings().items():
            said[setting.title.partition(" (")[0]] = (setting.title, setting.said(getattr(part, name)))
    files = " + ".join(f"{count:,}" for count in config.split.fixed)
    begun = f"step {config.origin.step:,} of run {config.origin.run_id}" if config.origin else "random numbers"
    said |= {"Words of three files": ("Words of three files", files or "none")}
    return said | {"First weights": ("First weights", begun)}
