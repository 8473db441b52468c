"""A chart that is watched while it changes: one DOM node, zoom kept, readable without seeing it.

``st.plotly_chart`` mounts a new element for every changed figure: it flickers and forgets its zoom. This component
hands plotly.js new data instead (``Plotly.react``); ``uirevision`` keeps what the visitor has zoomed and hidden.
"""

from __future__ import annotations

import itertools
import math
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from ui import theme

HERE = Path(__file__).parent
VENDOR = HERE.parents[1] / "static" / "vendor"
PLOTLY_JS = "plotly.min.js"
PLOTLY_URL = f"app/static/vendor/{PLOTLY_JS}"
LOAD_PLOTLY = (HERE / "plotly.js").read_text("utf-8")  # a JavaScript function, once for every component that draws
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


@cache
def ensure_plotly_js(folder: Path = VENDOR) -> Path:
    """Copy plotly.js out of the installed wheel to where the server can serve it, unless it is there already."""
    spec = find_spec("plotly")  # finds the package without importing it
    assert spec is not None and spec.origin is not None
    source = Path(spec.origin).parent / "package_data" / PLOTLY_JS
    target = folder / PLOTLY_JS
    if target.exists() and target.stat().st_size == source.stat().st_size:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
    os.close(handle)
    shutil.copyfile(source, name)
    Path(name).chmod(0o644)
    os.replace(name, target)  # a browser never gets half a file
    return target


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
    log_x : bool
        Logarithmic steps. Step 0 has no logarithm and is left out.
    references : mapping of str to float, optional
        Horizontal lines, e.g. ``{"Bigram": 2.45}``.
    """
    ensure_plotly_js()
    current = theme.current_theme()
    present = [trace for trace in traces if trace.column in frame and frame[trace.column].notna().any()]
    small = downsample(frame[["step", *(trace.column for trace in present)]])
    layout = theme.plain_layout(title, x=x_title, y=y_title, theme=current, height=height)
    layout["margin"] = {"t": 8}  # the title stands above the figure, where a narrow screen can wrap it
    layout["xaxis"] |= {"type": "log" if log_x else "linear", "hoverformat": ",d", "rangemode": "nonnegative"}
    if present:
        layout["yaxis"]["autorangeoptions"] = {"include": label_room(small, present, references or {})}
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
        "steps": [round(step) for step in small["step"]],
        "traces": [_trace(trace, small[trace.column], current) for trace in present],
        "layout": layout,
        "config": theme.PLOTLY_CONFIG | {"responsive": False},  # the component watches its own width
        "plotly": PLOTLY_URL,
        "summary": _summary(title, frame, present, references or {}),
    }
    _component(key=key, data=data)


def _trace(trace: Trace, values: pd.Series, current: theme.Theme) -> dict[str, Any]:
    return {
        "uid": trace.column,  # a hidden curve stays hidden when another one joins
        "name": trace.name,
        "y": [round(value, 5) if math.isfinite(value) else None for value in values.astype(float).tolist()],
        "line": theme.line(trace.role, current),
        "marker": {"color": theme.color(trace.role, current), "size": 9},  # of a curve that has one point only
        "opacity": 0.6 if trace.faint else 1,
        "hovertemplate": "%{y:.4f}",
    }


def label_room(small: pd.DataFrame, present: Sequence[Trace], references: Mapping[str, float]) -> list[float]:
    """Heights that must be on the chart so that the label on a line that the curves reach, or nearly, is whole."""
    values = small[[trace.column for trace in present]]
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


def _summary(title: str, frame: pd.DataFrame, present: Sequence[Trace], references: Mapping[str, float]) -> str:
    """The chart in words: the latest exact value of every curve."""
    if frame.empty or not present:
        return f"{title}. No values yet."
    latest = [f"{trace.name} {frame[trace.column].dropna().iloc[-1]:.4f}" for trace in present]
    lines = [f"{name} {value:.4f}" for name, value in references.items()]
    sentence = f"{title}. At step {int(frame['step'].iloc[-1]):,}: {', '.join(latest)}."
    return sentence + (f" Reference lines: {', '.join(lines)}." if lines else "")
