"""Settings as frozen plain data: checking a field, reading and writing a table of them. No torch here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

MAX_QUOTED = 120  # characters of a value that a message repeats


def cut(text: str, most: int = MAX_QUOTED) -> str:
    """Text for a message, of a length that somebody else does not choose."""
    return text if len(text) <= most else text[:most] + "…"


def quoted(value: object) -> str:
    """A value as a message repeats it: as Python writes it, cut."""
    return repr(value) if isinstance(value, str) and len(value) <= MAX_QUOTED else cut(_written(value))


def _written(value: object) -> str:
    return repr(value[: MAX_QUOTED + 1]) if isinstance(value, (str, list, tuple)) else repr(value)


def require(valid: bool, field_name: str, rule: str, value: object) -> None:
    """Raise the one sentence every invalid setting gets: field, rule, value."""
    if not valid:
        raise ValueError(f"{field_name} must be {rule}, got {quoted(value)}")


def whole(name: str, value: object, low: int, high: int) -> None:
    """Check for a whole number in a closed range."""
    ok = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    require(ok, name, f"a whole number from {low:,} to {high:,}", value)


def real(name: str, value: object, low: float, high: float, *, open_low: bool = False) -> None:
    """Check for a number in a range."""
    # Comparing refuses NaN and infinities too, and does not overflow on a huge int as math.isfinite would.
    ok = isinstance(value, (int, float)) and not isinstance(value, bool)
    ok = ok and (low < value if open_low else low <= value) and value <= high  # type: ignore[operator]
    rule = f"above {low:g} and at most {high:g}" if open_low else f"from {low:g} to {high:g}"
    require(ok, name, f"a number {rule}", value)


def choice(name: str, value: object, options: tuple[str, ...]) -> None:
    """Check for one of some words."""
    require(value in options, name, "one of " + ", ".join(options), value)


def _plain(value: Any) -> Any:
    """A field's value as JSON has it."""
    if isinstance(value, Config):
        return value.to_dict()
    return list(value) if isinstance(value, tuple) else value


class Config:
    """Reading and writing as plain JSON values; unknown fields are errors, absent ones take their default."""

    @classmethod
    def _called(cls) -> str:
        """What messages call this kind of config."""
        return cls.__name__

    def to_dict(self) -> dict[str, Any]:
        """The config as JSON-ready values (tuples become lists)."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`; ``ValueError`` for a field that is unknown, or needed and missing."""
        called = cls._called()
        require(isinstance(values, Mapping), called, "a table of fields", values)
        fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(map(str, set(values) - set(fields)))
        require(not unknown, f"{called} fields", "among " + ", ".join(sorted(fields)), unknown)
        optional = (dataclasses.MISSING, dataclasses.MISSING)
        needed = {name for name, f in fields.items() if (f.default, f.default_factory) == optional}
        require(needed <= set(values), f"{called} fields", "at least " + ", ".join(needed), sorted(values))
        return cls(**values)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked like a new one."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]
