"""Charts of the page Data: words by length, and which character follows which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from mmcore import ContextCounts, show_symbol
from ui.kit.theme import SURFACES, Theme, color, figure_layout

MAX_HEATMAP_SYMBOLS = 60


def word_lengths(lengths: Mapping[int, int], theme: Theme) -> go.Figure:
    """How many words have how many characters."""
    figure = go.Figure(
        go.Bar(
            x=list(lengths),
            y=list(lengths.values()),
            marker_color=color("accent", theme),
            hovertemplate="%{x} characters<br>%{y:,} words<extra></extra>",
        )
    )
    figure.update_layout(figure_layout("Words by length", x="Length (characters)", y="Words", theme=theme))
    figure.update_layout(bargap=0.15, margin_t=48)
    return figure


def heatmap_ids(counts: ContextCounts) -> NDArray[np.int64]:
    """Ids the heatmap shows: all, or the boundary and the most frequent of a large vocabulary."""
    following = counts.following
    if following.width <= MAX_HEATMAP_SYMBOLS:
        return np.arange(following.width)
    times = np.bincount(following.columns, following.values, following.width)
    return np.unique(np.append(np.argsort(-times, kind="stable")[:MAX_HEATMAP_SYMBOLS], 0))


def bigram_heatmap(counts: ContextCounts, symbols: Sequence[str], theme: Theme) -> go.Figure:
    """How often each character follows each other one, from counts at context size 1.

    The shade is logarithmic, because a few pairs are a thousand times as frequent as most; the hover is exact.
    """
    ids = heatmap_ids(counts)
    rows = np.flatnonzero(np.isin(counts.contexts[:, -1], ids))
    shown, names = np.zeros((len(ids), len(ids)), dtype=np.int64), [show_symbol(symbols[i]) for i in ids]
    shown[np.searchsorted(ids, counts.contexts[rows, -1])] = counts.following.dense(rows)[:, ids]
    top = int(shown.max())
    ticks = [0, *(10**k for k in range(len(str(top)))), top]
    figure = go.Figure(
        go.Heatmap(
            x=names,
            y=names,
            z=np.log1p(shown),
            customdata=shown,
            colorscale=list(SURFACES[theme].scale),
            hovertemplate="%{y} then %{x}<br>%{customdata:,} times<extra></extra>",
            colorbar={
                "title": {"text": "Times"},
                "thickness": 10,
                "tickvals": np.log1p(ticks).tolist(),
                "ticktext": [f"{tick:,}" for tick in ticks],
            },
            xgap=1,
            ygap=1,
        )
    )
    figure.update_layout(
        figure_layout("How often a pair occurs", x="Next character", y="Character", theme=theme, height=620)
    )
    small = {"type": "category", "showgrid": False, "tickfont_size": 11, "dtick": 1, "tickangle": 0}
    figure.update_xaxes(small).update_yaxes(small, autorange="reversed").update_layout(margin_t=48)
    return figure
