"""A button that copies the address of the page, with what else a link to it has to say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "copy_link",
    html=(HERE / "link.html").read_text("utf-8"),
    css=(HERE / "link.css").read_text("utf-8"),
    js=(HERE / "link.js").read_text("utf-8"),
    isolate_styles=False,  # as the other components: one page, one look
)


def draw(more: Mapping[str, str]) -> None:
    """The button; ``more`` goes into the link beside what the browser's address says, which counts where both speak."""
    _component(key="copy_link_button", data={"more": dict(more)})
