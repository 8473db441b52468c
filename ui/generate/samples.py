"""Sampled words, and how many of them are new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go

from mmcore import show_symbol
from ui.kit import symbols
from ui.kit.theme import Theme, color, figure_layout

if TYPE_CHECKING:
    from mmcore import Sample


LABEL_TITLES = {"new": "New", "train": "In train", "val": "In validation", "test": "In test"}


def generated(samples: Sequence[Sample], where: Sequence[str]) -> pd.DataFrame:
    """Columns ``word, found, ended``: each sample with the split it occurs in, or ``New``."""
    found = [LABEL_TITLES[label] for label in where]
    return pd.DataFrame(
        {"word": [sample.word for sample in samples], "found": found, "ended": [sample.ended for sample in samples]}
    )


def novelty(words: pd.DataFrame) -> str:
    """How many of the generated words are new, and how many the length cap has cut."""
    new = int((words["found"] == LABEL_TITLES["new"]).sum())
    cut = int((~words["ended"]).sum())
    sentence = f"{new:,} of {len(words):,} are new: they occur in no split."
    return sentence + (f" {cut:,} reached the length cap before the model ended them." if cut else "")


def next_characters(distribution: pd.DataFrame, theme: Theme) -> go.Figure:
    """The probability of each next character, likeliest first; ``customdata`` is the symbol's id.

    ``distribution``: columns ``symbol, probability``, a row an id.
    """
    ranked = distribution.sort_values("probability", ascending=False, kind="stable").head(symbols.MOST)
    figure = go.Figure(
        go.Bar(
            x=[show_symbol(symbol) for symbol in ranked["symbol"]],
            y=ranked["probability"],
            customdata=ranked.index,
            marker_color=color("accent", theme),
            hovertemplate="%{x}<br>probability %{y:.6f}<extra></extra>",
        )
    )
    layout = figure_layout(
        "Probability of the next character" + symbols.cut(distribution),
        x="Next character",
        y="Probability",
        theme=theme,
    )
    figure.update_layout(layout, height=360, margin_t=48, bargap=0.15, clickmode="event+select", dragmode="pan")
    figure.update_xaxes(type="category", tickangle=0, tickfont_size=11, dtick=1).update_yaxes(rangemode="tozero")
    return figure
