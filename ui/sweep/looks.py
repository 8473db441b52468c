"""What several figures of a sweep share: how lines are told apart, error bars, axes."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from mmcore.paired import Mean
from ui.kit.theme import Role, Theme, color, figure_layout
from ui.run.embedding_map import BELOW

LINES: tuple[Role, ...] = ("train", "validation", "test", "accent")
DASHES = ("solid", "dash", "dot")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "hexagon", "star")
WIDE = 20  # numbers so many times apart are drawn on a logarithmic axis
TITLE = 40  # characters of a title that fit beside each other on a phone
MOST_LINES = 12  # of one figure: beyond, no one could tell them apart


def line_look(order: int, theme: Theme) -> dict[str, Any]:
    """``line`` and ``marker`` of a figure's n-th line: no two of the first dozen differ in colour only."""
    ink = color(LINES[order % len(LINES)], theme)
    dash, symbol = DASHES[order // len(LINES) % len(DASHES)], SYMBOLS[order % len(SYMBOLS)]
    return {"line": {"color": ink, "dash": dash, "width": 2}, "marker": {"color": ink, "symbol": symbol, "size": 8}}


def error_bars(means: Sequence[Mean], ink: str) -> dict[str, Any]:
    """One standard error each way; none where there is one seed."""
    arms = [None if math.isnan(mean.error) else mean.error for mean in means]
    return {"type": "data", "array": arms, "color": ink, "thickness": 1.2, "width": 4}


def head(title: str, x: str, y: str, theme: Theme, height: int) -> dict[str, Any]:
    """The layout of a figure, with a title that a phone can show: in two lines where one would be cut."""
    lines = textwrap.wrap(title, TITLE, break_long_words=False)
    layout = figure_layout("<br>".join(lines), x=x, y=y, theme=theme, height=height + 20 * (len(lines) - 1))
    return layout | {"margin": {"l": 8, "r": 8, "t": 28 + 20 * len(lines), "b": 8}, "legend": BELOW}


def spread(values: Sequence[float]) -> bool:
    """Whether numbers are far enough apart for a logarithmic axis."""
    return bool(values) and min(values) > 0 and max(values) >= WIDE * min(values)


def scale_x(figure: go.Figure, values: Sequence[float], *, log: bool) -> None:
    """Axis ticks at the values themselves where they are few, on a logarithmic axis if asked for."""
    kind = {"type": "log"} if log else {}
    ticks = {"tickvals": sorted(set(values)), "ticktext": [f"{v:g}" for v in sorted(set(values))]}
    figure.update_xaxes(kind | (ticks if len(set(values)) <= 8 else {}), tickangle=0)
