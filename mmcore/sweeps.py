"""Sweeps: many runs over settings × seeds, as plain data.

A sweep is a base run, axes (what varies, and its values), how values are picked, and seeds. A *setting* is one value
for each axis: a plain ``dict`` from the axis's name to its value. Every setting is trained with every seed, on the same
split: that is what pairs two settings seed by seed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .config import RunConfig, TrainConfig
from .fields import Choice, Config, Real, Setting, Sizes, Whole, require
from .presets import preset_of, starting_points

MAX_AXES = 6
MAX_VALUES = 100  # of one axis
MAX_SETTINGS = 10_000
MAX_SEEDS = 100
BETWEEN = " to "  # the ends of a range, as they are typed
PRESET = Choice(
    title="Preset",
    help="Every setting of the model and of training at once, as the preset has them.",
    options={name: preset.title for name, preset in starting_points().items()},
)
METHOD = Choice(
    title="Settings to try",
    help="*Grid*: every combination of the values listed. *Random*: values drawn at random. *TPE* (tree-structured "
    "Parzen estimator): values drawn near those that did well so far.",
    options={"grid": "Grid", "random": "Random", "tpe": "TPE"},
)
SETTINGS = Whole(
    title="Settings",
    help="How many settings a random or TPE sweep tries, each with every seed. A grid has as many as it has cells.",
    unit="settings",
    low=1,
    high=MAX_SETTINGS,
)
MINUTES = Real(
    title="Budget in minutes",
    help="About how long all runs together may train: no new run begins when that is over. 0: no limit.",
    unit="minutes",
    low=0,
    high=100_000,
    step=1.0,
)
SWEEP_SEED = Whole(
    title="Seed of the draws",
    help="Of what a random or TPE sweep draws: the same seed and results give the same settings.",
    low=0,
    high=2**31 - 1,
    more=True,
)
NOT_AXES = ("seed", "split_seed", "train_fraction", "val_fraction", "threads")  # pairing needs them the same


def read_axis(name: str, setting: Setting, text: str, *, log: bool = False) -> Axis:
    """An axis from text: ``1, 2, 3``, or a range, ``0.001 to 0.1``; the layers of a model are ``100 x 100``.

    ``ValueError`` with field, rule and value where it is neither.
    """
    low, is_range, high = text.replace("..", BETWEEN).partition(BETWEEN)
    if is_range:
        ends = [_read(name, setting, end) for end in (low, high)]
        return Axis(name=name, low=ends[0], high=ends[1], log=log).checked(setting)
    values = tuple(_read(name, setting, part) for part in text.split(",") if part.strip())
    return Axis(name=name, values=values).checked(setting)


def _read(name: str, setting: Setting, text: str) -> Any:
    text = text.strip()
    if isinstance(setting, Sizes):
        text = "" if text == "none" else text.replace("x", " ").replace("×", " ")
    return setting.read(name, text)


def read_seeds(text: str) -> tuple[int, ...]:
    """Seeds from text: ``1, 2, 5`` or ``1 to 5``."""
    seed = TrainConfig.settings()["seed"]
    first, is_range, last = text.replace("..", BETWEEN).partition(BETWEEN)
    if not is_range:
        return tuple(seed.read("seeds", part.strip()) for part in text.split(",") if part.strip())
    low, high = (seed.read("seeds", end.strip()) for end in (first, last))
    require(low <= high, "seeds", "from a lower to a higher one", text)
    require(high - low < MAX_SEEDS, "seeds", f"1 to {MAX_SEEDS}", high - low + 1)
    return tuple(range(low, high + 1))


def axis_settings(base: RunConfig) -> dict[str, Setting]:
    """What may be an axis of a sweep with this base, by name: its settings' own descriptions, and ``preset``."""
    found: dict[str, Setting] = {"preset": PRESET}
    found |= base.model.settings() | TrainConfig.settings()
    return {name: setting for name, setting in found.items() if name not in NOT_AXES}


