"""The glossary on Lessons."""

from __future__ import annotations

import streamlit as st

from ui.kit.glossary import GLOSSARY
from ui.kit.nouns import fit
from ui.kit.text import plain


def draw(tokens: str) -> None:
    """Every term and its sentence, in two columns that are read one after the other; of symbols that are `tokens`."""
    st.header("Glossary", anchor="glossary")
    entries = [f"**{plain(term)}**: {plain(fit(sentence, tokens))}" for term, sentence in GLOSSARY.items()]
    half = (len(entries) + 1) // 2
    with st.container(key="glossary"):
        for column, part in zip(st.columns(2, gap="medium"), (entries[:half], entries[half:]), strict=True):
            column.markdown("\n\n".join(part))
