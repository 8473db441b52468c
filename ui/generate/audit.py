"""Samples looked at as a whole: how many are new, how near they are to train words, and two distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from mmcore import scoring
from mmcore.dataset import Splits, show_symbol
from ui.generate.tree import HOTTEST
from ui.kit import chart, linked, symbols
from ui.kit.nouns import fit
from ui.kit.plots import every
from ui.kit.theme import Role, Theme, color, figure_layout, line, marker

if TYPE_CHECKING:
    from mmcore import Artifact

MOST, MOST_SEED, COLDEST = 2_000, 2**31 - 1, 0.1  # words, temperature
CLOSEST = 20  # samples that are compared with the train words


@st.cache_data(show_spinner="Sampling at every temperature …", max_entries=32)
def novelty(run_id: str, step: int, _artifact: Artifact, _splits: Splits, n: int, sample_seed: int) -> pd.DataFrame:
    """Where samples are found at each temperature; kept per weights."""
    return scoring.novelty_by_temperature(_artifact.model, _artifact.vocab, _splits, n, sample_seed=sample_seed)


@st.cache_data(show_spinner="Comparing the samples …", max_entries=32)
def audited(
    run_id: str, step: int, _artifact: Artifact, _splits: Splits, n: int, temperature: float, sample_seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Lengths, letters and nearest train words of samples, kept per weights."""
    words = scoring.sample_words(_artifact.model, _artifact.vocab, n, temperature, sample_seed)
    corpus = [word for _, part in _splits.items() for word in part]
    near = [(word, *scoring.nearest_word(word, _splits.train, _artifact.vocab.tokens)) for word in words[:CLOSEST]]
    lengths = scoring.length_distribution(words, corpus, _artifact.vocab.tokens)
    letters = scoring.character_distribution(words, corpus, _artifact.vocab)
    return lengths, letters, pd.DataFrame(near, columns=["sample", "nearest", "edits"])


def draw(run_id: str, artifact: Artifact, splits: Splits, theme: Theme) -> None:
    """Novelty against temperature, nearest train words, and two distributions against the corpus."""
    tokens = artifact.vocab.tokens
    shown_n = linked.keep("audit_n", "audit_n", 200, linked.whole(20, MOST))
    shown_seed = linked.keep("audit_seed", "audit_seed", 0, linked.whole(0, MOST_SEED))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        title = fit("Words per temperature", tokens)
        n = st.number_input(title, 20, MOST, shown_n, 20, key="audit_n", width=190, help="More is slower.")
        help_seed = "Same seed, same words."
        seed = st.number_input("Audit seed", 0, MOST_SEED, shown_seed, key="audit_seed", width=150, help=help_seed)
        heat = st.number_input(
            "Audit temperature",
            COLDEST,
            HOTTEST,
            linked.keep("audit_temperature", "audit_temperature", 1.0, linked.real(COLDEST, HOTTEST)),
            0.1,
            key="audit_temperature",
            width=170,
            help="Of the words compared below.",
        )
    table = novelty(run_id, artifact.step, artifact, splits, n, seed)
    figure = novelty_chart(table, heat, theme)
    chart.draw(figure, "novelty", "Share of new and of memorised samples by temperature")
    lengths, letters, near = audited(run_id, artifact.step, artifact, splits, n, heat, seed)
    left, right = st.columns(2, gap="medium")
    with left:
        chart.draw(compared(lengths, "length", "Length", theme), "audit_lengths", "Lengths", tokens=tokens)
    most = letters.nlargest(symbols.MOST, "corpus", keep="first").sort_index()
    most = most.assign(symbol=most["symbol"].map(show_symbol))
    with right:
        chart.draw(compared(most, "symbol", "Letter", theme), "audit_letters", "Letters", tokens=tokens)
        if len(most) < len(letters):
            noun = artifact.vocab.noun
            st.caption(f"Shown are the {len(most):,} {noun}s that the corpus has most of, out of {len(letters):,}.")
    st.markdown(
        f"Lengths differ from the corpus by {100 * scoring.total_variation(lengths):.1f} %, "
        f"{fit('letters', tokens)} by "
        f"{100 * scoring.total_variation(letters):.1f} % (share that would have to move). "
        f"{n} {artifact.vocab.item}s drawn from the corpus itself would not fit it exactly either."
    )
    st.markdown(fit(f"**Nearest train word** of the first {len(near)} samples; 0 edits is a memorised word.", tokens))
    columns = {"nearest": fit("nearest train word", tokens), "edits": "edits (insert, delete, replace)"}
    st.dataframe(near, hide_index=True, column_config=columns, height=280, alt="Nearest train words")


def novelty_chart(table: pd.DataFrame, temperature: float, theme: Theme) -> go.Figure:
    """Shares of new, memorised, held-out and distinct samples against temperature."""
    figure = go.Figure()
    parts: tuple[tuple[str, str, Role], ...] = (
        ("new", "New", "accent"),
        ("train", "In train", "train"),
        ("held_out", "In validation or test", "validation"),
        ("distinct", "Distinct", "reference"),
    )
    for column, name, role in parts:
        figure.add_scatter(
            x=table["temperature"],
            y=100 * table[column],
            name=name,
            mode="lines+markers",
            line=line(role, theme),
            marker=marker(role, theme),
            hovertemplate="temperature %{x}<br>%{y:.1f} %<extra>%{fullData.name}</extra>",
        )
    figure.add_vline(temperature, line=line("batch", theme), annotation_text=f"below: {temperature:g}")
    layout = figure_layout("New or memorised", x="Temperature", y="Samples (%)", theme=theme, height=420)
    legend = {"yref": "container", "y": 0, "yanchor": "bottom"}  # on a phone it takes several lines
    return figure.update_layout(layout, margin_t=48, legend=legend).update_yaxes(rangemode="tozero")


def compared(shares: pd.DataFrame, key: str, title: str, theme: Theme) -> go.Figure:
    """Samples and corpus side by side."""
    figure = go.Figure()
    parts: tuple[tuple[str, Role, str], ...] = (("samples", "accent", "/"), ("corpus", "batch", ""))
    for column, role, pattern in parts:
        figure.add_bar(
            x=shares[key],
            y=100 * shares[column],
            name=column.capitalize(),
            marker={"color": color(role, theme), "pattern": {"shape": pattern}},
            hovertemplate="%{x}<br>%{y:.2f} %<extra>%{fullData.name}</extra>",
        )
    layout = figure_layout(f"{title}s of samples and corpus", x=title, y="Share (%)", theme=theme, height=320)
    figure.update_layout(layout, barmode="group")
    widest = int(shares[key].astype(str).str.len().max())
    return figure.update_xaxes(type="category", tickangle=0, tickfont_size=11, dtick=every(widest * len(shares)))
