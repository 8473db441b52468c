"""A chart that is watched while it changes: one DOM node, zoom kept, readable without seeing it.

``st.plotly_chart`` mounts a new element for every changed figure: it flickers and forgets its zoom. This component
hands plotly.js new data instead (``Plotly.react``); ``uirevision`` keeps what the visitor has zoomed and hidden.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from ui.kit import theme
from ui.kit.text import nats

HERE = Path(__file__).parent
PLOTLY_URL = "app/static/plotly.min.js"
LOAD_PLOTLY = (HERE / "plotly.js").read_text("utf-8")  # a JavaScript function, once for every component that draws
MEASURED = 100  # markers of a curve at most; beyond, evenly chosen ones
TABLE_ROWS = 20
LABEL = 0.07  # of the chart's height that a label takes
DECADE = 60  # points of a curve from a step to ten times that one, where steps are logarithmic
STEEP = 0.4  # of a curve's width on the chart, in which it may be above it: there losses of all runs are alike
NEAR = 0.5  # of the heights that curves reach: up to so far above and below them reference lines are on the chart

_component = st.components.v2.component(
    "live_chart",
    html=(HERE / "live.html").read_text("utf-8"),
    css=(HERE / "live.css").read_text("utf-8"),
    js=LOAD_PLOTLY + (HERE / "live.js").read_text("utf-8"),
    isolate_styles=False,  # plotly.js puts its style sheet into the document, which a shadow root would not see
)


@dataclass(frozen=True)
class Trace:
    """One curve: a column of the frame, its name on screen, and the role that gives it colour and dash."""

    column: str
    name: str
    role: theme.Role
    faint: bool = False  # behind the others: the raw curve behind its smoothed one, or that of another run
    measured: bool = False  # at single steps: a marker at each, and nothing drawn between them


def plotly_route() -> Route:
    """Where the server gives plotly.js, straight out of the installed package: an app's folder may be read-only."""
    spec = find_spec("plotly")  # finds the package without importing it
    assert spec is not None and spec.origin is not None
    file = Path(spec.origin).parent / "package_data" / "plotly.min.js"

    async def answer(_: Request) -> FileResponse:
        return FileResponse(file, media_type="text/javascript")

    return Route(address_of(PLOTLY_URL), answer)


def address_of(name: str) -> str:
    """A route of the server, below the path at which it serves the app."""
    base = st.get_option("server.baseUrlPath").strip("/")
    return f"/{base}/{name}" if base else f"/{name}"


def downsample(frame: pd.DataFrame, points: int = 400, *, log_x: bool = False) -> pd.DataFrame:
    """At most `points` rows: the first and the last as they are, bucket means between them.

    Buckets are a power of two rows long and start at the same row whatever the length, or are as wide as each other
    on a logarithmic axis, so that a growing curve does not shimmer. Missing values do not count towards a mean. The
    full series stays with the caller.
    """
    if len(frame) <= points:
        return frame
    inner = frame.iloc[1:-1].reset_index(drop=True)
    if log_x:
        bucket = (DECADE * np.log10(inner["step"].clip(lower=1))).astype(int)
    else:
        bucket = inner.index // 2 ** math.ceil(math.log2((len(frame) - 2) / (points - 2)))
    return pd.concat([frame.iloc[:1], inner.groupby(bucket).mean(), frame.iloc[-1:]], ignore_index=True)


