"""The corpus that models are trained on, where a page does not let one choose it."""

from __future__ import annotations

import streamlit as st

from mmcore.corpus import Corpus
from ui import pages


def draw(corpus: Corpus) -> None:
    """Its name and size in a line."""
    st.text(
        f"Corpus: {corpus.name}, {len(corpus.words):,} {corpus.item}s", help=f"Chosen on the page {pages.DATA.title}."
    )
