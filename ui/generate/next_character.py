"""A word written one character at a time: what the model expects next, and the visitor's or its own choice of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
import torch

from mmcore.dataset import Splits, Vocab, show_symbol
from mmcore.sample import draw_symbol, label, next_distribution
from ui import terms
from ui.generate.samples import LABEL_TITLES, Sampling
from ui.kit import plots, symbols
from ui.kit.nouns import fitted
from ui.kit.text import plain
from ui.kit.theme import PLOTLY_CONFIG, Theme, color, figure_layout

if TYPE_CHECKING:
    from mmcore import Artifact

LIKELIEST = 4  # that a sentence names


def draw(run_id: str, artifact: Artifact, splits: Splits, how: Sampling, theme: Theme) -> None:
    """The word so far, from the prefix on, ways to add to it, and the probability of each next character."""
    vocab, word_key = artifact.vocab, f"built_{run_id}_{how.prefix}"
    try:
        start = [vocab.symbols[i] for i in vocab.encode(vocab.typed(how.prefix))]
    except ValueError:  # which the words above say
        return
    built: list[str] = st.session_state.setdefault(word_key, start)
    written = vocab.cutting.joined(built)
    try:
        distribution = _next(artifact, built, how)
    except ValueError as error:
        st.error(plain(error), icon=":material/error:")
        terms.stop()
    ranked = distribution.sort_values("probability", ascending=False, kind="stable")
    st.markdown(f"The {vocab.item} so far, from its start:")
    with st.container(border=True, key="spelled"):  # plain text: a code block would fetch a highlighter of 1.5 MB
        st.text(vocab.cutting.between.join(map(show_symbol, ["", *built])))
    # The chart must not remember the click that another word's bar got.
    step_key = f"next_{run_id}_{how.prefix}_{len(built)}_{st.session_state.get('built_resets', 0)}"
    _draw_choices(word_key, start, ranked, artifact, how, step_key)
    if built[-1:] == [""]:
        found = LABEL_TITLES[label(written, splits)]
        st.success(f"The {vocab.item} is complete: {plain(written) or f'the empty {vocab.item}'} ({found.lower()}).")
        return
    st.markdown(plain(belief(ranked, written, vocab.item)))
    st.plotly_chart(
        fitted(chart(ranked, theme), vocab.tokens),
        theme=None,
        config=PLOTLY_CONFIG,
        key=step_key,
        on_select=lambda: _add_clicked(word_key, len(built), vocab, step_key),
        selection_mode="points",
        alt=f"Probability of each next {vocab.noun}",
    )


def _next(artifact: Artifact, built: list[str], how: Sampling) -> pd.DataFrame:
    written = artifact.vocab.cutting.joined(built)
    return next_distribution(artifact.model, artifact.vocab, written, temperature=how.temperature, top_k=how.top_k)


def _draw_choices(
    word_key: str, start: list[str], ranked: pd.DataFrame, artifact: Artifact, how: Sampling, step_key: str
) -> None:
    built: list[str] = st.session_state[word_key]
    ended, choice_key, noun = built[-1:] == [""], f"choice_{step_key}", artifact.vocab.noun
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            f"Next {noun}",
            ranked["symbol"].tolist()[: symbols.MOST],
            key=choice_key,
            format_func=symbols.symbol_title,
            disabled=ended,
            width=180,
            help="The likeliest first" + (f", and only {symbols.MOST} of them." if len(ranked) > symbols.MOST else "."),
        )
        st.button(
            "Add",
            # As the box is when the button is pressed, not as it was when the button was drawn.
            on_click=lambda: _add(word_key, st.session_state[choice_key]),
            disabled=ended,
            icon=":material/add:",
            help=f"Add the chosen {noun}.",
        )
        st.button(
            "Draw one",
            on_click=_draw_one,
            args=(word_key, artifact, how),
            disabled=ended,
            icon=":material/casino:",
            help="Let the probabilities choose.",
        )
        st.button(
            "Start over",
            on_click=_start,
            args=(word_key, start),
            disabled=built == start,
            icon=":material/restart_alt:",
            help="Back to the prefix.",
        )


def _add(word_key: str, symbol: str) -> None:
    built: list[str] = st.session_state[word_key]
    if built[-1:] != [""]:  # nothing follows the end, which the click before this one may have been
        st.session_state[word_key] = [*built, symbol]


def _add_clicked(word_key: str, length: int, vocab: Vocab, chart_key: str) -> None:
    """Add what was clicked in the chart of a word of this length.

    A browser says a click again with the next one, where that comes before it has let go of the chart.
    """
    found = st.session_state[chart_key].selection.points
    if found and len(st.session_state[word_key]) == length:
        _add(word_key, vocab.symbols[plots.clicked_id(found[0])])


def _draw_one(word_key: str, artifact: Artifact, how: Sampling) -> None:
    """Add a character by the probabilities after the word as it is now; the sample seed and the draws so far decide."""
    built: list[str] = st.session_state[word_key]
    if built[-1:] == [""]:
        return
    seed, generator = st.session_state.get("symbol_generator", (None, None))
    if seed != how.sample_seed:
        generator = torch.Generator().manual_seed(how.sample_seed)
        st.session_state["symbol_generator"] = how.sample_seed, generator
    _add(word_key, draw_symbol(_next(artifact, built, how), generator))


def _start(word_key: str, symbols: list[str]) -> None:
    st.session_state[word_key] = symbols
    st.session_state["built_resets"] = st.session_state.get("built_resets", 0) + 1


def belief(ranked: pd.DataFrame, written: str, item: str = "word") -> str:
    """What the model expects next, in a sentence; ``ranked``: columns ``symbol, probability``, likeliest first."""
    named = [
        f"{show_symbol(row.symbol) if row.symbol else f'the end of the {item}'} with {100 * row.probability:.1f} %"
        for row in ranked.head(LIKELIEST).itertuples()
    ]
    after = f"After “{written}”" if written else f"At the start of a {item}"
    sentence = f"{after} the model expects {', '.join(named[:-1])} and {named[-1]}."
    end = ranked["symbol"].tolist().index("")
    if end < LIKELIEST or not written:
        return sentence
    return f"{sentence} The {item} ends here with {100 * ranked['probability'].iloc[end]:.1f} %."


def chart(ranked: pd.DataFrame, theme: Theme) -> go.Figure:
    """The probability of each next character, likeliest first; ``customdata`` is the symbol's id.

    ``ranked``: columns ``symbol, probability``, the index an id.
    """
    shown = ranked.head(symbols.MOST)
    figure = go.Figure(
        go.Bar(
            x=[show_symbol(symbol) for symbol in shown["symbol"]],
            y=shown["probability"],
            customdata=shown.index,
            marker_color=color("accent", theme),
            hovertemplate="%{x}<br>probability %{y:.6f}<extra></extra>",
        )
    )
    title = "Probability of the next character" + symbols.cut(ranked)
    layout = figure_layout(title, x="Next character", y="Probability", theme=theme)
    figure.update_layout(layout, height=360, margin_t=48, bargap=0.15, clickmode="event+select", dragmode="pan")
    figure.update_xaxes(type="category", tickangle=0, tickfont_size=11, dtick=1).update_yaxes(rangemode="tozero")
    return figure