@dataclass(frozen=True, kw_only=True)
class Axis(Config):
    """One thing that varies: the values to try, or for a random or TPE sweep of numbers a range instead."""

    name: str
    values: tuple[Any, ...] = ()
    low: float | None = None  # with high: a closed range
    high: float | None = None
    log: bool = False  # drawn evenly on a logarithmic axis

    def __post_init__(self) -> None:
        require(isinstance(self.name, str), "axis name", "a setting's name", self.name)
        require(isinstance(self.values, (tuple, list)), f"values of {self.name}", "a list", self.values)
        object.__setattr__(self, "values", tuple(tuple(v) if isinstance(v, list) else v for v in self.values))
        require(len(self.values) <= MAX_VALUES, f"values of {self.name}", f"at most {MAX_VALUES}", len(self.values))
        require(isinstance(self.log, bool), f"log of {self.name}", "true or false", self.log)
        if self.is_range:
            ends = (self.low, self.high)
            ok = all(isinstance(end, (int, float)) and math.isfinite(end) for end in ends)
            require(ok and self.low < self.high, f"range of {self.name}", "two numbers, low below high", ends)  # type: ignore[operator]
            require(not self.values, f"values of {self.name}", "none beside a range", self.values)
            require(not self.log or self.low > 0, f"low of {self.name}", "above 0 on a logarithmic axis", self.low)  # type: ignore[operator]
        else:
            require(bool(self.values), f"values of {self.name}", "at least one", self.values)

    @property
    def is_range(self) -> bool:
        """Whether it has a range instead of values."""
        return self.low is not None or self.high is not None

    def checked(self, setting: Setting) -> Axis:
        """The axis with its values as the setting keeps them; ``ValueError`` where one is none of it."""
        if self.is_range:
            require(isinstance(setting, (Whole, Real)), f"range of {self.name}", "that of a number", self.name)
            for end in (self.low, self.high):
                setting.checked(self.name, int(end) if isinstance(setting, Whole) else end)  # type: ignore[arg-type]
            return self
        values = tuple(setting.checked(self.name, value) for value in self.values)
        require(len(set(values)) == len(values), f"values of {self.name}", "all different", values)
        return self.replace(values=values)

    def listed(self, setting: Setting) -> Axis:
        """For a grid: a range of whole numbers as the list of them; any other range as it is."""
        if self.low is None or self.high is None or self.log or not isinstance(setting, Whole):
            return self
        count = int(self.high) - int(self.low) + 1
        require(count <= MAX_VALUES, f"values of {self.name}", f"at most {MAX_VALUES}", count)
        return Axis(name=self.name, values=tuple(range(int(self.low), int(self.high) + 1)))


