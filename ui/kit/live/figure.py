"""Any plotly figure that is watched while it changes: one DOM node, zoom and hidden curves kept."""

from __future__ import annotations

import json
from collections.abc import Callable

import plotly.graph_objects as go
import streamlit as st

from ui.kit import theme
from ui.kit.live import HERE, LOAD_PLOTLY, PLOTLY_URL

_component = st.components.v2.component(
    "live_figure",
    html=(HERE / "figure.html").read_text("utf-8"),
    css=".live-figure { width: 100%; }",
    js=LOAD_PLOTLY + (HERE / "figure.js").read_text("utf-8"),
    isolate_styles=False,  # plotly.js puts its style sheet into the document, which a shadow root would not see
)


def live_figure(figure: go.Figure, key: str, alt: str, *, on_click: Callable[[str], None] | None = None) -> None:
    """Draw a figure in its own colours; call again with the same key to change it in place.

    Parameters
    ----------
    alt : str
        What it shows, for those who do not see it.
    on_click : callable, optional
        Is given the ``customdata`` of a point that is clicked, as text.
    """
    plain = json.loads(figure.to_json())
    data = {
        "traces": plain["data"],
        "layout": plain["layout"] | {"uirevision": key},
        "config": theme.PLOTLY_CONFIG | {"responsive": False},  # the component watches its own width
        "plotly": PLOTLY_URL,
        "alt": alt,
        "clickable": on_click is not None,
    }

    def clicked() -> None:
        place = st.session_state[key].clicked
        if on_click is not None and place is not None:
            on_click(place)

    _component(key=key, data=data, on_clicked_change=clicked)
