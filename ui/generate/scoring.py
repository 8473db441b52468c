"""How likely the model finds a word, letter by letter."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from mmcore.dataset import Examples, Vocab, show_symbol
from mmcore.evaluation import word_losses
from mmcore.model import Model
from mmcore.scoring import percentile, score_word
from mmcore.symbols import CHARACTERS, WORDS
from ui.kit import chart
from ui.kit.nouns import fit
from ui.kit.symbols import symbol_title
from ui.kit.text import nats, plain
from ui.kit.theme import SURFACES, Theme, figure_layout

if TYPE_CHECKING:
    from mmcore import Artifact

IN_A_ROW, WORDS_IN_A_ROW = 12, 4  # letters of a strip side by side that can be read on a phone; words


def strip(score: pd.DataFrame, theme: Theme, tokens: str = CHARACTERS) -> go.Figure:
    """Each letter with its probability and surprisal written on it, darker the more it surprises."""
    in_a_row = WORDS_IN_A_ROW if tokens == WORDS else IN_A_ROW
    rows, columns = math.ceil(len(score) / in_a_row), min(len(score), in_a_row)
    shade: list[list[float | None]] = [[None] * columns for _ in range(rows)]
    text, hover = [[""] * columns for _ in range(rows)], [[""] * columns for _ in range(rows)]
    for i, letter in enumerate(score.itertuples()):
        row, column = divmod(i, in_a_row)
        shade[row][column] = float(letter.surprisal)
        text[row][column] = (
            f"<b>{show_symbol(letter.symbol)}</b><br>{percent(letter.probability)}<br>{nats(letter.surprisal, 2)}"
        )
        expected = f"{show_symbol(letter.expected)} with {100 * letter.expected_probability:.4f} %"
        hover[row][column] = (
            f"{show_symbol(letter.symbol)} after {letter.context}<br>probability {letter.probability:.9g}<br>"
            f"surprisal {letter.surprisal:.6f} nats, place {letter.rank}<br>expected {expected}"
        )
    figure = go.Figure(
        go.Heatmap(
            z=shade,
            text=text,
            texttemplate="%{text}",
            textfont={"size": 14},
            hovertext=hover,
            hovertemplate="%{hovertext}<extra></extra>",
            colorscale=list(SURFACES[theme].scale),
            zmin=0,
            zmax=max(6.0, float(score["surprisal"].max())),
            colorbar={"thickness": 10, "title": {"text": "Nats"}},
            xgap=2,
            ygap=2,
        )
    )
    layout = figure_layout("Surprise at each letter", x="", y="", theme=theme, height=110 + 84 * rows)
    figure.update_layout(layout, margin_t=48)
    figure.update_xaxes(visible=False, fixedrange=True)
    return figure.update_yaxes(visible=False, autorange="reversed", fixedrange=True)


def percent(probability: float) -> str:
    """A probability in as few characters as say something: ``46 %``, ``2.1 %``, ``0.003 %``."""
    share = 100 * probability
    return f"{share:.0f} %" if share >= 10 else f"{share:.1f} %" if share >= 0.1 else f"{share:.1g} %"


def rounded(number: float) -> str:
    """Three digits that count: ``5,880``, ``1.2e+12``."""
    return f"{float(f'{number:.3g}'):,.0f}" if 100 <= number < 1e9 else f"{number:.3g}"


def score_sentence(score: pd.DataFrame, share: float, vocab: Vocab) -> str:
    """What a word's score says, in two or three sentences."""
    total, letters = float(score["surprisal"].sum()), len(score)
    worst = score.loc[score["surprisal"].idxmax()]
    expected = symbol_title(worst["expected"])
    return (
        f"Surprisal {nats(total, 3)} nats in all, {nats(total / letters)} per {vocab.noun}: the model would write this "
        f"{vocab.item} once in {rounded(math.exp(min(total, 700)))}. Per {vocab.noun} it is likelier than "
        f"{share:.1f} % of the validation {vocab.item}s. "
        f"Most surprising: {symbol_title(worst['symbol'])} {place(worst['context'])}, where it expected {expected} "
        f"with {100 * worst['expected_probability']:.1f} %."
    )


def place(context: str) -> str:
    """Where a letter stands, by a context as drawn: of the boundaries before a word one is enough."""
    written = context.lstrip(f"{show_symbol('')} ")  # a space stands between words only
    start = "" if written == context else show_symbol("")
    between = " " if start and f"{start} {written}" in context else ""
    return f"after {start}{between}{written}" if written else "at the start"


@st.cache_data(show_spinner="Scoring the validation words …", max_entries=32)
def surprisals(run_id: str, step: int, _model: Model, _val: Examples) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Every validation word's surprisal and length, kept per run and step: the word typed is compared with them."""
    return word_losses(_model, _val)


def draw(run_id: str, artifact: Artifact, word: str, val: Examples, theme: Theme) -> None:
    """A word's strip, what it says, and the exact numbers."""
    try:
        score = score_word(artifact.model, artifact.vocab, word)
    except ValueError as error:
        st.error(plain(error), icon=":material/error:")
        return
    chart.draw(
        strip(score, theme, artifact.vocab.tokens), "strip", "Surprise at each letter", tokens=artifact.vocab.tokens
    )
    among = percentile(score, *surprisals(run_id, artifact.step, artifact.model, val))
    st.markdown(plain(score_sentence(score, among, artifact.vocab)))
    shown = score.assign(symbol=score["symbol"].map(symbol_title), expected=score["expected"].map(symbol_title))
    for column in ("probability", "expected_probability"):
        shown[column] *= 100
    with st.expander(fit("Letter by letter", artifact.vocab.tokens), icon=":material/table:"):
        st.dataframe(
            shown,
            hide_index=True,
            column_config={
                "symbol": fit("letter", artifact.vocab.tokens),
                "probability": st.column_config.NumberColumn("probability (%)", format="%.4f"),
                "surprisal": st.column_config.NumberColumn("surprisal (nats)", format="%.4f"),
                "rank": "place",
                "expected": "expected",
                "expected_probability": st.column_config.NumberColumn("with (%)", format="%.4f"),
                "context": "after",
            },
            alt=fit("Each letter's score", artifact.vocab.tokens),
        )
