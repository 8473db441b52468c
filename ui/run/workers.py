"""Where runs are trained: on which process each, and how many workers this server has for them."""

from __future__ import annotations

import streamlit as st

from mmcore.process import said_place
from mmcore.store import WORKING, Run, RunState
from ui import session
from ui.kit.text import plain


def draw(*, waiting: bool) -> None:
    """How many workers there are, and where. Without any: why, and if runs wait for them, as a warning."""
    count, sentence = _found()
    (st.warning if waiting and not count else st.caption)(plain(sentence))


def draw_place(run: Run) -> None:
    """For a run that waits or is in training: where it is trained, or who will train it."""
    if run.state is RunState.QUEUED:
        draw(waiting=True)
    elif run.state in WORKING and (place := said_place(run.worker)):
        st.caption(plain(f"Trained by {place}. {_found()[1]}"))


def _found() -> tuple[int, str]:
    from mmcore.jobs import said

    try:
        workers = session.queue().workers
    except session.NoWorkers as problem:
        return 0, f"No worker: {problem}."
    sentence = f"This app trains with {said(workers)}" if workers.count else said(workers)
    return workers.count, f"{sentence[0].upper()}{sentence[1:]}."
