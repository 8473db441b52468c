"""What the page Embeddings can show of a table, and how it colours it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from mmcore import show_symbol
from mmcore.embedding import character_class, membership, vowel_neighbours
from ui.kit.theme import SURFACES, Theme, color, figure_layout

NEAREST = 4  # neighbours of a vowel that are looked at


CLASS, SET = "Vowel or consonant", "My own set"
COLORINGS = {
    CLASS: None,
    "Frequency": "share",
    "Share as first letter": "first_share",
    "Share as last letter": "last_share",
    SET: None,
}


def embedding_views(dimensions: int) -> list[str]:
    """Which pictures an embedding table of so many columns allows, the plainest first."""
    raw = {1: "Raw axis", 2: "Raw axes", 3: "Raw axes in 3-D"}.get(dimensions)
    return ([raw] if raw else []) + (["PCA"] if dimensions > 2 else []) + ["t-SNE"]


def coloring(name: str, symbols: Sequence[str], positions: pd.DataFrame, wanted: str) -> dict[str, Any]:
    """``groups`` or ``values`` with ``value_title`` for the embedding chart; ``positions`` as from mmcore."""
    if name == CLASS:
        return {"groups": [character_class(symbol) for symbol in symbols]}
    if name == SET:
        return {"groups": membership(symbols, wanted)}
    return {"values": positions[COLORINGS[name]].tolist(), "value_title": name}


def vowel_sentence(table: NDArray[np.floating], symbols: Sequence[str], metric: str) -> str:
    """How near vowels are to each other, against chance; nothing where fewer than two symbols are vowels."""
    found, chance = vowel_neighbours(table, symbols, NEAREST, metric)
    if math.isnan(found):
        return ""
    nearest = f"Of a vowel's {min(NEAREST, len(table) - 1)} nearest neighbours"
    return f"{nearest}, {found:.2f} are vowels on average; by chance it would be {chance:.2f}."


def table_row(values: Sequence[float], symbol: str, theme: Theme) -> go.Figure:
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
