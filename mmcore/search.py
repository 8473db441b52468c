"""Which setting a random or TPE sweep tries next: Optuna's samplers, asked anew each time from what is known.

Nothing of Optuna's is stored. Its study is rebuilt from the settings tried and their losses, so the runs in the store
are the only truth, and the same runs and ``sweep_seed`` give the same next setting.
"""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .fields import Setting, Whole
from .sweeps import Axis, Sweep, axis_settings

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

TRIES = 100  # draws for a setting that has not been tried and fits together
DIGITS = 4  # significant, of a number drawn from a range
SEEDS = 2**32


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A setting of a sweep, and what came of it."""

    setting: Mapping[str, Any]
    loss: float | None = None  # mean validation loss over its seeds; None while it trains, or where it failed
    ended: bool = True


def next_setting(sweep: Sweep, tried: Sequence[Tried]) -> dict[str, Any] | None:
    """What a random or TPE sweep tries next; None where it finds nothing new that fits together.

    Raises
    ------
    ValueError
        Where Optuna is not installed.
    """
    known = {_key(one.setting) for one in tried}
    for attempt in range(TRIES):
        drawn = _draw(sweep, tried, len(tried) + len(tried) * TRIES + attempt)
        if _key(drawn) not in known:
            try:
                sweep.config(drawn, sweep.seeds[0])
            except ValueError:
                continue
            return drawn
    return None if any(axis.is_range for axis in sweep.axes) else _one_left(sweep, known)


def _one_left(sweep: Sweep, known: Collection[tuple[Any, ...]]) -> dict[str, Any] | None:
    """Any combination of a sweep's lists that has not been tried and fits together."""
    left = [setting for setting in sweep.grid() if _key(setting) not in known]
    random.Random(sweep.sweep_seed * 1_000_003 + len(known)).shuffle(left)
    for setting in left:
        with contextlib.suppress(ValueError):
            sweep.config(setting, sweep.seeds[0])
            return setting
    return None


def _draw(sweep: Sweep, tried: Sequence[Tried], number: int) -> dict[str, Any]:
    study = _study(sweep.method, (sweep.sweep_seed * 1_000_003 + number) % SEEDS)
    possible = axis_settings(sweep.base)
    coded = {axis.name: _Coded(axis, possible[axis.name]) for axis in sweep.axes}
    ways = {name: code.distribution() for name, code in coded.items()}
    if sweep.method == "tpe":  # random draws are the same whatever came of the others
        _tell(study, coded, ways, tried)
    parameters = study.ask(ways).params
    return {name: code.value(parameters[name]) for name, code in coded.items()}


def _study(method: str, seed: int) -> Study:
    try:
        import optuna
    except ImportError as problem:
        raise ValueError(f"method must be grid where Optuna is not installed, got {method}") from problem
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    samplers: dict[str, Any] = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
    more = {"constant_liar": True, "multivariate": True} if method == "tpe" else {}
    return optuna.create_study(sampler=samplers[method](seed=seed, **more))


def _tell(study: Study, coded: Mapping[str, _Coded], ways: Any, tried: Sequence[Tried]) -> None:
    """Let a study know what was tried, but for what the sweep's axes do not have any more."""
    from optuna.trial import TrialState, create_trial

    for one in tried:
        parameters = {name: code.parameter(one.setting[name]) for name, code in coded.items()}
        if None in parameters.values():
            continue
        finite = one.loss is not None and math.isfinite(one.loss)
        state = TrialState.RUNNING if not one.ended else TrialState.COMPLETE if finite else TrialState.FAIL
        value = one.loss if state is TrialState.COMPLETE else None
        study.add_trial(create_trial(state=state, params=parameters, distributions=dict(ways), value=value))


class _Coded:
    """An axis as Optuna has it: a range as it is, numbers of a list by their order, words by their text."""

    def __init__(self, axis: Axis, setting: Setting) -> None:
        self.axis, self.setting = axis, setting
        numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in axis.values)
        self.values = sorted(axis.values) if numbers else list(axis.values)
        self.ordered = numbers and len(self.values) > 2

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        low, high = self.axis.low, self.axis.high
        if low is not None and high is not None:
            if isinstance(self.setting, Whole):
                return IntDistribution(int(low), int(high), log=self.axis.log)
            return FloatDistribution(low, high, log=self.axis.log)
        if self.ordered:
            return IntDistribution(0, len(self.values) - 1)
        return CategoricalDistribution([str(value) for value in self.values])

    def value(self, parameter: Any) -> Any:
        """A parameter as the setting has it."""
        if self.axis.is_range:
            assert self.axis.low is not None and self.axis.high is not None
            if isinstance(self.setting, Whole):
                return int(parameter)
            return min(max(float(f"{parameter:.{DIGITS}g}"), self.axis.low), self.axis.high)
        if self.ordered:
            return self.values[parameter]
        return next(value for value in self.values if str(value) == parameter)

    def parameter(self, value: Any) -> Any:
        """The inverse of :meth:`value`; None for a value that is not on the axis any more."""
        if self.axis.is_range:
            assert self.axis.low is not None and self.axis.high is not None
            return value if self.axis.low <= value <= self.axis.high else None
        if value not in self.values:
            return None
        return self.values.index(value) if self.ordered else str(value)


def _key(setting: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(setting.values())
