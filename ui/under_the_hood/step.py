"""One step of a pass, read for the screen: its numbers, and what its rows are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmcore.dataset import Vocab
from ui.kit import plots

if TYPE_CHECKING:
    from mmcore.trace import Trace, TraceStep

MEMORY = ("state", "cell")  # kinds that go from one character to the next

Numbers = NDArray[np.float64]


def shape_text(step: TraceStep) -> str:
    """``(T, D) = (3, 10)``; a single number says so."""
    if not step.shape:
        return "one number"
    return f"({step.letters}) = ({', '.join(map(str, step.shape))})"


def by_character(step: TraceStep) -> bool:
    """Whether a step has a row for each character read, or each pair of neighbours."""
    return len(step.shape) == 2 and step.letters[0] in "LT" and step.kind not in ("weights", "table")


def value_of(step: TraceStep) -> Numbers:
    """Its value in float64, for sums and lengths."""
    return np.asarray(step.value, dtype=np.float64)


def row_lengths(step: TraceStep) -> Numbers:
    """The length of each row."""
    return np.asarray(np.linalg.norm(value_of(step), axis=1), dtype=np.float64)


def step_before(step: TraceStep, trace: Trace, *kinds: str) -> TraceStep:
    """The step before this one; of some kinds, the last of them."""
    earlier = trace.steps[: trace.names.index(step.name)]
    return next(one for one in reversed(earlier) if not kinds or one.kind in kinds)


def character_at(step: TraceStep, row: int, trace: Trace, vocab: Vocab) -> str:
    """A row of a step by what was read: ``m (3)``."""
    names = plots.labels(step.letters.split(", ")[-2], step.shape[-2], trace.context, vocab)
    place, symbol = names[row].split(": ", 1)
    return f"{symbol} ({place})"


def largest(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    """The place of the number that is largest in magnitude, and the number."""
    value = value_of(step)
    *row, unit = np.unravel_index(np.abs(value).argmax(), value.shape)
    where = f" at {character_at(step, int(row[0]), trace, vocab)}" if row and len(value) > 1 else ""
    return f"unit {unit}{where}: {value[(*row, unit)]:+.4f}"


def in_general(step: TraceStep, trace: Trace, vocab: Vocab) -> str:
    """What can be said of any step."""
    value = value_of(step)
    return f"{value.size:,} numbers between {value.min():+.4g} and {value.max():+.4g}."
