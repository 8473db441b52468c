"""Several curves on the same axes, each with points of its own: the live chart's component, another picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from ui.kit import theme
from ui.kit.live import MEASURED, PLOTLY_URL, _component, spread
from ui.kit.text import cut, nats

MARKERS = 12  # of a curve: they tell it from others and mark no point of interest
NAME = 48  # characters of a name in the legend; all of it is in the table


@dataclass(frozen=True)
class Line:
    """One curve; ``number`` gives it its colour and marker, the same for all curves of one thing."""

    uid: str
    name: str
    number: int
    x: pd.Series[float]
    y: pd.Series[float]
    dotted: bool = False
    faint: bool = False  # single points behind a smooth curve
    smooth: bool = False

    def faintly(self) -> Line:
        """Its points alone, behind what is drawn through them."""
        return dataclasses.replace(self, uid=f"{self.uid} raw", faint=True)

    def through(self, y: pd.Series[float]) -> Line:
        """A smooth curve at the same places."""
        return dataclasses.replace(self, y=y, smooth=True)


def overlay(
    lines: Sequence[Line],
    *,
    key: str,
    same: str,
    title: str,
    x_title: str,
    y_title: str,
    log_x: bool = False,
    log_y: bool = False,
) -> None:
    """Draw curves over each other; call again to update.

    Parameters
    ----------
    key : str
        Names the element.
    same : str
        Zoom and hidden curves are kept as long as this stays the same.
    """
    current = theme.current_theme()
    listed = [line for line in lines if not line.faint]
    height = 440 + 12 * len(listed)
    layout = theme.plain_layout(title, x=x_title, y=y_title, theme=current, height=height)
    layout["margin"] = {"t": 8}
    layout["xaxis"] |= {"type": "log" if log_x else "linear", "hoverformat": ",.6~g"}
    layout["yaxis"] |= {"type": "log" if log_y else "linear"}
    layout |= {"hovermode": "closest", "uirevision": same, "showlegend": True}
    layout["legend"] = {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"}
    data = {
        "title": layout.pop("title")["text"],
        "traces": [_trace(line, current) for line in (map(_after_zero, lines) if log_x else lines) if len(line.x)],
        "columns": ["Run", "Last x", "Last", "Lowest", "At x"],
        "rows": [_row(line) for line in listed],
        "running": True,  # read aloud now and then
        "layout": layout,
        "config": theme.PLOTLY_CONFIG | {"responsive": False},
        "plotly": PLOTLY_URL,
        "summary": summary(title, listed),
    }
    with st.container(key=f"{key}{theme.ROOM}overlay"):
        _component(key=key, data=data)


def _after_zero(line: Line) -> Line:
    """Without what has no logarithm, which plotly would draw to the edge."""
    return dataclasses.replace(line, x=line.x[line.x > 0], y=line.y[line.x > 0])


def _trace(line: Line, current: theme.Theme) -> dict[str, Any]:
    at = spread(pd.DataFrame({"x": line.x, "y": line.y}), 4 * MEASURED if line.smooth else 2 * MEASURED)
    color, symbol = theme.series(line.number, current)
    return {
        "uid": line.uid,
        "name": cut(line.name, NAME),
        "legendgroup": line.uid.partition(" ")[0],
        "showlegend": not line.faint and not line.dotted,
        "mode": "markers" if line.faint or len(at) < 2 else "lines+markers",
        "x": [float(f"{x:.7g}") for x in at["x"]],
        "y": [round(y, 5) for y in at["y"]],
        "line": {"color": color, "width": 1.5 if line.dotted else 2, "dash": "dot" if line.dotted else "solid"},
        "marker": {"color": color, "symbol": symbol, "size": 3 if line.faint else 7}
        | ({} if line.faint else {"maxdisplayed": MARKERS}),
        "opacity": 0.35 if line.faint else 1,
        "hovertemplate": "%{y:.4f} at %{x}<extra>%{fullData.name}</extra>",
        "hoverinfo": "skip" if line.faint else "all",
    }


def _row(line: Line) -> list[str]:
    """A curve in figures: where it ends and where it is lowest."""
    if not len(line.y):
        return [line.name, "–", "–", "–", "–"]
    low = line.y.idxmin()
    return [line.name, f"{line.x.iloc[-1]:,.6g}", nats(line.y.iloc[-1]), nats(line.y[low]), f"{line.x[low]:,.6g}"]


def summary(title: str, lines: Sequence[Line]) -> str:
    """The chart in words: where every curve ends."""
    ends = [f"{line.name} {nats(line.y.iloc[-1])}" for line in lines if len(line.y)]
    return f"{title}. At the end: {', '.join(ends)}." if ends else f"{title}. No values yet."
