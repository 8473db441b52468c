"""A plotly figure on the page, as every page shows one."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from mmcore.symbols import CHARACTERS
from ui.kit.nouns import fit, fitted
from ui.kit.theme import PLOTLY_CONFIG


def draw(figure: go.Figure, key: str, alt: str, *, width: int | None = None, tokens: str = CHARACTERS) -> None:
    """Draw a figure in its own colours, as wide as there is room or as asked (px).

    ``alt`` says what it shows to those who do not see it; ``tokens`` what the symbols are that it speaks of.
    """
    figure, alt = fitted(figure, tokens), fit(alt, tokens)
    st.plotly_chart(figure, theme=None, config=PLOTLY_CONFIG, key=key, alt=alt, width=width or "stretch")
