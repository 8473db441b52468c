"""A run's name, state and settings, above all else that is shown of it."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from mmcore.ngram import uniform_loss
from mmcore.store import Run, RunState
from ui import session
from ui.form import settings
from ui.kit.text import nats, plain
from ui.run import ancestry
from ui.run.results import in_vain

STATES: dict[
    RunState, tuple[str, Literal["gray", "primary", "red", "orange"]]
] = {  # badge icon and colour; the word is always there too
    RunState.QUEUED: (":material/schedule:", "gray"),
    RunState.RUNNING: (":material/play_arrow:", "primary"),
    RunState.STOPPING: (":material/hourglass_top:", "gray"),
    RunState.FINISHED: (":material/check:", "primary"),
    RunState.STOPPED: (":material/stop:", "gray"),
    RunState.FAILED: (":material/error:", "red"),
    RunState.INTERRUPTED: (":material/link_off:", "orange"),
}


def draw(run: Run, *, anchor: str | None = None) -> None:
    """The run's name, state and settings; and if it learned nothing, that. ``anchor`` is what a link may lead to."""
    icon, color = STATES[run.state]
    vain = in_vain(run)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(plain(run.name), anchor=anchor or False, width="content")
        st.badge(run.state.capitalize(), icon=icon, color=color)
        if vain:
            st.badge("Learned nothing", icon=":material/trending_up:", color="orange")
    st.caption(plain(f"{run.corpus_name}: {settings.describe(run.config)}"))
    ancestry.draw(run)
    if vain:
        vocab = session.vocab(run.config.corpus_sha256)
        size = vocab.size
        st.warning(
            f"The train loss ended at {nats(run.losses['train_loss'])}, above ln {size} = {uniform_loss(size):.4f}: a "
            f"model that gives every {vocab.noun} the same chance does better."
        )


def state_title(run: Run) -> str:
    """A run's state in a table: that it ended says nothing about how."""
    return run.state.capitalize() + (", learned nothing" if in_vain(run) else "")
