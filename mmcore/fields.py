"""Settings as frozen plain data: what a field means, checking it, reading and writing a table of them. No torch."""

from __future__ import annotations

import dataclasses
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
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


def choice(name: str, value: object, options: Collection[str]) -> None:
    """Check for one of some words."""
    require(isinstance(value, str) and value in options, name, "one of " + ", ".join(options), value)


@dataclass(frozen=True, kw_only=True)
class Setting(ABC):
    """What a field of a config means, said once.

    Validation, forms, sliders, the command line, addresses and summaries read it here.

    Parameters
    ----------
    title : on screen
    help : Markdown; its first sentence is the command line's
    unit : of its numbers, in the plural
    stops : where a slider stops; without any there is no slider
    summary : how a one-line summary says ``{value}``, or its ``{title}`` on screen; empty: not at all
    usual : the value that a summary leaves out
    more : whether a form shows it under *More settings*, and Playground below the sliders that are moved most
    on_form : whether a form shows it at all
    """

    title: str
    help: str
    unit: str = ""
    stops: tuple[Any, ...] = ()
    summary: str = ""
    usual: object = None
    more: bool = False
    on_form: bool = True

    def field(self, default: Any) -> Any:
        """A field of a dataclass that means this, with a default of its own."""
        return dataclasses.field(default=default, metadata={"setting": self})

    @abstractmethod
    def checked(self, name: str, value: Any) -> Any:
        """The value as a config keeps it; ``ValueError`` with field, rule and value if it is none."""

    def read(self, name: str, text: str) -> Any:
        """A value from text, as an address has it; ``ValueError`` as from :meth:`checked`."""
        try:
            value = self._parsed(text)
        except ValueError:
            value = text
        return self.checked(name, value)

    def _parsed(self, text: str) -> Any:
        return text

    def written(self, value: Any) -> str:
        """The inverse of :meth:`read`."""
        return str(value)

    def said(self, value: Any) -> str:
        """A value on screen."""
        return str(value)

    def summarised(self, value: Any) -> str:
        """Its part of a one-line summary; empty where there is nothing to say."""
        if not self.summary or value == self.usual:
            return ""
        said = self.summary.format(value=self.written(value), title=self.said(value))
        return said.removesuffix("s") if value == 1 else said

    @property
    def first_sentence(self) -> str:
        """Of the help, without its Markdown."""
        sentence, stop, _ = self.help.partition(". ")
        return re.sub(r"[*`]", "", sentence + stop.rstrip())


@dataclass(frozen=True, kw_only=True)
class Whole(Setting):
    """A whole number in a closed range."""

    low: int
    high: int

    def checked(self, name: str, value: Any) -> Any:
        whole(name, value, self.low, self.high)
        return value

    def _parsed(self, text: str) -> int:
        return int(text)


@dataclass(frozen=True, kw_only=True)
class Real(Setting):
    """A number in a range; ``open_low``: above its lower end. ``step`` is that of a form's buttons."""

    low: float
    high: float
    open_low: bool = False
    step: float = 0.1

    def checked(self, name: str, value: Any) -> Any:
        # Comparing refuses NaN and infinities too, and does not overflow on a huge int as math.isfinite would.
        ok = isinstance(value, (int, float)) and not isinstance(value, bool)
        ok = ok and (self.low < value if self.open_low else self.low <= value) and value <= self.high
        above = f"above {self.low:g} and at most {self.high:g}"
        require(ok, name, f"a number {above if self.open_low else f'from {self.low:g} to {self.high:g}'}", value)
        return value

    def _parsed(self, text: str) -> float:
        return float(text)

    def written(self, value: Any) -> str:
        return f"{value:g}"

    def said(self, value: Any) -> str:
        return self.written(value)


@dataclass(frozen=True, kw_only=True)
class Choice(Setting):
    """One of some words, each with what it is called on screen. A slider would be a box to choose from."""

    options: Mapping[str, str]

    def checked(self, name: str, value: Any) -> Any:
        choice(name, value, self.options)
        return value

    def said(self, value: Any) -> str:
        return self.options[value]


@dataclass(frozen=True, kw_only=True)
class Flag(Setting):
    """Yes or no."""

    def checked(self, name: str, value: Any) -> Any:
        require(isinstance(value, bool), name, "true or false", value)
        return value

    def _parsed(self, text: str) -> bool:
        if text not in ("0", "1"):
            raise ValueError
        return text == "1"

    def written(self, value: Any) -> str:
        return str(int(value))

    def said(self, value: Any) -> str:
        return "on" if value else "off"


@dataclass(frozen=True, kw_only=True)
class Line(Setting):
    """A line of text, which may be empty."""

    most: int  # characters

    def checked(self, name: str, value: Any) -> str:
        valid = isinstance(value, str) and len(value) <= self.most and "\n" not in value
        require(valid, name, f"one line of at most {self.most} characters", value)
        return str(value)


@dataclass(frozen=True, kw_only=True)
class Sizes(Setting):
    """Whole numbers, one a layer; none is no layer. The stops of a slider are for one layer."""

    low: int
    high: int
    most: int

    def checked(self, name: str, value: Any) -> tuple[int, ...]:
        require(isinstance(value, (tuple, list)), name, "a list of numbers", value)
        require(len(value) <= self.most, name, f"at most {self.most} layers", value)
        for size in value:
            whole(name, size, self.low, self.high)
        return tuple(value)

    def read(self, name: str, text: str) -> tuple[int, ...]:
        """As someone types them: ``"256, 256"`` is ``(256, 256)``, nothing is no layer."""
        parts = text.replace(",", " ").split()
        valid = all(part.isdecimal() and len(part) < 10 for part in parts)
        require(valid, name, "whole numbers with commas between", text)
        return self.checked(name, tuple(map(int, parts)))

    def written(self, value: Any) -> str:
        return ", ".join(map(str, value))

    def said(self, value: Any) -> str:
        return " × ".join(map(str, value)) or "none"


def _plain(value: Any) -> Any:
    """A field's value as JSON has it."""
    if isinstance(value, Config):
        return value.to_dict()
    return list(value) if isinstance(value, tuple) else value


class Config:
    """Reading and writing as plain JSON values; unknown fields are errors, absent ones take their default."""

    def __post_init__(self) -> None:
        for name, setting in self.settings().items():
            object.__setattr__(self, name, setting.checked(name, getattr(self, name)))

    @classmethod
    def settings(cls) -> dict[str, Setting]:
        """The fields that someone sets, in order, and what each means."""
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]
        return {field.name: field.metadata["setting"] for field in fields if "setting" in field.metadata}

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
