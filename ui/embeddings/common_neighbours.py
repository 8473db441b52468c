"""Which nearest neighbours two tables agree on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from mmcore import embedding
from mmcore.dataset import show_symbol
from ui.kit import chart
from ui.kit.text import plain
from ui.kit.theme import Theme, color, figure_layout

LISTED = 8  # characters that a sentence names before it says how many more there are


def draw(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    symbols: Sequence[str],
    count: int,
    metric: str,
    theme: Theme,
) -> None:
    """How many of each character's nearest neighbours two tables agree on, beside chance."""
    common = shared(first, second, count, metric)
    st.markdown(verdict(common, symbols, count))
    drawn, listed = st.columns([3, 2], gap="large")
    with drawn:
        figure = by_character(common, symbols, count, theme)
        chart.draw(figure, "in_common", "Share of common nearest neighbours by character, beside chance")
    with listed:
        st.dataframe(
            pd.DataFrame(
                {
                    "character": [show_symbol(symbols[i]) for i in common["id"]],
                    "in common": [len(ids) for ids in common["common"]],
                    "which": [", ".join(show_symbol(symbols[i]) for i in ids) for ids in common["common"]],
                }
            ).sort_values("in common", ascending=False, kind="stable"),
            hide_index=True,
            height=340,
            alt="Common nearest neighbours of each character",
        )
        st.caption(f"Neighbours by {metric}, as chosen above, in all dimensions of each table; nearest first.")


@st.cache_data(show_spinner=False, max_entries=32)
def shared(first: NDArray[np.floating], second: NDArray[np.floating], count: int, metric: str) -> pd.DataFrame:
    """Kept per pair of tables, count and metric."""
    return embedding.common_neighbours(first, second, count, metric)


def chance(count: int, vocab_size: int) -> float:
    """The share of common neighbours that two unrelated tables have in the mean."""
    return count / (vocab_size - 1)


def by_character(common: pd.DataFrame, symbols: Sequence[str], count: int, theme: Theme) -> go.Figure:
    """Each character's share of common neighbours, largest first, and the share that chance gives.

    ``common``: columns ``id, share, common``, as from :func:`mmcore.embedding.common_neighbours`.
    """
    ranked = common.sort_values("share", ascending=False, kind="stable")
    expected = chance(count, len(symbols))
    listed = [", ".join(show_symbol(symbols[i]) for i in ids) or "none" for ids in ranked["common"]]
    figure = go.Figure(
        go.Bar(
            x=[show_symbol(symbols[i]) for i in ranked["id"]],
            y=ranked["share"],
            customdata=listed,
            marker_color=color("accent", theme),
            hovertemplate=f"<b>%{{x}}</b><br>%{{y:.0%}} of {count}: %{{customdata}}<extra></extra>",
        )
    )
    figure.add_hline(
        expected,
        line={"color": color("validation", theme), "dash": "dash", "width": 2},
        annotation={
            "text": f"by chance {100 * expected:.1f} %",
            "xanchor": "right",
            "x": 1,
            "yanchor": "bottom",
            "font": {"size": 12, "color": color("validation", theme)},
        },
    )
    title = f"Share of the {count} nearest neighbours in common" if count > 1 else "Nearest neighbour in common"
    layout = figure_layout(title, x="Character", y="Share in common", theme=theme, height=380)
    figure.update_layout(layout, margin_t=48, bargap=0.15)
    figure.update_yaxes(range=[0, 1.04], tickformat=".0%")
    return figure.update_xaxes(type="category", tickangle=0, tickfont_size=11, dtick=1 if len(symbols) <= 60 else None)


def verdict(common: pd.DataFrame, symbols: Sequence[str], count: int) -> str:
    """What the shares say: their mean beside chance, and which characters are stable."""
    mean, expected = common["share"].mean(), chance(count, len(symbols))
    said = (
        f"**{100 * mean:.1f} %** of the {count} nearest neighbours are the same in both runs; between unrelated tables "
        f"it would be {100 * expected:.1f} % by chance ({count} of {len(symbols) - 1})."
    )
    best, worst = common["share"].max(), common["share"].min()
    if best == worst:
        return said
    ends = []
    for share in (best, worst):
        ids = common["id"][common["share"] == share].tolist()
        names = ", ".join(plain(show_symbol(symbols[i])) for i in ids[:LISTED])
        more = f" and {len(ids) - LISTED:,} more" if len(ids) > LISTED else ""
        ends.append(f"**{names}**{more} with {round(share * count)} of {count}")
    return f"{said} Most stable: {ends[0]}. Least stable: {ends[1]}."
