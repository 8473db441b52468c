"""The map of an embedding table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from mmcore import show_symbol
from mmcore.labels import place_labels
from ui.kit.theme import SURFACES, Role, Theme, color, figure_layout

CLASS_STYLES: tuple[tuple[Role, str], ...] = (
    ("train", "circle"),
    ("validation", "square"),
    ("test", "diamond"),
    ("accent", "hexagon"),
    ("reference", "octagon"),
    ("batch", "pentagon"),
)
BELOW = {"yref": "container", "y": 0, "yanchor": "bottom"}  # a legend that may take several lines on a phone
DOT = 9  # pixels; plotly finds the point next to a fingertip
SMALLEST = 260  # pixels that the points spread over on a phone; wherever there are more, labels are as far apart
LETTER, LINE = 9, 17  # pixels that a label takes, a letter wide and a line high
BESIDE = 18  # pixels from a point within which it is plain whose label that is; beyond, a line leads there


class Coloring(TypedDict, total=False):
    """How symbols are told apart: by a class each (outline colour and marker shape), or by a number each (shade)."""

    groups: Sequence[str]
    values: Sequence[float]
    value_title: str


def embedding(
    points: NDArray[np.floating],
    symbols: Sequence[str],
    axes: Sequence[str],
    *,
    title: str,
    groups: Sequence[str] | None = None,
    values: Sequence[float] | None = None,
    value_title: str = "",
    theme: Theme,
    span: float | None = None,
    moving: bool = False,
) -> go.Figure:
    """Every symbol at its (V, k) point, k = 1, 2 or 3, its id as ``customdata``, its label beside it.

    Either ``groups`` (a class a symbol: colour and marker shape) or ``values`` (a number a symbol: shade). ``span`` is
    what the axes will reach over, where that is more than these points; labels of ``moving`` points move with them.
    """
    figure = go.Figure()
    layout = figure_layout(title, x=axes[0], y=axes[1] if len(axes) > 1 else "", theme=theme, height=560)
    figure.update_layout(layout)
    if values is not None:
        unknown = np.isnan(np.asarray(values, dtype=float))
        ids = np.flatnonzero(~unknown)
        shaded = _shaded([float(values[i]) for i in ids.tolist()], theme)
        _add_symbols(figure, points, symbols, ids, shaded, theme, f"{value_title}: ")
        if unknown.any():
            plain = _inked("reference", "circle-open", theme, points.shape[1])
            _add_symbols(figure, points, symbols, np.flatnonzero(unknown), plain, theme, "", name="no such share")
    else:
        listed = list(groups or ["symbol"] * len(symbols))
        for order, group in enumerate(dict.fromkeys(sorted(listed))):
            ids = np.array([i for i, own in enumerate(listed) if own == group])
            role, shape = CLASS_STYLES[order % len(CLASS_STYLES)]
            inked = _inked(role, shape, theme, points.shape[1])
            _add_symbols(figure, points, symbols, ids, inked, theme, "", name=group)
    _fit_axes(figure, axes, theme)
    if points.shape[1] == 2 and not moving:
        figure.update_layout(annotations=labels(points, symbols, span, theme))
    else:
        figure.update_traces(mode="markers+text", textposition="top center")
    return figure


def labels(
    points: NDArray[np.floating], symbols: Sequence[str], span: float | None, theme: Theme
) -> list[dict[str, Any]]:
    """Plotly's annotations of a plane, pushed apart; one without room near its point is said on hover alone."""
    shown = [show_symbol(symbol) for symbol in symbols]
    scale = SMALLEST / (span or float(np.ptp(points, axis=0).max()) or 1.0)
    sizes = np.array([(LETTER * len(text) + 4, LINE) for text in shown], dtype=float)
    surface, notes = SURFACES[theme], []
    placed = place_labels(points * scale, sizes)
    for i, ((x, y), (right, up), text) in enumerate(zip(points.tolist(), placed, shown, strict=True)):
        if np.isnan(right):
            continue
        note = {"x": x, "y": y, "text": text, "name": str(i), "font": {"size": 13, "color": surface.text}}
        if np.hypot(right, up) <= BESIDE + LETTER * (len(text) - 1):
            note |= {"showarrow": False, "xshift": right, "yshift": up}
        else:
            note |= {"ax": right, "ay": -up, "arrowhead": 0, "arrowwidth": 1, "arrowcolor": surface.muted}
            note |= {"standoff": DOT / 2 + 1, "borderpad": 0}
        notes.append(note)
    return notes