@dataclass(frozen=True, kw_only=True)
class Sweep(Config):
    """What to train: a base run, what varies, how settings are picked, and the seeds of each.

    ``base`` gives all that no axis sets; its seed is replaced by each of ``seeds`` in turn.
    """

    base: RunConfig
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...] = (1,)
    method: str = METHOD.field("grid")
    settings_to_try: int = SETTINGS.field(20)  # of a random or TPE sweep
    minutes: float = MINUTES.field(0.0)
    sweep_seed: int = SWEEP_SEED.field(1)

    def __post_init__(self) -> None:
        if not isinstance(self.base, RunConfig):
            object.__setattr__(self, "base", RunConfig.from_dict(self.base))
        super().__post_init__()
        require(isinstance(self.axes, (tuple, list)), "axes", "a list", self.axes)
        axes = tuple(axis if isinstance(axis, Axis) else Axis.from_dict(axis) for axis in self.axes)
        names = [axis.name for axis in axes]
        require(1 <= len(axes) <= MAX_AXES, "axes", f"1 to {MAX_AXES}", len(axes))
        require(len(set(names)) == len(names), "axes", "all different", names)
        require("preset" not in names or len(names) == 1, "axes", "alone where they are presets", names)
        possible = axis_settings(self.base)
        for name in names:
            require(name in possible, "axis", f"a setting that may vary here ({', '.join(possible)})", name)
        axes = tuple(axis.checked(possible[axis.name]) for axis in axes)
        if self.method == "grid":
            axes = tuple(axis.listed(possible[axis.name]) for axis in axes)
        object.__setattr__(self, "axes", axes)
        require(isinstance(self.seeds, (tuple, list)), "seeds", "a list", self.seeds)
        require(1 <= len(self.seeds) <= MAX_SEEDS, "seeds", f"1 to {MAX_SEEDS}", len(self.seeds))
        seeds = tuple(TrainConfig.settings()["seed"].checked("seeds", seed) for seed in self.seeds)
        require(len(set(seeds)) == len(seeds), "seeds", "all different", seeds)
        object.__setattr__(self, "seeds", seeds)
        ranges = [axis.name for axis in self.axes if axis.is_range]
        require(not ranges or self.method != "grid", "axes", "lists of values in a grid, not ranges", ranges)
        require(self.grid_size <= MAX_SETTINGS, "settings", f"at most {MAX_SETTINGS:,}", self.grid_size)
        for setting in self.grid() if self.method == "grid" else ():
            self.config(setting, seeds[0])  # what does not fit together is refused now

    def to_dict(self) -> dict[str, Any]:
        """The config as JSON-ready values (tuples become lists)."""
        axes = [{name: _plain(value) for name, value in vars(axis).items()} for axis in self.axes]
        return super().to_dict() | {"axes": axes}

    @property
    def grid_size(self) -> int:
        """How many combinations its values have, of ranges one each."""
        return math.prod(max(1, len(axis.values)) for axis in self.axes)

    @property
    def setting_count(self) -> int:
        """How many settings it is to try."""
        if self.method == "grid":
            return self.grid_size
        endless = any(axis.is_range for axis in self.axes)
        return self.settings_to_try if endless else min(self.settings_to_try, self.grid_size)

    @property
    def run_count(self) -> int:
        """How many runs it is to have."""
        return self.setting_count * len(self.seeds)

    def grid(self) -> Iterator[dict[str, Any]]:
        """Every setting of a grid, the last axis varying fastest."""
        for values in itertools.product(*(axis.values for axis in self.axes)):
            yield dict(zip((axis.name for axis in self.axes), values, strict=True))

    def config(self, setting: Mapping[str, Any], seed: int) -> RunConfig:
        """The run of a setting with a seed; ``ValueError`` where its values do not fit together."""
        base, values = self.base, dict(setting)
        if preset := values.pop("preset", None):
            start = starting_points()[preset]
            base = base.replace(model=start.model, train=start.train)
        of_model = {name: value for name, value in values.items() if name in base.model.settings()}
        of_train = {name: value for name, value in values.items() if name not in of_model} | {"seed": seed}
        return base.replace(model=base.model.replace(**of_model), train=base.train.replace(**of_train))

    def setting_of(self, config: RunConfig) -> dict[str, Any]:
        """The inverse of :meth:`config`: where a run stands on the axes."""
        return {axis.name: _value(config, axis.name) for axis in self.axes}

    def said(self, setting: Mapping[str, Any]) -> str:
        """A setting in words, as ``Context size 3, embedding dimension 10``."""
        possible = axis_settings(self.base)
        parts = [f"{possible[name].title} {possible[name].said(value)}" for name, value in setting.items()]
        if set(setting) == {"preset"}:
            return PRESET.said(setting["preset"])
        return ", ".join([parts[0], *(part[0].lower() + part[1:] for part in parts[1:])])


def _value(config: RunConfig, name: str) -> Any:
    if name == "preset":
        return preset_of(config, starting_points())
    owner = config.model if name in config.model.settings() else config.train
    return getattr(owner, name)


def _plain(value: Any) -> Any:
    return [_plain(part) for part in value] if isinstance(value, tuple) else value
