"""What several figures of a sweep share: how lines are told apart, error bars, axes."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from mmcore.paired import Mean
from ui.kit.theme import SURFACES, Role, Theme, color, figure_layout
from ui.run.embedding_map import BELOW

LINES: tuple[Role, ...] = ("train", "validation", "test", "accent")
DASHES = ("solid", "dash", "dot")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "hexagon", "star")
WIDE = 20  # numbers so many times apart are drawn on a logarithmic axis
TITLE = 40  # characters of a title that fit beside each other on a phone
TICK_ROOM = 16  # so many labels fit below an axis on a phone
ASTRAY = 10.0  # times as far above the lowest loss as the median is
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


def readable(shade: float, theme: Theme) -> str:
    """Black or white: whichever stands out more from a place on the colour scale, by 4.5 : 1 at least (WCAG 2)."""
    ground = _luminance(sample_colorscale(list(SURFACES[theme].scale), [shade], colortype="tuple")[0])
    return "#000000" if (ground + 0.05) / 0.05 > 1.05 / (ground + 0.05) else "#ffffff"


def _luminance(rgb: Sequence[float]) -> float:
    """Relative luminance of a colour with parts from 0 to 1 (WCAG 2)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def spread(values: Sequence[float]) -> bool:
    """Whether numbers are far enough apart for a logarithmic axis."""
    return bool(values) and min(values) > 0 and max(values) >= WIDE * min(values)


def scale_x(figure: go.Figure, values: Sequence[float]) -> None:
    """A logarithmic axis for numbers far apart; else ticks at the numbers themselves where a phone can show them."""
    places = sorted(set(values))
    if spread(places):
        figure.update_xaxes(type="log", tickangle=0)
    elif len(places) > 1 and min(b - a for a, b in pairwise(places)) >= (places[-1] - places[0]) / TICK_ROOM:
        figure.update_xaxes(tickvals=places, ticktext=[f"{place:g}" for place in places], tickangle=0)


def highest_shown(losses: Sequence[float]) -> float:
    """The highest loss that a figure begins with: one that went astray must not press all others onto one line."""
    low = min(losses)
    limit = low + ASTRAY * (float(np.median(losses)) - low)
    within = [loss for loss in losses if loss <= limit]
    return max(within) if max(losses) > limit and len(within) > 1 else max(losses)


def show_losses(figure: go.Figure, losses: Sequence[float]) -> str:
    """Begin with the losses that can be told apart; what to say about the others."""
    low, high = min(losses), highest_shown(losses)
    above = sum(loss > high for loss in losses)
    if not above:
        return ""
    room = 0.1 * (high - low)
    figure.update_yaxes(range=[low - room, high + room])
    return (
        f" {above} of {len(losses)} points {'lies' if above == 1 else 'lie'} above the figure: double-click to see all."
    )
