"""What is in a corpus: how it was read, its vocabulary, the lengths of its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from mmcore.corpus import Corpus, CorpusReport
from mmcore.dataset import BOUNDARY, Vocab, show_symbol
from mmcore.symbols import TOKENS
from ui.kit import chart, symbols
from ui.kit.nouns import fit
from ui.kit.text import plain
from ui.kit.theme import Theme, color, figure_layout

MOST_ROWS = 1_000  # of the vocabulary


def draw_report(corpus: Corpus, vocab: Vocab) -> None:
    """Its size in four figures, and what reading it found."""
    report = corpus.report
    with st.grid(4, min_column_width=140):
        words, distinct, longest = (fit(name, corpus.tokens) for name in ("Words", "Distinct words", "Longest word"))
        st.metric(words, f"{report.kept:,}", help="What the corpus has of them, once or several times.")
        st.metric(distinct, f"{len(set(corpus.words)):,}", help=f"{words}, each counted once.")
        known = f"Distinct {corpus.noun}s, and the boundary; the lecture's names have 27."
        st.metric("Vocabulary", f"{vocab.size:,}", help=known)
        st.metric(longest, f"{max(report.lengths):,}", help=f"In {corpus.noun}s.")
    st.caption(plain(reading(report)))


def draw_vocabulary(corpus: Corpus, vocab: Vocab) -> None:
    """Each symbol with its id and how often it occurs."""
    ids = symbols.shown(corpus, vocab, MOST_ROWS)
    st.dataframe(
        vocabulary(corpus, vocab, ids),
        hide_index=True,
        column_config={
            "id": "id (stoi)",
            "symbol": "symbol (itos)",
            "count": st.column_config.NumberColumn("times", format="localized"),
            "share": st.column_config.NumberColumn(format="percent"),
        },
        height=350,
        alt="Vocabulary with ids",
    )
    st.caption(symbols.left_out(ids, vocab))


def draw_lengths(corpus: Corpus, theme: Theme) -> None:
    """How long its words are."""
    chart.draw(word_lengths(corpus.report.lengths, theme), "lengths", "Words by length", tokens=corpus.tokens)


def reading(report: CorpusReport) -> str:
    """What reading a corpus found, in a few sentences."""
    gone = [f"{count:,} {reason}" for reason, count in report.dropped.items() if count]
    dropped = f"dropped {' and '.join(filter(None, [', '.join(gone[:-1]), gone[-1]]))}" if gone else "dropped none"
    repeated = f"No {TOKENS[report.tokens].item} occurs twice."
    if report.duplicates:
        item = TOKENS[report.tokens].item
        words = f"1 {item} repeats" if report.duplicates == 1 else f"{report.duplicates:,} {item}s repeat"
        kept = "was dropped" if report.dropped.get("duplicate") else "is kept, as frequency is information"
        repeated = f"{words} an earlier one; every repetition {kept}."
    found = f"{report.lines:,} lines, kept {report.kept:,} {TOKENS[report.tokens].item}s, {dropped}. {repeated}"
    how = f"{report.read_as} Of" if report.read_as else "Read"
    return f"{how} {found} {report.cleaned_sentence()}".rstrip()


def vocabulary(corpus: Corpus, vocab: Vocab, ids: Sequence[int]) -> pd.DataFrame:
    """Columns ``id, symbol, count, share``, of some ids; the boundary counts once a word."""
    characters = {BOUNDARY: corpus.report.kept} | corpus.report.characters
    symbols, total = [vocab.symbols[i] for i in ids], sum(characters.values())
    counts = [characters[symbol] for symbol in symbols]
    columns = {"id": ids, "symbol": [show_symbol(symbol) for symbol in symbols], "count": counts}
    return pd.DataFrame(columns | {"share": [count / total for count in counts]})


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
    figure.update_layout(figure_layout("Words by length", x="Length (characters)", y="Words", theme=theme, height=350))
    figure.update_layout(bargap=0.15, margin_t=48)
    return figure