def _inked(role: Role, shape: str, theme: Theme, dimensions: int) -> dict[str, Any]:
    ink = color(role, theme)
    if dimensions == 3:  # 3-D markers know few shapes
        flat = {"hexagon": "cross", "octagon": "x", "pentagon": "circle-open"}
        return {"color": ink, "symbol": flat.get(shape, shape), "size": 5}
    return {"color": ink, "symbol": shape, "size": DOT}


def _shaded(values: Sequence[float], theme: Theme) -> dict[str, Any]:
    return {
        "color": list(values),
        "coloraxis": "coloraxis",
        "line": {"color": SURFACES[theme].muted, "width": 1},
        "size": DOT + 2,
        "symbol": "circle",
    }


def _add_symbols(
    figure: go.Figure,
    points: NDArray[np.floating],
    symbols: Sequence[str],
    ids: NDArray[np.int64],
    look: dict[str, Any],
    theme: Theme,
    prefix: str,
    name: str = "",
) -> None:
    """One trace: the symbols with these ids."""
    shown = [show_symbol(symbols[i]) for i in ids]
    surface = SURFACES[theme]
    shared: dict[str, Any] = {
        "text": shown,
        "customdata": ids,
        "mode": "markers",
        "marker": look,
        "name": name,
        "showlegend": bool(name),
        "textfont": {"size": 13, "color": surface.text},
    }
    if "coloraxis" in look:
        figure.update_layout(
            coloraxis={
                "colorscale": list(surface.scale),
                "colorbar": {
                    "title": {"text": prefix.rstrip(": "), "side": "right", "font": {"size": 13}},
                    "thickness": 10,
                },
            }
        )
    numbers = "<br>".join(
        f"{axis} %{{{axis}:.6f}}" for axis in "xyz"[: points.shape[1]]
    )  # exact, whatever the axis rounds to
    shared["hovertemplate"] = f"<b>%{{text}}</b> {name}<br>{numbers}<extra></extra>"
    if "coloraxis" in look:
        shared["hovertemplate"] = f"<b>%{{text}}</b><br>{prefix}%{{marker.color:.6f}}<br>{numbers}<extra></extra>"
    if points.shape[1] == 3:
        look["size"] = 6
        x, y, z = points[ids].T
        figure.add_scatter3d(x=x, y=y, z=z, **shared)
    else:
        # A point chosen by a click fades the others: enough to see it, and they stay readable.
        shared["unselected"] = {"marker": {"opacity": 0.5}, "textfont": {"color": surface.muted}}
        y = points[:, 1] if points.shape[1] == 2 else stacked(points[:, 0])
        figure.add_scatter(x=points[ids, 0], y=y[ids], **shared)


def stacked(values: NDArray[np.floating], gap: float = 0.08) -> NDArray[np.float64]:
    """A level for each value, so that two on one level are at least ``gap`` of the whole range apart."""
    ends: list[float] = []  # the last value on each level
    levels = np.zeros(len(values))
    apart = gap * (float(values.max() - values.min()) or 1.0)
    for i in np.argsort(values, kind="stable"):
        level = next((k for k, end in enumerate(ends) if values[i] - end >= apart), len(ends))
        ends[level : level + 1] = [float(values[i])]
        levels[i] = level
    return levels


def _fit_axes(figure: go.Figure, axes: Sequence[str], theme: Theme) -> None:
    """Axes by the number of dimensions: a strip, a plane where one unit is as long both ways, or a space."""
    if len(axes) == 1:
        levels = max(max(trace.y) for trace in figure.data) + 1
        figure.update_yaxes(visible=False, range=[-0.7, levels - 0.3], fixedrange=True)
        figure.update_layout(height=190 + 34 * int(levels))
    if len(axes) == 2:
        figure.update_yaxes(scaleanchor="x")
    if len(axes) == 3:
        grid = {"gridcolor": SURFACES[theme].grid, "backgroundcolor": "rgba(0,0,0,0)", "color": SURFACES[theme].muted}
        scene = {f"{name}axis": grid | {"title": {"text": axis}} for name, axis in zip("xyz", axes, strict=True)}
        figure.update_layout(scene=scene | {"aspectmode": "cube", "camera": {"eye": {"x": 1.8, "y": 1.8, "z": 1.0}}})
    figure.update_layout(legend=BELOW, margin_t=48)
    figure.update_layout(clickmode="event+select", dragmode="turntable" if len(axes) == 3 else "pan")
