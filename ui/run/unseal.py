"""The test split of some runs, opened on purpose and counted."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui import session
from ui.kit.text import counted


@st.dialog("Open the test split?")
def ask(name: str, ids: Sequence[str]) -> None:
    """Ask before what can be done fairly once, for the runs of something that was chosen."""
    st.text(name)
    st.markdown(
        "The test loss says how well what was chosen predicts words that no choice was based on. That holds while "
        "nothing is chosen by it: if you change anything afterwards because of what you saw, it is a second "
        f"validation loss. Opening it is counted for {counted(len(ids), 'run')}."
    )
    with st.container(horizontal=True):
        if st.button(
            "Open it",
            type="primary",
            icon=":material/lock_open:",
            key="confirm_open",
            on_click=_open,
            args=(ids,),
        ):
            st.rerun()
        if st.button("Keep it sealed", key="keep_sealed"):
            st.rerun()


def _open(ids: Sequence[str]) -> None:
    """Show these runs' test losses to this visitor, and count it: once, however often the button is pressed."""
    seen: set[str] = st.session_state.setdefault("unsealed", set())
    for run_id in [run_id for run_id in ids if run_id not in seen]:
        seen.add(run_id)
        session.store().open_test(run_id)
