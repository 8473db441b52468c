"""The part of a run's embedding table that the page is about, and one row of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from mmcore.dataset import show_symbol
from ui.kit.theme import SURFACES, Theme, color, figure_layout


@dataclass(frozen=True)
class Table:
    """Rows (N, D) of the symbols that are shown: all, or the most frequent of a large vocabulary."""

    rows: NDArray[np.floating]
    symbols: tuple[str, ...]
    ids: Sequence[int]  # of the symbols in the vocabulary, in the order of the rows


def row_chart(values: Sequence[float], symbol: str, theme: Theme) -> go.Figure:
    """One symbol's row of the embedding table, a bar a dimension."""
    figure = go.Figure(
        go.Bar(
            x=list(range(len(values))),
            y=list(values),
            marker_color=color("accent", theme),
            hovertemplate="dimension %{x}<br>%{y:.9g}<extra></extra>",
        )
    )
    title = f"Row of C for {show_symbol(symbol)}"
    figure.update_layout(figure_layout(title, x="Dimension", y="Value", theme=theme, height=260), margin_t=48)
    figure.update_xaxes(dtick=1 if len(values) <= 16 else None)
    figure.update_yaxes(zeroline=True, zerolinecolor=SURFACES[theme].muted)
    return figure
