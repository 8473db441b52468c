"""One character of the table: its nearest neighbours, its row, and the check that looking it up is a product."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from mmcore import embedding
from mmcore.embedding import vowel_neighbours
from ui.embeddings.table import Table, row_chart
from ui.kit import chart, linked
from ui.kit.nouns import fit
from ui.kit.symbols import symbol_title
from ui.kit.theme import Theme

NEAREST = 4  # neighbours of a vowel that are looked at


def choose(table: Table, tokens: str) -> tuple[int, str]:
    """The row of the character looked at, and how distance is measured."""
    first = table.symbols[min(1, len(table.symbols) - 1)]
    shown = linked.keep("character", "embedding_symbol", first, linked.one_of(table.symbols, "one of those on the map"))
    symbol = st.selectbox(
        fit("Character", tokens),
        table.symbols,
        table.symbols.index(shown),
        key="embedding_symbol",
        format_func=symbol_title,
        on_change=_drop_selection,
        help=fit("The character looked at; clicking one on the map chooses it too.", tokens),
    )
    shown = linked.keep("metric", "metric", "cosine", linked.one_of(embedding.METRICS))
    metric = st.segmented_control(
        "Neighbours by",
        embedding.METRICS,
        default=shown,
        required=True,
        format_func=str.capitalize,
        key="metric",
        persist_state="session",
        help="Cosine compares directions, Euclidean distance compares places. Both use all dimensions, not the map.",
    )
    return table.symbols.index(symbol), metric


def _drop_selection() -> None:
    """That of the map, which is another character's now."""
    st.session_state["embedding_picks"] = st.session_state.get("embedding_picks", 0) + 1


def draw(table: Table, place: int, metric: str, theme: Theme, noun: str) -> None:
    """The neighbours of the character at a place, whether vowels are among their own kind, and its row."""
    symbol, titles = table.symbols[place], [symbol_title(symbol) for symbol in table.symbols]
    nearest = embedding.neighbours(table.rows, place, metric)
    nearest.insert(0, noun, [titles[i] for i in nearest["id"]])
    nearest["id"] = [table.ids[i] for i in nearest["id"]]
    closeness = "cosine similarity" if metric == "cosine" else "distance"
    st.dataframe(
        nearest,
        hide_index=True,
        column_config={"closeness": st.column_config.NumberColumn(closeness, format="%.3f"), "id": "id"},
        height=248,
        alt=f"Nearest neighbours of {titles[place]}",
    )
    if said := vowel_sentence(table.rows, table.symbols, metric):
        st.caption(said)
    chart.draw(row_chart(table.rows[place], symbol, theme), "row", "Row of C")


def draw_one_hot_check(C: NDArray[np.floating], row: int) -> None:
    """How far a row of the whole table is from the product with its one-hot vector."""
    st.markdown(
        f"One-hot check: the vector with a 1 at id {row}, times `C`, differs from row {row} by at most "
        f"**{embedding.one_hot_difference(C, row):g}**."
    )
    st.caption("Looking a symbol up is a matrix product with a one-hot vector: a linear layer without a bias.")


def vowel_sentence(table: NDArray[np.floating], symbols: Sequence[str], metric: str) -> str:
    """How near vowels are to each other, against chance; nothing where fewer than two symbols are vowels."""
    found, chance = vowel_neighbours(table, symbols, NEAREST, metric)
    if math.isnan(found):
        return ""
    nearest = f"Of a vowel's {min(NEAREST, len(table) - 1)} nearest neighbours"
    return f"{nearest}, {found:.2f} are vowels on average; by chance it would be {chance:.2f}."
