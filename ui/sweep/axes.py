"""What varies in a sweep, as someone types it: lists of values, ranges, seeds; and what to begin with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from mmcore.config import RunConfig
from mmcore.fields import Choice, Flag, Real, Setting, Sizes, Whole
from mmcore.presets import preset_of
from mmcore.sweeps import BETWEEN, Axis, Sweep

EVERY_RATE = 10  # a range that is so many times as high as low is drawn on a logarithmic axis, unless told otherwise


def written(axis: Axis, setting: Setting) -> str:
    """The inverse of :func:`~mmcore.sweeps.read_axis`."""
    if axis.is_range:
        return f"{setting.written(axis.low)}{BETWEEN}{setting.written(axis.high)}"
    if isinstance(setting, Sizes):
        return ", ".join(setting.said(value).replace("×", "x") for value in axis.values)
    return ", ".join(setting.written(value) for value in axis.values)


def is_typed(setting: Setting) -> bool:
    """Whether its values are typed; others are chosen from what there is."""
    return not isinstance(setting, (Choice, Flag))


def how(setting: Setting, method: str = "grid") -> str:
    """How its values are typed, in Markdown."""
    if isinstance(setting, Sizes):
        return "Models with commas between, the layers of each joined by `x`: `100, 100 x 100`. "
    if method == "grid":
        return "Values with commas between, such as `1, 2, 4`. "
    return "A range, such as `0.001 to 0.1`, or values with commas between. "


def written_seeds(seeds: Sequence[int]) -> str:
    """The inverse of :func:`~mmcore.sweeps.read_seeds`."""
    if len(seeds) > 2 and all(after == before + 1 for before, after in pairwise(seeds)):
        return f"{seeds[0]}{BETWEEN}{seeds[-1]}"
    return ", ".join(map(str, seeds))


# ---- what to begin with


def options(base: RunConfig, name: str, setting: Setting) -> list[Any]:
    """The values of a choice that fit the other settings."""
    known: Sequence[Any] = tuple(setting.options) if isinstance(setting, Choice) else (False, True)
    return list(_fitting(base, name, known))


def values(base: RunConfig, name: str, setting: Setting) -> Axis:
    """Some values around that of the base run, or for a choice all that there are."""
    if name == "preset":
        mine = preset_of(base)
        return Axis(name=name, values=tuple(dict.fromkeys(["quick", "blink", *([mine] if mine else [])])))
    if not is_typed(setting):
        return Axis(name=name, values=tuple(options(base, name, setting)))
    return Axis(name=name, values=tuple(_fitting(base, name, _around(base, name, setting))))


def in_range(base: RunConfig, name: str, setting: Setting) -> Axis:
    """A range around the base run's value, of a number; of anything else :func:`values`."""
    few = values(base, name, setting)
    if not isinstance(setting, (Whole, Real)) or len(few.values) < 2:
        return few
    return Axis(name=name, low=min(few.values), high=max(few.values))


def wide(axis: Axis) -> bool:
    """Whether a range spans so much that small and large values of it are told apart on a logarithmic axis only."""
    return axis.low is not None and axis.high is not None and 0 < EVERY_RATE * axis.low <= axis.high


def _around(base: RunConfig, name: str, setting: Setting) -> list[Any]:
    """Stops of its slider next to the base run's value, or half and twice that where it has none."""
    value = _of(base, name)
    layers = len(value) if isinstance(setting, Sizes) else 0
    middle = (value[0] if layers else 1) if isinstance(setting, Sizes) else value
    half: float = middle // 2 if isinstance(middle, int) else middle / 2
    stops = sorted({*(setting.stops or (half, 2 * middle)), middle})
    at = stops.index(middle)
    near = stops[max(0, at - 2) : at + 3]
    return [(stop,) * max(1, layers) for stop in near] if isinstance(setting, Sizes) else near


def _of(base: RunConfig, name: str) -> Any:
    return getattr(base.model if name in base.model.settings() else base.train, name)


def _fitting(base: RunConfig, name: str, values: Sequence[Any]) -> Iterator[Any]:
    """Those with which the base run is still one."""
    for value in values:
        with contextlib.suppress(ValueError):
            Sweep(base=base, axes=(Axis(name=name, values=(value,)),))
            yield value
