"""Two tables' maps on the same axes: the second turned onto the first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from mmcore import embedding
from mmcore.store import Run
from ui.form import settings
from ui.kit import chart
from ui.kit.text import plain
from ui.kit.theme import Theme
from ui.run import embedding_map
from ui.run.embedding_map import Coloring


def draw(
    runs: tuple[Run, Run],
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    symbols: Sequence[str],
    look: Coloring,
    theme: Theme,
) -> None:
    """Both maps side by side, each under its run's settings."""
    for side, run, figure in zip(st.columns(2), runs, maps(first, second, symbols, look, theme), strict=True):
        with side:
            st.caption(plain(settings.describe(run.config)))
            which = "second" if run is runs[1] else "first"
            chart.draw(figure, f"side_{run is runs[1]}", f"Map of the {which} run's embedding table")


def onto(
    first: NDArray[np.floating], second: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Points of two tables in one plane, or on one line if one of them has a single column, and its axes.

    The second is moved, turned, mirrored and stretched to lie as near to the first as it can.
    """
    (points, axes), (others, _) = embedding.plane(first), embedding.plane(second)
    width = min(points.shape[1], others.shape[1])
    points = points[:, :width]
    return points, embedding.procrustes(others[:, :width], points, scaled=True), axes[:width]


def maps(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    symbols: Sequence[str],
    look: Coloring,
    theme: Theme,
) -> tuple[go.Figure, go.Figure]:
    """Both tables' maps on the same axes."""
    points, others, axes = onto(first, second)
    both = np.concatenate([points, others])
    low, high = both.min(axis=0), both.max(axis=0)
    room, span = 0.07 * np.where(high > low, high - low, 1.0), float((high - low).max())
    turned = [f"{axis.split(' (')[0]} of the first run" for axis in axes]
    titles = ("The first run's characters", "The second run's, turned onto them")
    figures = []
    for where, names, title in zip((points, others), (axes, turned), titles, strict=True):
        figure = embedding_map.embedding(where, symbols, names, title=title, theme=theme, span=span, **look)
        figure.update_xaxes(range=[low[0] - room[0], high[0] + room[0]])
        if len(axes) == 2:
            figure.update_yaxes(range=[low[1] - room[1], high[1] + room[1]]).update_layout(height=460)
        figures.append(figure)
    return figures[0], figures[1]
