"""What a model sees and must predict: a word's contexts, and which character follows which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from mmcore.contexts import ContextCounts
from mmcore.corpus import Corpus
from mmcore.dataset import Vocab, build_examples, show_symbol
from ui import session
from ui.kit import chart
from ui.kit.nouns import fit
from ui.kit.text import plain
from ui.kit.theme import SURFACES, Theme, figure_layout

MAX_HEATMAP_SYMBOLS = 60


def draw_window(corpus: Corpus, vocab: Vocab) -> None:
    """The examples that a word becomes, at a context size of the visitor's choice."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        word = st.text_input(
            fit("Word", corpus.tokens),
            corpus.words[0],
            key=f"word_{corpus.sha256}",
            help=fit("Any word in the corpus's characters.", corpus.tokens),
        )
        context_size = st.number_input(
            "Context size", 1, 64, 3, key="context_size", persist_state="session", help="The lecture's block_size."
        )
    try:
        rows = context_rows(vocab.typed(word), vocab, context_size)
    except ValueError as error:
        st.error(plain(error), icon=":material/error:")
        return
    columns = {"context": "context", "next": f"next {vocab.noun}", "context_ids": "context ids", "next_id": "next id"}
    st.dataframe(rows, hide_index=True, column_config=columns, alt=f"{len(rows)} examples")


def draw_pairs(corpus: Corpus, vocab: Vocab, theme: Theme) -> None:
    """How often each character follows each other one."""
    chart.draw(
        bigram_heatmap(pairs(corpus.sha256), vocab.symbols, theme), "bigrams", "Bigram counts", tokens=vocab.tokens
    )
    if vocab.size > MAX_HEATMAP_SYMBOLS:
        st.caption(f"The {MAX_HEATMAP_SYMBOLS} most frequent of {vocab.size:,} symbols.")


@st.cache_data(show_spinner=False, max_entries=8)
def pairs(sha256: str) -> ContextCounts:
    """Next-character counts after one character."""
    return build_examples(session.corpus(sha256).words, session.vocab(sha256), 1).counts


def context_rows(word: str, vocab: Vocab, context_size: int) -> pd.DataFrame:
    """Columns ``context, next, context_ids, next_id``: the examples a word becomes."""
    examples = build_examples([word], vocab, context_size)
    rows = []
    for context, target in zip(examples.contexts.tolist(), examples.targets.tolist(), strict=True):
        drawn = vocab.drawn(context)
        ids = " ".join(map(str, context))
        rows.append(
            {"context": drawn, "next": show_symbol(vocab.symbols[target]), "context_ids": ids, "next_id": target}
        )
    return pd.DataFrame(rows)


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
