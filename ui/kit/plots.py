"""Charts that know no run, as pure functions: numbers in, plotly figure out, in the theme they are drawn in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from mmcore import Vocab, show_symbol
from ui.kit.theme import SURFACES, Role, Theme, color, figure_layout

MAX_COLUMNS = 256  # of a heatmap, and bars of a chart: beyond, no one could tell them apart
LETTERS = {
    "T": "Position in the context",
    "D": "Dimension",
    "T·D": "Position and dimension",
    "T/": "Characters fused",
    "L": "Character read",
    "place": "Place, from the boundary",
    "H": "Hidden unit",
    "2D": "Dimension, of the left neighbour, then the right",
    "2H": "Unit, of the left neighbour, then the right",
    "3D": "Dimension of queries, keys, values",
    "4D": "Unit of the feed-forward layer",
    "V": "Character",
}
SPELLED = 8  # characters of context up to which a position's title shows all of it


def clicked_id(point: Mapping[str, Any]) -> int:
    """The ``customdata`` of a selected point, which the browser sends bare or in a list."""
    found = point["customdata"]
    return int(found[0] if isinstance(found, list) else found)


def diverging(theme: Theme) -> list[list[Any]]:
    """Orange below zero, the page's own colour at zero, teal above."""
    shades = (color("validation", theme), SURFACES[theme].background, color("accent", theme))
    return [[at, shade] for at, shade in zip((0, 0.5, 1), shades, strict=True)]


def labels(letter: str, size: int, context: Sequence[int], vocab: Vocab) -> list[str]:
    """Names of the places along an axis; L is what a context ends with, T/2 its characters two by two."""
    symbols = [show_symbol(vocab.symbols[i]) for i in context]
    if letter == "L":
        return [f"{at}: {symbol}" for at, symbol in enumerate(symbols[len(symbols) - size :], start=1)]
    if letter == "T" or letter.startswith("T/"):
        width = len(symbols) // size
        return [f"{at + 1}: {vocab.cutting.between.join(symbols[at * width : (at + 1) * width])}" for at in range(size)]
    if letter == "T·D":
        width = size // len(symbols)
        return [f"{at}: {symbol} [{d}]" for at, symbol in enumerate(symbols, start=1) for d in range(width)]
    return [show_symbol(symbol) for symbol in vocab.symbols] if letter == "V" else [str(i) for i in range(size)]


def axis(letter: str) -> str:
    """What the places along an axis are."""
    return LETTERS["T/"] if letter.startswith("T/") else LETTERS.get(letter, letter)


def every(places: int, beside: Sequence[str] = ()) -> int:
    """Which places of an axis get a label: all of a few that a phone can show beside each other, a tenth of many."""
    return 1 if places <= 32 and sum(map(len, beside)) <= 36 else math.ceil(places / 10)


def bars(
    heights: NDArray[np.generic],
    names: Sequence[str],
    title: str,
    x: str,
    theme: Theme,
    *,
    marked: int | None = None,
    y: str = "Value",
) -> go.Figure:
    """One bar for each number; the marked one hatched, outlined and said to be the right answer."""
    shown = np.asarray(heights[:MAX_COLUMNS], dtype=np.float64)
    hatch = ["/" if i == marked else "" for i in range(len(shown))]
    inks = [color("accent" if value >= 0 else "validation", theme) for value in shown]
    figure = go.Figure(
        go.Bar(
            x=list(names[: len(shown)]),
            y=shown,
            marker={"color": inks, "pattern": {"shape": hatch, "solidity": 0.5, "fgcolor": SURFACES[theme].text}},
            customdata=["the right answer" if i == marked else "" for i in range(len(shown))],
            hovertemplate="%{x} %{customdata}<br>%{y:.9g}<extra></extra>",
        )
    )
    more = f" (first {MAX_COLUMNS} of {len(heights):,})" if len(heights) > MAX_COLUMNS else ""
    figure.update_layout(figure_layout(title + more, x=x, y=y, theme=theme, height=340), margin_t=48, bargap=0.12)
    figure.update_xaxes(type="category", tickangle=0, tickfont_size=11, dtick=every(len(shown), names))
    figure.update_yaxes(zeroline=True, zerolinecolor=SURFACES[theme].muted)
    if marked is not None and marked < len(shown):
        figure.add_annotation(
            x=marked, y=max(shown[marked], 0), text="right answer", showarrow=True, arrowhead=2, ax=0, ay=-28
        )
    return figure