def live_chart(
    frame: pd.DataFrame,
    *,
    key: str,
    run_id: str,
    traces: Sequence[Trace],
    title: str,
    running: bool = False,
    x_title: str = "Step (updates)",
    y_title: str = "Loss (nats per character)",
    log_x: bool = True,
    whole: bool = False,
    references: Mapping[str, float] | None = None,
    height: int = 420,
) -> None:
    """Draw `frame` (a ``step`` column and one column a trace, NaN where not measured); call again to update.

    Parameters
    ----------
    key : str
        Names the element: the same key on every tick, a new one for a chart elsewhere.
    run_id : str
        Zoom and hidden curves are kept as long as this stays the same.
    running : bool
        Whether more will come soon: then the summary is read aloud only now and then, else at every change.
    log_x : bool
        Logarithmic steps. Step 0 has no logarithm: its loss is written at the edge.
    whole : bool
        All values are on the chart; else the steep beginning may be above it, and a double click shows it.
    references : mapping of str to float, optional
        Horizontal lines, e.g. ``{"Bigram": 2.45}``.
    """
    current, lines = theme.current_theme(), references or {}
    present = [trace for trace in traces if trace.column in frame and frame[trace.column].notna().any()]
    shown = frame[frame["step"] > 0] if log_x else frame
    drawn = [trace for trace in present if shown[trace.column].notna().any()]
    small = downsample(shown[["step", *(trace.column for trace in drawn if not trace.measured)]], log_x=log_x)
    layout = theme.plain_layout(title, x=x_title, y=y_title, theme=current, height=height)
    layout["margin"] = {"t": 8}  # the title stands above the figure, where a narrow screen can wrap it
    layout["xaxis"] |= {"type": "log" if log_x else "linear", "hoverformat": ",d", "rangemode": "nonnegative"}
    layout["xaxis"] |= {"dtick": 1, "tickformat": ",d", "minor": {"ticks": "outside", "ticklen": 3}} if log_x else {}
    heights = focus(shown, drawn, lines, log_x=log_x, whole=whole)
    if heights:
        layout["yaxis"]["range"] = heights
    layout |= {
        "hovermode": "x unified",
        "uirevision": f"{run_id} {log_x} {whole}",
        "shapes": _references(lines, heights, current),
        "annotations": [_first_value(frame, present, heights, current)] if log_x or heights else [],
        "showlegend": True,
    }
    data = {
        "title": layout.pop("title")["text"],
        "traces": [_trace(trace, shown if trace.measured else small, current, log_x) for trace in drawn],
        "rows": table_rows(frame, present),
        "running": running,
        "layout": layout,
        "config": theme.PLOTLY_CONFIG | {"responsive": False},  # the component watches its own width
        "plotly": PLOTLY_URL,
        "summary": summary(title, frame, present, lines),
    }
    with st.container(key=f"{key}{theme.ROOM}{height}"):
        _component(key=key, data=data)


