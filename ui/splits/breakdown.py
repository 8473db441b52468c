"""A split's loss taken apart, on screen: the lower half of Splits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from mmcore.breakdown import BINS, Breakdown, expected_calibration_error
from mmcore.dataset import Dataset, Examples, Vocab, show_symbol
from mmcore.model import Model
from ui.kit import chart, linked, symbols
from ui.kit.plots import every
from ui.kit.symbols import symbol_title
from ui.kit.text import nats
from ui.kit.theme import SURFACES, Role, Theme, color, figure_layout, line, marker

if TYPE_CHECKING:
    from mmcore import Artifact

LISTED = 12  # words at either end


@st.cache_resource(show_spinner="Taking the loss apart …", max_entries=16)
def taken_apart(run_id: str, step: int, split: str, _model: Model, _examples: Examples) -> Breakdown:
    """A split's predictions, kept per run and step; shared by visitors, nobody writes to it."""
    return Breakdown.of(_model, _examples)


def draw(run_id: str, artifact: Artifact, dataset: Dataset, theme: Theme, *, test: bool) -> None:
    """Everything about one split's loss, the split chosen by the visitor; test only where it is open."""
    parts: dict[str, tuple[Examples, Role]] = {
        "Validation": (dataset.val, "validation"),
        "Train": (dataset.train, "train"),
    }
    if test:
        parts["Test"] = (dataset.test, "test")
    shown = linked.keep("split", "anatomy_split", "Validation", linked.one_of(parts))
    name = st.segmented_control(
        "Split taken apart",
        list(parts),
        default=shown,
        required=True,
        key="anatomy_split",
        help="Test is offered once it has been opened above.",
    )
    examples, role = parts[name]
    found = taken_apart(run_id, artifact.step, name, artifact.model, examples)
    _draw_places(found, artifact.vocab, role, theme)
    _draw_words(found, artifact.vocab)
    _draw_trust(found, artifact.vocab, role, theme)


def _draw_places(found: Breakdown, vocab: Vocab, role: Role, theme: Theme) -> None:
    mean = float(found.losses.mean())
    left, right = st.columns(2, gap="medium")
    with left:
        title = "Loss by position in the word"
        figure = bars(found.by_position(), "position", title, "Position", mean, role, theme)
        chart.draw(figure, "by_position", title, tokens=vocab.tokens)
    with right:
        title = "Loss by word length"
        figure = bars(found.by_length(), "length", title, "Length (characters)", mean, role, theme)
        chart.draw(figure, "by_length", title, tokens=vocab.tokens)
    table = found.by_character(vocab).sort_values("loss", ascending=False)
    table = table.assign(symbol=table["symbol"].map(show_symbol))
    title = "Loss by what came next, hardest first" + symbols.cut(table)
    figure = bars(table.head(symbols.MOST), "symbol", title, "Next character", mean, role, theme)
    chart.draw(figure, "by_character", "Loss by next character", tokens=vocab.tokens)
    most = table.sort_values("share", ascending=False).iloc[0]
    st.caption(
        f"The largest part of the whole loss, {100 * most['share']:.1f} %, is paid for “{most['symbol']}”: a rare "
        f"{vocab.noun} costs much each time, a frequent one often. The dotted line is the mean over all."
    )


def _draw_words(found: Breakdown, vocab: Vocab) -> None:
    words = found.words().rename(columns={"word": vocab.item, "characters": f"{vocab.noun}s"})
    columns = {"loss": st.column_config.NumberColumn(f"loss per {vocab.noun}", format="%.4f")}
    for place, title, part in zip(
        st.columns(2, gap="medium"),
        (f"Hardest {vocab.item}s", f"Easiest {vocab.item}s"),
        (words.head(LISTED), words.tail(LISTED)[::-1]),
        strict=True,
    ):
        place.markdown(f"**{title}**")
        place.dataframe(part, hide_index=True, column_config=columns, height=280, alt=title)


def _draw_trust(found: Breakdown, vocab: Vocab, role: Role, theme: Theme) -> None:
    left, right = st.columns(2, gap="medium")
    table = found.calibration()
    error = 100 * expected_calibration_error(table)
    with left:
        chart.draw(calibration(table, role, theme), "calibration", "Calibration", tokens=vocab.tokens)
    left.caption(
        f"Expected calibration error (ECE) of the likeliest {vocab.noun}: {error:.2f} %, the mean distance from the "
        f"diagonal over {BINS} equal bins of confidence, weighted by predictions. Below the diagonal the model is "
        "overconfident."
    )
    confused = found.confusions(vocab)
    for column in ("truth", "predicted"):
        confused[column] = confused[column].map(symbol_title)
    right.markdown("**Most frequent confusions**")
    right.dataframe(
        confused,
        hide_index=True,
        column_config={
            "predicted": "likeliest guess",
            "share": st.column_config.NumberColumn("of its truth", format="percent"),
        },
        height=280,
        alt="Most frequent confusions",
    )
    right.caption(f"The likeliest guess is right for {100 * found.accuracy:.1f} % of the {vocab.noun}s.")


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