def heatmap(
    table: NDArray[np.generic],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    letters: Sequence[str],
    theme: Theme,
    *,
    shares: bool = False,
) -> go.Figure:
    """A matrix, zero in the page's colour, exact on hover; shares are from 0 to 1."""
    shown = np.asarray(table[:MAX_COLUMNS, :MAX_COLUMNS], dtype=np.float32)
    top = float(np.abs(shown).max()) or 1.0
    figure = go.Figure(
        go.Heatmap(
            x=list(columns[: shown.shape[1]]),
            y=list(rows[: shown.shape[0]]),
            z=shown,
            zmin=0.0 if shares else -top,
            zmax=1.0 if shares else top,
            colorscale=list(SURFACES[theme].scale) if shares else diverging(theme),
            hovertemplate="row %{y}, column %{x}<br>%{z:.9g}<extra></extra>",
            colorbar={"thickness": 10, "title": {"text": "Value"}},
        )
    )
    cut = "" if shown.shape == table.shape else f" (first {shown.shape[0]} × {shown.shape[1]})"
    height = int(np.clip(150 + 22 * len(shown), 260, 560))
    layout = figure_layout(title + cut, x=axis(letters[1]), y=axis(letters[0]), theme=theme, height=height)
    figure.update_layout(layout, margin_t=48)
    small = {"type": "category", "showgrid": False, "tickfont_size": 11, "tickangle": 0}
    figure.update_xaxes(small, dtick=every(shown.shape[1], columns))
    return figure.update_yaxes(small, autorange="reversed", dtick=every(shown.shape[0]))


def two_bars(
    before: NDArray[np.generic], after: NDArray[np.generic], names: tuple[str, str], vocab: Vocab, theme: Theme
) -> go.Figure:
    """Two distributions over the next character, side by side."""
    figure = go.Figure()
    symbols = [show_symbol(symbol) for symbol in vocab.symbols]
    looks: tuple[tuple[Role, str], ...] = (("batch", ""), ("accent", "/"))
    for heights, name, (role, shape) in zip((before, after), names, looks, strict=True):
        figure.add_bar(
            x=symbols[:MAX_COLUMNS],
            y=np.asarray(heights, dtype=np.float64)[:MAX_COLUMNS],
            name=name,
            marker={"color": color(role, theme), "pattern": {"shape": shape}},
            hovertemplate="%{x}<br>probability %{y:.6f}<extra>%{fullData.name}</extra>",
        )
    title = f"Next character, {names[0].lower()} and {names[1].lower()}"
    layout = figure_layout(title, x="Next character", y="Probability", theme=theme, height=360)
    figure.update_layout(layout, barmode="group", bargap=0.2)
    return figure.update_xaxes(type="category", tickangle=0, tickfont_size=11, dtick=1)


def histogram(
    samples: NDArray[np.floating], title: str, x: str, theme: Theme, limits: tuple[float, float]
) -> go.Figure:
    """How often each value occurs, binned here so that the browser gets 60 numbers and not a million."""
    counts, edges = np.histogram(np.clip(samples, *limits), bins=60, range=limits)
    figure = go.Figure(
        go.Bar(
            x=(edges[1:] + edges[:-1]) / 2,
            y=100 * counts / max(1, counts.sum()),
            width=np.diff(edges),
            marker_color=color("accent", theme),
            customdata=np.stack([edges[:-1], edges[1:]], axis=1),
            hovertemplate="%{customdata[0]:.3f} to %{customdata[1]:.3f}<br>%{y:.2f} %<extra></extra>",
        )
    )
    layout = figure_layout(title, x=x, y="Share (%)", theme=theme, height=300)
    return figure.update_layout(layout, margin_t=48)