def _trace(trace: Trace, frame: pd.DataFrame, current: theme.Theme, log_x: bool) -> dict[str, Any]:
    at = (
        spread(frame[["step", trace.column]].dropna(), MEASURED // 2 if log_x else MEASURED, log_x=log_x)
        if trace.measured
        else frame
    )
    return {
        "uid": trace.column,  # a hidden curve stays hidden when another one joins
        "name": trace.name,
        "mode": "lines" if len(at) > 1 and not trace.measured else "markers",
        "x": [round(step) for step in at["step"]],
        "y": [round(value, 5) if math.isfinite(value) else None for value in at[trace.column].astype(float).tolist()],
        "line": theme.line(trace.role, current),
        "marker": theme.marker(trace.role, current, 7 if trace.measured else 9),
        "opacity": 0.4 if trace.faint else 1,
        # Under one heading for all curves: a measured one says its own step.
        "hovertemplate": "%{y:.4f} at step %{x:,d}" if trace.measured else "%{y:.4f}",
    }


def spread(rows: pd.DataFrame, count: int, *, log_x: bool = False) -> pd.DataFrame:
    """At most ``count`` of the rows, unchanged: the first, the last and evenly chosen ones between.

    On a logarithmic axis of steps they are chosen by their places on it.
    """
    if len(rows) <= count:
        return rows
    if not log_x:
        return rows.iloc[np.linspace(0, len(rows) - 1, count).round().astype(int)]
    places = np.log(rows["step"].to_numpy(float))
    bins = np.round((places - places[0]) / (places[-1] - places[0]) * (count - 1))
    return rows[np.r_[np.diff(bins) > 0, True]]


def focus(
    frame: pd.DataFrame, present: Sequence[Trace], references: Mapping[str, float], *, log_x: bool, whole: bool
) -> list[float]:
    """The heights that a chart reaches over: all values, or those after the steep beginning; none without values.

    Where the last value of a curve is its highest, as in a run that diverges, it is on the chart. Reference lines are
    on it where they are near the curves, with room for their labels.
    """
    series = [frame[["step", trace.column]].dropna().to_numpy(float) for trace in present]
    series = [points[np.isfinite(points[:, 1])] for points in series]
    series = [points for points in series if len(points)]
    if not series:
        return []
    low = min(points[:, 1].min() for points in series)
    high = max(points[:, 1].max() if whole else _after_the_start(points, log_x) for points in series)
    span = (high - low) or 0.1
    near = [value for value in references.values() if low - NEAR * span <= value <= high + NEAR * span * (not whole)]
    high = max([high, *(value + 0.1 * span for value in near if value > high - 0.1 * span)])
    low = min([low, *near])
    room = 0.04 * (high - low or 0.1)
    return [round(low - room, 5), round(high + room, 5)]


def _after_the_start(points: NDArray[np.float64], log_x: bool) -> float:
    """The height of a curve's highest point, its steep beginning aside."""
    places = np.log(points[:, 0]) if log_x else points[:, 0]
    later = points[places >= places[0] + STEEP * (places[-1] - places[0]), 1]
    return float(later.max())


def _first_value(
    frame: pd.DataFrame, present: Sequence[Trace], heights: Sequence[float], current: theme.Theme
) -> dict[str, Any]:
    """Where a curve begins that is not on the chart, at the edge: step 0 where steps are logarithmic, or too high."""
    exact = [trace for trace in present if trace.measured and not trace.faint]
    firsts = [(trace, frame[["step", trace.column]].dropna().iloc[0]) for trace in exact]
    firsts = [(trace, first) for trace, first in firsts if first["step"] == 0]
    text = ""
    if firsts and heights:
        trace, first = firsts[0]
        value = float(first[trace.column])
        text = f"{'↑ ' if value > heights[1] else ''}Step 0: {trace.name} {nats(value)}"
    font = {"size": 12, "color": theme.SURFACES[current].muted}
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": 1, "xanchor": "left", "yanchor": "top"}
    return place | {"text": text, "font": font, "showarrow": False}


def table_rows(frame: pd.DataFrame, present: Sequence[Trace]) -> list[list[float | None]]:
    """The step and each curve's value there, latest first: of the steps with measured losses, where there are such."""
    measured = [trace.column for trace in present if trace.measured and not trace.faint]
    rows = spread(frame.dropna(subset=measured)[["step", *(trace.column for trace in present)]], TABLE_ROWS)
    return [[value if math.isfinite(value) else None for value in row] for row in rows[::-1].to_numpy(float).tolist()]


def _references(lines: Mapping[str, float], heights: Sequence[float], current: theme.Theme) -> list[dict[str, Any]]:
    """The lines on the chart. Curves that fall leave the upper right and the lower left, where the labels go."""
    if not heights:
        return []
    low, high = heights
    shapes, below = [], {"start": -math.inf, "end": -math.inf}
    for name, value in sorted(lines.items(), key=lambda line: line[1]):
        if low <= value <= high:
            side = "end" if value > (low + high) / 2 else "start"
            free = value - below[side] >= LABEL * (high - low)
            below[side] = value if free else below[side]
            shapes.append(_reference(name, value, current, side if free else "middle"))
    return shapes


def _reference(name: str, value: float, current: theme.Theme, place: str) -> dict[str, Any]:
    font = {"size": 12, "color": theme.color("reference", current)}
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": value,
        "y1": value,
        "layer": "below",
        "line": theme.line("reference", current),
        "label": {"text": f"{name} {value:.3f}", "textposition": place, "font": font, "padding": 2},
    }


def summary(title: str, frame: pd.DataFrame, present: Sequence[Trace], references: Mapping[str, float]) -> str:
    """The chart in words: the latest exact value of every curve, with its step where that is an earlier one."""
    clear = [trace for trace in present if not trace.faint]
    if frame.empty or not clear:
        return f"{title}. No values yet."
    last = int(frame["step"].iloc[-1])
    latest = []
    for trace in clear:
        step, value = frame[["step", trace.column]].dropna().iloc[-1]
        latest.append(f"{trace.name} {value:.4f}" + (f" (of step {int(step):,})" if step < last else ""))
    lines = [f"{name} {value:.4f}" for name, value in references.items()]
    sentence = f"{title}. At step {last:,}: {', '.join(latest)}."
    return sentence + (f" Reference lines: {', '.join(lines)}." if lines else "")
