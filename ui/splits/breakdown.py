"""A split's loss taken apart, on screen: the lower half of Splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from mmcore import Dataset, Examples, Vocab, show_symbol
from ui.kit import symbols
from ui.kit.plots import every
from ui.kit.symbols import symbol_title
from ui.kit.text import nats
from ui.kit.theme import PLOTLY_CONFIG, SURFACES, Role, Theme, color, figure_layout, line, marker

if TYPE_CHECKING:
    from mmcore import MLP
    from mmcore.breakdown import Breakdown

LISTED = 12  # words at either end
CHART: dict[str, Any] = {"theme": None, "config": PLOTLY_CONFIG}


@st.cache_resource(show_spinner="Taking the loss apart …", max_entries=16)
def taken_apart(run_id: str, weights: object, split: str, _model: MLP, _examples: Examples) -> Breakdown:
    """A split's predictions, kept per weights; shared by visitors, nobody writes to it."""
    from mmcore.breakdown import Breakdown

    return Breakdown.of(_model, _examples)


def draw(run_id: str, model: MLP, vocab: Vocab, dataset: Dataset, theme: Theme, *, test: bool) -> None:
    """Everything about one split's loss, the split chosen by the visitor; test only where it is open."""
    parts: dict[str, tuple[Examples, Role]] = {
        "Validation": (dataset.val, "validation"),
        "Train": (dataset.train, "train"),
    }
    if test:
        parts["Test"] = (dataset.test, "test")
    name = st.segmented_control(
        "Split taken apart",
        list(parts),
        default="Validation",
        required=True,
        key="anatomy_split",
        help="Test is offered once it has been opened above.",
    )
    examples, role = parts[str(name)]
    found = taken_apart(run_id, model.flat.numpy(), str(name), model, examples)
    _draw_places(found, vocab, role, theme)
    _draw_words(found)
    _draw_trust(found, vocab, role, theme)


def _draw_places(found: Breakdown, vocab: Vocab, role: Role, theme: Theme) -> None:
    mean = float(found.losses.mean())
    left, right = st.columns(2, gap="medium")
    figure = bars(found.by_position(), "position", "Loss by position in the word", "Position", mean, role, theme)
    left.plotly_chart(figure, key="by_position", alt="Loss by position in the word", **CHART)
    figure = bars(found.by_length(), "length", "Loss by word length", "Length (characters)", mean, role, theme)
    right.plotly_chart(figure, key="by_length", alt="Loss by word length", **CHART)
    table = found.by_character(vocab).sort_values("loss", ascending=False)
    table = table.assign(symbol=table["symbol"].map(show_symbol))
    title = "Loss by what came next, hardest first" + symbols.cut(table)
    figure = bars(table.head(symbols.MOST), "symbol", title, "Next character", mean, role, theme)
    st.plotly_chart(figure, key="by_character", alt="Loss by next character", **CHART)
    most = table.sort_values("share", ascending=False).iloc[0]
    st.caption(
        f"The largest part of the whole loss, {most['share']:.1f} %, is paid for “{most['symbol']}”: a rare character "
        "costs much each time, a frequent one often. The dotted line is the mean over all."
    )


def _draw_words(found: Breakdown) -> None:
    words = found.words()
    columns: dict[str, Any] = {"loss": st.column_config.NumberColumn("loss per character", format="%.4f")}
    for place, title, part in zip(
        st.columns(2, gap="medium"),
        ("Hardest words", "Easiest words"),
        (words.head(LISTED), words.tail(LISTED)[::-1]),
        strict=True,
    ):
        place.markdown(f"**{title}**")
        place.dataframe(part, hide_index=True, column_config=columns, height=280, alt=title)


def _draw_trust(found: Breakdown, vocab: Vocab, role: Role, theme: Theme) -> None:
    from mmcore.breakdown import BINS, expected_calibration_error

    left, right = st.columns(2, gap="medium")
    table = found.calibration()
    left.plotly_chart(calibration(table, role, theme), key="calibration", alt="Calibration", **CHART)
    error = 100 * expected_calibration_error(table)
    left.caption(
        f"Expected calibration error (ECE) of the likeliest character: {error:.2f} %, the mean distance from the "
        f"diagonal over {BINS} equal bins of confidence, weighted by predictions. Below the diagonal the model is "
        "overconfident."
    )
    confused = found.confusions(vocab)
    for column in ("truth", "predicted"):
        confused[column] = confused[column].map(symbol_title)
    right.markdown("**Most frequent confusions**")
    columns: dict[str, Any] = {
        "predicted": "likeliest guess",
        "share": st.column_config.NumberColumn("of its truth (%)", format="%.1f"),
    }
    right.dataframe(confused, hide_index=True, column_config=columns, height=280, alt="Most frequent confusions")
    right.caption(f"The likeliest guess is right for {100 * found.accuracy:.1f} % of the characters.")


def bars(table: pd.DataFrame, key: str, title: str, x: str, mean: float, role: Role, theme: Theme) -> go.Figure:
    """Mean loss for each value of a key, and the mean of all as a line."""
    figure = go.Figure(
        go.Bar(
            x=table[key].astype(str),
            y=table["loss"].to_numpy(),
            customdata=table["examples"].to_numpy(),
            marker_color=color(role, theme),
            hovertemplate="%{x}<br>%{y:.6f} nats per character<br>%{customdata:,} examples<extra></extra>",
        )
    )
    figure.add_hline(mean, line=line("reference", theme), annotation_text=f"mean {nats(mean)}")
    figure.update_annotations(bgcolor=SURFACES[theme].background)
    figure.update_layout(figure_layout(title, x=x, y="Loss (nats)", theme=theme, height=320), margin_t=48)
    return figure.update_xaxes(type="category", tickangle=0, tickfont_size=11, dtick=every(len(table)))


def calibration(table: pd.DataFrame, role: Role, theme: Theme) -> go.Figure:
    """How often the likeliest character came, against its probability: a reliability diagram."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 100], y=[0, 100], mode="lines", line=line("reference", theme), name="Calibrated", hoverinfo="skip"
    )
    figure.add_scatter(
        x=100 * table["confidence"],
        y=100 * table["right"],
        customdata=np.asarray(table["predictions"]),
        mode="lines+markers",
        line=line(role, theme),
        marker=marker(role, theme),
        name="This model",
        hovertemplate="confidence %{x:.2f} %<br>right %{y:.2f} %<br>%{customdata:,} predictions<extra></extra>",
    )
    layout = figure_layout(
        "Calibration of the likeliest character", x="Confidence (%)", y="Accuracy (%)", theme=theme, height=320
    )
    return figure.update_layout(layout)
