"""The stored corpora: choosing one, deleting one."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from mmcore.corpus import Corpus, counted
from mmcore.symbols import TOKENS
from ui import pages, session, visitor


def stored() -> pd.DataFrame:
    """Columns ``name, words, runs, tokens`` of every stored corpus, by its hash."""
    return session.store().corpora().set_index("sha256")


def choose(corpora: pd.DataFrame) -> Corpus:
    """The corpus that the visitor works on, which a box changes."""
    corpus = visitor.current_corpus()
    st.session_state["corpus_choice"] = corpus.sha256
    st.selectbox(
        "Corpus",
        list(corpora.index),
        key="corpus_choice",
        format_func=lambda sha256: f"{corpora.name[sha256]} · {_size(corpora.loc[sha256])}",
        on_change=lambda: visitor.choose_corpus(st.session_state["corpus_choice"]),
        help=f"What this page shows and the page {pages.TRAIN.title} trains on.",
    )
    return corpus


def _size(stored: pd.Series[Any]) -> str:
    return counted(int(stored["words"]), TOKENS[stored["tokens"]].item)


def draw_deletion(corpus: Corpus, runs: int) -> None:
    """A button that deletes a corpus without runs; none for the bundled names, which stay."""
    if corpus.sha256 == session.bundled_sha256():
        return
    if st.button(
        "Delete this corpus",
        icon=":material/delete:",
        key="delete_corpus",
        disabled=runs > 0,
        help=f"Delete its {runs:,} {'run' if runs == 1 else 'runs'} first." if runs else None,
    ):
        _confirm_deletion(corpus.sha256, f"{corpus.name}, {counted(len(corpus.words), corpus.item)}")


@st.dialog("Delete this corpus?")
def _confirm_deletion(sha256: str, title: str) -> None:
    """Ask before what cannot be undone."""
    st.text(title)
    st.markdown("No run was trained on it. This cannot be undone.")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", icon=":material/delete:", key="confirm_delete"):
            visitor.delete_corpus(sha256)
            st.rerun()
        if st.button("Keep", key="keep"):
            st.rerun()
