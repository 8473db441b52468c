"""A chart that is watched while it changes: one DOM node, zoom kept, readable without seeing it.

``st.plotly_chart`` mounts a new element for every changed figure: it flickers and forgets its zoom. This component
hands plotly.js new data instead (``Plotly.react``); ``uirevision`` keeps what the visitor has zoomed and hidden.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from ui.kit import theme

HERE = Path(__file__).parent
PLOTLY_URL = "app/static/plotly.min.js"
LOAD_PLOTLY = (HERE / "plotly.js").read_text("utf-8")  # a JavaScript function, once for every component that draws
MEASURED = 100  # markers of a curve at most; beyond, evenly chosen ones
TABLE_ROWS = 20
LABEL_PLACES = ("start", "middle", "end")  # a curve that falls leaves the upper left and the lower right

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
    faint: bool = False  # the raw curve behind its smoothed one
    measured: bool = False  # at single steps: a marker at each, and nothing claimed between them


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


def downsample(frame: pd.DataFrame, points: int = 400) -> pd.DataFrame:
    """At most `points` rows: the first and the last as they are, bucket means between them.

    Buckets are a power of two rows long and start at the same row whatever the length, so that a growing curve does
    not shimmer. Missing values do not count towards a mean. The full series stays with the caller.
    """
    if len(frame) <= points:
        return frame
    size = 2 ** math.ceil(math.log2((len(frame) - 2) / (points - 2)))
    inner = frame.iloc[1:-1].reset_index(drop=True)
    means = inner.groupby(inner.index // size).mean()
    return pd.concat([frame.iloc[:1], means, frame.iloc[-1:]], ignore_index=True)


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
    log_x: bool = False,
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
        Logarithmic steps. Step 0 has no logarithm and is left out.
    references : mapping of str to float, optional
        Horizontal lines, e.g. ``{"Bigram": 2.45}``.
    """
    current = theme.current_theme()
    present = [trace for trace in traces if trace.column in frame and frame[trace.column].notna().any()]
    small = downsample(frame[["step", *(trace.column for trace in present if not trace.measured)]])
    layout = theme.plain_layout(title, x=x_title, y=y_title, theme=current, height=height)
    layout["margin"] = {"t": 8}  # the title stands above the figure, where a narrow screen can wrap it
    layout["xaxis"] |= {"type": "log" if log_x else "linear", "hoverformat": ",d", "rangemode": "nonnegative"}
    if present:
        layout["yaxis"]["autorangeoptions"] = {"include": label_room(frame, present, references or {})}
    layout |= {
        "hovermode": "x unified",
        "uirevision": f"{run_id} {log_x}",
        "shapes": [
            # Labels side by side, so that lines which a high first loss presses together stay readable.
            _reference(name, value, current, place)
            for (name, value), place in zip((references or {}).items(), itertools.cycle(LABEL_PLACES), strict=False)
        ],
        "showlegend": True,
    }
    data = {
        "title": layout.pop("title")["text"],
        "traces": [_trace(trace, frame if trace.measured else small, current) for trace in present],
        "rows": table_rows(frame, present),
        "running": running,
        "layout": layout,
        "config": theme.PLOTLY_CONFIG | {"responsive": False},  # the component watches its own width
        "plotly": PLOTLY_URL,
        "summary": summary(title, frame, present, references or {}),
    }
    _component(key=key, data=data)


def _trace(trace: Trace, frame: pd.DataFrame, current: theme.Theme) -> dict[str, Any]:
    at = spread(frame[["step", trace.column]].dropna(), MEASURED) if trace.measured else frame
    line = theme.guide(trace.role, current) if trace.measured else theme.line(trace.role, current)
    return {
        "uid": trace.column,  # a hidden curve stays hidden when another one joins
        "name": trace.name,
        "mode": "lines+markers" if trace.measured else "lines" if len(at) > 1 else "markers",
        "x": [round(step) for step in at["step"]],
        "y": [round(value, 5) if math.isfinite(value) else None for value in at[trace.column].astype(float).tolist()],
        "line": line,
        "marker": theme.marker(trace.role, current, 7 if trace.measured else 9),
        "opacity": 0.6 if trace.faint else 1,
        # Under one heading for all curves: a measured one says its own step.
        "hovertemplate": "%{y:.4f} at step %{x:,d}" if trace.measured else "%{y:.4f}",
    }


def spread(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """At most ``count`` of the rows, unchanged: the first, the last and evenly chosen ones between."""
    if len(rows) <= count:
        return rows
    return rows.iloc[np.linspace(0, len(rows) - 1, count).round().astype(int)]


def table_rows(frame: pd.DataFrame, present: Sequence[Trace]) -> list[list[float | None]]:
    """The step and each curve's value there, latest first: of the steps with measured losses, where there are such."""
    measured = [trace.column for trace in present if trace.measured]
    rows = spread(frame.dropna(subset=measured)[["step", *(trace.column for trace in present)]], TABLE_ROWS)
    return [[value if math.isfinite(value) else None for value in row] for row in rows[::-1].to_numpy(float).tolist()]


def label_room(frame: pd.DataFrame, present: Sequence[Trace], references: Mapping[str, float]) -> list[float]:
    """Heights that must be on the chart so that the label on a line that the curves reach, or nearly, is whole."""
    values = frame[[trace.column for trace in present]]
    low, high = values.min(axis=None), values.max(axis=None)
    label = 0.1 * (high - low)
    return [value + label for value in references.values() if low <= value <= high + label]


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
    if frame.empty or not present:
        return f"{title}. No values yet."
    last = int(frame["step"].iloc[-1])
    latest = []
    for trace in present:
        step, value = frame[["step", trace.column]].dropna().iloc[-1]
        latest.append(f"{trace.name} {value:.4f}" + (f" (of step {int(step):,})" if step < last else ""))
    lines = [f"{name} {value:.4f}" for name, value in references.items()]
    sentence = f"{title}. At step {last:,}: {', '.join(latest)}."
    return sentence + (f" Reference lines: {', '.join(lines)}." if lines else "")
