"""What a sweep has found so far, as every figure of its results reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mmcore.fields import Real, Setting, Whole
from mmcore.paired import Key, Mean, averaged, mean_of, runs_by_setting, val_losses
from mmcore.store import Run
from mmcore.sweeps import Axis, Sweep, axis_settings
from mmcore.symbols import CHARACTERS
from ui.kit.nouns import fit, fit_settings
from ui.kit.text import nats

AVERAGE: Any = object()  # instead of a value: over all of an axis that a figure has no room for
LOSS = "Validation loss (nats per character)"


@dataclass(frozen=True)
class Found:
    """A sweep with the run of each setting and seed, and what the symbols of its corpus are."""

    sweep: Sweep
    runs: dict[Key, dict[int, Run]]
    tokens: str = CHARACTERS

    @classmethod
    def of(cls, sweep: Sweep, runs: Sequence[Run], tokens: str) -> Found:
        """From the sweep's stored runs."""
        return cls(sweep, runs_by_setting(sweep, runs), tokens)

    def fit(self, text: str) -> str:
        """A sentence about characters and words as one about the symbols of the sweep's corpus."""
        return fit(text, self.tokens)

    @cached_property
    def losses(self) -> dict[Key, dict[int, float]]:
        """The validation loss of each setting with each seed that has finished."""
        return {key: val_losses(runs) for key, runs in self.runs.items()}

    @cached_property
    def means(self) -> dict[Key, Mean]:
        """The mean over seeds of each setting that has a loss, lowest first."""
        known = {key: mean for key, losses in self.losses.items() if (mean := mean_of(losses.values()))}
        return dict(sorted(known.items(), key=lambda item: item[1].mean))

    @cached_property
    def names(self) -> dict[Key, str]:
        """Each setting in words."""
        return {key: self.sweep.said(dict(zip(self.axis_names, key, strict=True))) for key in self.runs}

    @cached_property
    def settings(self) -> dict[str, Setting]:
        """What each axis means, by its name."""
        possible = fit_settings(axis_settings(self.sweep.base), self.tokens)
        return {axis.name: possible[axis.name] for axis in self.sweep.axes}

    @property
    def axis_names(self) -> list[str]:
        """In their order."""
        return [axis.name for axis in self.sweep.axes]

    @property
    def listed(self) -> list[Axis]:
        """The axes that have a list of values, more than one."""
        return [axis for axis in self.sweep.axes if len(axis.values) > 1]

    def title(self, name: str) -> str:
        """An axis of a figure: what it is, and its unit."""
        setting = self.settings[name]
        return f"{setting.title} ({setting.unit})" if setting.unit and "(" not in setting.title else setting.title

    def said(self, name: str, value: Any) -> str:
        """A value of an axis on screen."""
        return self.settings[name].said(value)

    def is_number(self, name: str) -> bool:
        """Whether the values of an axis have distances."""
        return isinstance(self.settings[name], (Whole, Real))

    def keys(self, at: dict[str, Any]) -> list[Key]:
        """The settings with these values; an axis that is to be averaged may have any."""
        wanted = [at.get(name, AVERAGE) for name in self.axis_names]
        return [
            key
            for key in self.runs
            if all(value is AVERAGE or value == own for value, own in zip(wanted, key, strict=True))
        ]

    def mean_at(self, keys: Sequence[Key]) -> Mean | None:
        """The mean over seeds; of several settings, of their average with each seed that all of them have."""
        return mean_of(averaged([self.losses[key] for key in keys]).values())


def with_error(mean: Mean, decimals: int = 4) -> str:
    """A mean as ``2.1234 ± 0.0012``; of a single seed without an error."""
    if mean.seeds < 2:
        return nats(mean.mean, decimals)
    return f"{nats(mean.mean, decimals)} ± {nats(mean.error, decimals)}"


def count(number: int, what: str) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def lowered(title: str) -> str:
    """A title within a sentence."""
    return title[:1].lower() + title[1:] if title[1:2].islower() else title
