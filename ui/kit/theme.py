"""One look for every chart: the two themes, and the colour, dash and marker of each role.

The colours repeat those in ``.streamlit/config.toml``. All reach 4.5 : 1 on both backgrounds of their theme, except
the batch loss, a background curve, at 3 : 1. Each role also has a dash and a marker: colour never speaks alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

import streamlit as st

Theme = Literal["light", "dark"]
Role = Literal["train", "validation", "test", "batch", "accent", "reference"]

FONT = "Inter, sans-serif"

PLOTLY_CONFIG: dict[str, Any] = {
    "displaylogo": False,
    # "Share chart" would send the visitor's data to a server elsewhere.
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "modeBarButtonsToRemove": ["sendChartToCloud", "select2d", "lasso2d", "autoScale2d"],
}


@dataclass(frozen=True)
class RoleStyle:
    """How one role is drawn."""

    light: str
    dark: str
    dash: str = "solid"
    symbol: str = "circle"
    width: float = 2.0


ROLES: dict[Role, RoleStyle] = {
    "train": RoleStyle("#0b62a8", "#6ab7f0"),
    "validation": RoleStyle("#b34700", "#f0a35e", dash="dash", symbol="diamond"),
    "test": RoleStyle("#8a3a86", "#dd93d0", dash="dashdot", symbol="square"),
    "batch": RoleStyle("#6f7b80", "#8f9ca2", symbol="circle-open", width=1.0),
    "accent": RoleStyle("#0b6b69", "#2fa59d", symbol="star"),
    "reference": RoleStyle("#5b666b", "#a3afb4", dash="dot", symbol="x-thin-open", width=1.2),
}


# Of many curves that have no role, such as runs beside each other: 4.5 : 1 too. Their numbers have no common divisor,
# so that 56 curves differ in colour or marker, and the first few in both.
SERIES: dict[Theme, tuple[str, ...]] = {
    "light": ("#0b62a8", "#b34700", "#0b6b69", "#8a3a86", "#9b1c31", "#4d6100", "#5b4bb5", "#75530b"),
    "dark": ("#6ab7f0", "#f0a35e", "#2fa59d", "#dd93d0", "#f08a94", "#a8c44c", "#a99df5", "#d8b26a"),
}
SERIES_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "star", "hexagon-open")


@dataclass(frozen=True)
class Surface:
    """The colours charts take from the page around them."""

    background: str
    raised: str
    text: str
    muted: str
    grid: str
    scale: tuple[str, ...]  # sequential, from "none" to "much"


SURFACES: dict[Theme, Surface] = {
    "light": Surface(
        "#fcfcfb", "#ffffff", "#1f272a", "#5b666b", "#e3e7e6", ("#fcfcfb", "#cfe5e2", "#7fbab5", "#2f8985", "#064341")
    ),
    "dark": Surface(
        "#14181a", "#1e2427", "#e6eaeb", "#a3afb4", "#2b3337", ("#14181a", "#1d3d3d", "#2c6f6c", "#4aa9a2", "#b5ece5")
    ),
}


ROOM = "_room_"  # in a container's key, before what shell/style.css keeps room for in it


def colours() -> str:
    """The surfaces of both themes as custom properties of CSS: ``--lab-background``, ``--lab-text`` and so on."""
    pairs = zip(asdict(SURFACES["light"]).items(), asdict(SURFACES["dark"]).values(), strict=True)
    named = [f"--lab-{name}: light-dark({light}, {dark});" for (name, light), dark in pairs if isinstance(light, str)]
    return f":root {{ {' '.join(named)} }}"


def current_theme() -> Theme:
    """The theme the visitor's browser shows; light where it does not say (tests, the first script run)."""
    return "dark" if st.context.theme.type == "dark" else "light"


def color(role: Role, theme: Theme) -> str:
    """The colour of a role, as a hex string."""
    style = ROLES[role]
    return style.dark if theme == "dark" else style.light


def series(number: int, theme: Theme) -> tuple[str, str]:
    """Colour and marker of one of many curves, from 0."""
    return SERIES[theme][number % len(SERIES[theme])], SERIES_SYMBOLS[number % len(SERIES_SYMBOLS)]


def line(role: Role, theme: Theme) -> dict[str, Any]:
    """A role as plotly's ``line``."""
    style = ROLES[role]
    return {"color": color(role, theme), "dash": style.dash, "width": style.width}


def guide(role: Role, theme: Theme) -> dict[str, Any]:
    """A role as the ``line`` from one measured point to the next: dotted and thin, for nothing was measured on it."""
    return {"color": color(role, theme), "dash": "dot", "width": 1}


def marker(role: Role, theme: Theme, size: float = 8) -> dict[str, Any]:
    """A role as plotly's ``marker``."""
    return {"color": color(role, theme), "symbol": ROLES[role].symbol, "size": size}


@cache
def template(theme: Theme) -> dict[str, Any]:
    """The plotly template of a theme, as plain data: plotly itself is slow to import."""
    surface = SURFACES[theme]
    axis = {
        "gridcolor": surface.grid,
        "linecolor": surface.grid,
        "zeroline": False,
        "automargin": True,
        "tickfont": {"color": surface.muted},
        "title": {"font": {"size": 13, "color": surface.muted}, "standoff": 8},
    }
    steps = [[i / (len(surface.scale) - 1), shade] for i, shade in enumerate(surface.scale)]
    return {
        "layout": {
            "font": {"family": FONT, "size": 13, "color": surface.text},
            "title": {"font": {"size": 16, "weight": 600}, "x": 0, "xanchor": "left", "pad": {"l": 2}},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": [color(role, theme) for role in ("train", "validation", "test", "accent", "batch")],
            "colorscale": {"sequential": steps},
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {
                "bgcolor": surface.raised,
                "bordercolor": surface.grid,
                "font": {"family": FONT, "color": surface.text},
            },
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": surface.muted, "activecolor": color("accent", theme)},
            # Below, where it may take several lines on a phone; above, plotly's own buttons would cover it.
            "legend": {"orientation": "h", "x": 0, "xanchor": "left", "yref": "container", "y": 0, "yanchor": "bottom"},
            "margin": {"l": 8, "r": 8, "t": 48, "b": 8},
        }
    }


def plain_layout(title: str, *, x: str, y: str, theme: Theme, height: int = 420) -> dict[str, Any]:
    """:func:`figure_layout` for plotly.js itself, as plain data."""
    return {
        "template": template(theme),
        "title": {"text": title},
        "xaxis": {"title": {"text": x}},
        "yaxis": {"title": {"text": y}},
        "height": height,
    }


def figure_layout(title: str, *, x: str, y: str, theme: Theme, height: int = 420) -> dict[str, Any]:
    """The layout every chart starts from: a title that states what it shows, and both axes named with their units."""
    return plain_layout(title, x=x, y=y, theme=theme, height=height) | {"template": _named_template(theme)}


@cache
def _named_template(theme: Theme) -> str:
    """The template under a name: plotly checks it once, where it would check plain data for every figure, at 50 ms."""
    import plotly.io

    name = f"lab-{theme}"
    plotly.io.templates[name] = template(theme)
    return name
