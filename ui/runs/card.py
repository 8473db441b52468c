"""One run: its name and note, what can be done with it, its files, what the doctor says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from mmcore.limits import MAX_NAME, MAX_NOTE
from mmcore.store import LIVE, WORKING, Run, RunState, UnreadableRun
from ui import pages, session, visitor
from ui.kit.text import plain
from ui.run import buttons, doctor, downloads, heading
from ui.run.progress import stopped
from ui.runs import deleted


def draw(run: Run) -> None:
    """All of it, in a frame."""
    with st.container(border=True):
        heading.draw(run)
        _draw_buttons(run)
        if run.state is RunState.STOPPED:
            st.caption(stopped(run))
        _draw_words(run)
        if run.state not in LIVE:
            asked = st.expander("Ask the doctor", icon=":material/stethoscope:", key="doctor", on_change="rerun")
            if asked.open:
                with asked:
                    doctor.draw(run)


def _draw_buttons(run: Run) -> None:
    with st.container(horizontal=True):
        if st.button("Open", type="primary", icon=":material/open_in_new:", key="open"):
            pages.TRAIN.open({"run": run.id})
        buttons.draw(run)
        downloads.draw(run)
        busy = run.state in WORKING
        why = "Stop it first." if busy else f"It can come back for {deleted.HOURS}."
        remove = partial(deleted.delete, [run.id])
        st.button("Delete", icon=":material/delete:", key=f"delete_{run.id}", disabled=busy, help=why, on_click=remove)


def _draw_words(run: Run) -> None:
    """The visitor's own words for it."""
    name, note = st.columns(2)
    name.text_input("Name", run.name, key=f"name_{run.id}", on_change=_rename, args=(run.id,), max_chars=MAX_NAME)
    note.text_area(
        "Note",
        run.note,
        key=f"note_{run.id}",
        on_change=_annotate,
        args=(run.id,),
        placeholder="What did this run show?",
        max_chars=MAX_NOTE,
        height=80,
    )
    if problem := st.session_state.pop("rename_error", None):
        st.error(plain(problem))


def _rename(run_id: str) -> None:
    """Store the name that was typed; a bad one is answered under the field."""
    try:
        session.store().rename(run_id, st.session_state[f"name_{run_id}"])
    except ValueError as error:
        st.session_state["rename_error"] = str(error)


def _annotate(run_id: str) -> None:
    """Store the note that was typed."""
    try:
        session.store().annotate(run_id, st.session_state[f"note_{run_id}"])
    except ValueError as error:  # the field's own limit can be bypassed
        visitor.refuse(error)


def draw_unreadable(runs: Sequence[UnreadableRun]) -> None:
    """What can be done with runs that cannot be read: delete them."""
    for run in runs:
        with st.container(border=True, key=f"unreadable_{run.id}"):
            st.text(f"{run}.")
            remove = partial(deleted.delete, [run.id])
            st.button("Delete", icon=":material/delete:", key=f"delete_{run.id}", on_click=remove)
