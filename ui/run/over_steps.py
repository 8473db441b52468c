"""How numbers were spread at every checkpoint, as one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from mmcore.trace import Histograms
from ui.kit.theme import SURFACES, Theme, figure_layout


def over_steps(
    spread: Histograms, steps: Sequence[int], title: str, y: str, theme: Theme, *, height: int = 300
) -> go.Figure:
    """How numbers were spread at each checkpoint: a column each, dark where many are. Each shade is exact on hover."""
    middles = (spread.edges[1:] + spread.edges[:-1]) / 2
    shares = 100 * spread.shares.T
    figure = go.Figure(
        go.Heatmap(
            x=[f"{step:,}" for step in steps],
            y=middles,
            z=shares.astype(np.float32),
            zmin=0,
            # One full column, as of a saturated layer, must not make all others pale.
            zmax=float(np.quantile(shares.max(axis=0), 0.75)) or 1.0,
            colorscale=list(SURFACES[theme].scale),
            hovertemplate="step %{x}<br>near %{y:.3f}<br>%{z:.2f} %<extra></extra>",
            colorbar={"thickness": 10, "title": {"text": "Share (%)", "font": {"size": 13}}},
        )
    )
    figure.update_layout(figure_layout(title, x="Step (updates)", y=y, theme=theme, height=height), margin_t=48)
    return figure.update_xaxes(type="category", showgrid=False, tickangle=0, dtick=label_every(steps))


def label_every(steps: Sequence[int]) -> int:
    """How many checkpoints share a label: at most eight."""
    return max(1, math.ceil(len(steps) / 8))
