"""A visitor's own corpus: from a file or a pasted text into the store."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from mmcore import Corpus, RunStore
from mmcore.fields import require
from mmcore.reading import Reading, Source, check_trainable, look_at, read_corpus

MAX_NAME = 80


@st.cache_data(show_spinner="Reading …", max_entries=4)
def preview(raw: bytes, how: Reading) -> Corpus:
    """What some text would be as a corpus; ``ValueError`` says why it cannot be one."""
    corpus = read_corpus(raw, how)
    check_trainable(corpus)
    return corpus


@st.cache_data(show_spinner=False, max_entries=4)
def columns(raw: bytes, how: Reading) -> tuple[tuple[str, ...], int]:
    """The columns of a table and which of them is read; none of what is no table."""
    found: Source = look_at(raw, how.replace(column=""))
    return (found.table.columns, found.column) if found.table else ((), 0)


def keep(store: RunStore, corpus: Corpus, name: str, owner: str | None = None) -> Corpus:
    """Store a corpus under a name; ``ValueError`` says what is wrong with that, and then nothing is kept."""
    title = " ".join(name.split())
    require(1 <= len(title) <= MAX_NAME and title.isprintable(), "name", f"1 to {MAX_NAME} characters", name)
    named = replace(corpus, name=title)
    store.add_corpus(named, owner)
    return named
