"""The glossary's terms on a page: underlined where each stands first, explained there and at the page's end."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import streamlit as st

from ui import visitor
from ui.kit import linked
from ui.kit.glossary import GLOSSARY, SPELLED
from ui.kit.nouns import fit

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "glossary_terms",
    html=(HERE / "terms.html").read_text("utf-8"),
    css=(HERE / "terms.css").read_text("utf-8"),
    js=(HERE / "terms.js").read_text("utf-8"),
    isolate_styles=False,  # what it marks is all of the page
)


def draw() -> None:
    """Explain the terms that the page above says, as it is now and as it changes, for the corpus it is about."""
    tokens = visitor.corpus_to_show().tokens
    sentences = {term: fit(sentence, tokens) for term, sentence in GLOSSARY.items()}
    _component(key="terms", data={"sentences": sentences, "spelled": SPELLED})


def stop() -> NoReturn:
    """End a page here: nothing can be drawn after Streamlit's own ``stop``."""
    linked.end()
    draw()
    st.stop()
