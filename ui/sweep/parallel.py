"""Every setting at once, in parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from plotly.colors import sample_colorscale

from mmcore.paired import Key, Mean
from ui.kit.live.figure import live_figure
from ui.kit.nouns import fitted
from ui.kit.text import nats
from ui.kit.theme import SURFACES, Theme
from ui.sweep.found import Found, count, with_error
from ui.sweep.looks import head, highest_shown, spread

PALEST = 0.3  # of the colour scale: the highest loss must be seen too
MOST = 200  # settings: beyond, no one could follow a line
TICKS = 6  # values of an axis up to which each has a label
Scale = tuple[list[float], list[tuple[float, str]]]  # of each setting its place from 0 to 1; labels at places


def draw(found: Found, sweep_id: str, theme: Theme) -> None:
    """The figure, and how to read it."""
    shown, left_out = worth_drawing(found)
    alt = f"Parallel coordinates of {count(len(shown), 'setting')}: mean validation loss, then each axis"
    live_figure(fitted(figure(found, shown, theme), found.tokens), f"sweep_parallel_{sweep_id}", alt)
    st.caption(
        "Each line is a setting: its mean validation loss on the left, then its value on each axis. The lower the "
        "loss, the stronger the colour; the lowest is drawn thick."
        + (f" Left out: {count(left_out, 'setting')} with higher losses." if left_out else "")
    )


def worth_drawing(found: Found) -> tuple[dict[Key, Mean], int]:
    """The settings with the lowest losses that can be told apart, lowest first; how many there are besides."""
    high = highest_shown([mean.mean for mean in found.means.values()])
    shown = {key: mean for key, mean in list(found.means.items())[:MOST] if mean.mean <= high}
    return shown, len(found.means) - len(shown)


def figure(found: Found, means: Mapping[Key, Mean], theme: Theme) -> go.Figure:
    """A line a setting, the lowest loss last and thick."""
    scales = [_numbers([mean.mean for mean in means.values()], lambda loss: nats(loss, 3))]
    scales += [_scale(found, list(means), i, name) for i, name in enumerate(found.axis_names)]
    titles = ["Loss", *(found.settings[name].title.replace(" ", "<br>") for name in found.axis_names)]
    shades = sample_colorscale(list(SURFACES[theme].scale), np.linspace(1, PALEST, len(means)).tolist())
    lines = [
        {
            "type": "scatter",
            "x": list(range(len(scales))),
            "y": [places[i] for places, _ in scales],
            "mode": "lines+markers",
            "line": {"color": shades[i], "width": 1.5 if i else 4},
            "marker": {"color": shades[i], "size": 4},
            "hovertemplate": f"{found.names[key]}<br>{with_error(mean, 6)} nats per character<extra></extra>",
            "showlegend": False,
        }
        for i, (key, mean) in enumerate(means.items())
    ]
    plot = go.Figure(lines[::-1], head("Every setting at once", "", "", theme, 440))
    surface = SURFACES[theme]
    for at in range(len(scales)):
        plot.add_vline(at, line={"color": surface.muted, "width": 1}, layer="below")
    look = {"showarrow": False, "xanchor": "right", "xshift": -5, "bgcolor": surface.background}
    look |= {"font": {"size": 11, "color": surface.text}}
    notes = [look | {"x": at, "y": y, "text": text} for at, (_, labels) in enumerate(scales) for y, text in labels]
    plot.update_layout(annotations=notes)
    plot.update_xaxes(tickvals=list(range(len(titles))), ticktext=titles, tickangle=0, showgrid=False)
    plot.update_xaxes(range=[-0.35, len(titles) - 0.8], side="top")
    plot.update_layout(margin_t=48 + 40)
    return plot.update_yaxes(visible=False, range=[-0.06, 1.06], fixedrange=True)


def _scale(found: Found, keys: Sequence[Key], at: int, name: str) -> Scale:
    """An axis of the sweep: numbers by size, words in their order."""
    values = [key[at] for key in keys]
    if found.is_number(name):
        return _numbers(values, found.settings[name].said)
    listed = next(axis.values for axis in found.sweep.axes if axis.name == name)
    step = 1 / max(1, len(listed) - 1)
    labels = [(i * step, found.said(name, value)) for i, value in enumerate(listed)]
    return [listed.index(value) * step for value in values], labels


def _numbers(values: Sequence[float], said: Callable[[Any], str]) -> Scale:
    """Numbers on a scale of their own, a logarithmic one where they are far apart."""
    bend: Callable[[float], float] = math.log if spread(values) else float
    low, high = bend(min(values)), bend(max(values))
    places = {value: (bend(value) - low) / (high - low) if high > low else 0.5 for value in values}
    if len(places) <= TICKS:
        return [places[value] for value in values], [(place, said(value)) for value, place in places.items()]
    nearest = [min(places, key=lambda value: abs(places[value] - wanted)) for wanted in np.linspace(0, 1, TICKS - 1)]
    return [places[value] for value in values], [(places[value], said(value)) for value in dict.fromkeys(nearest)]
