"""Deleted runs: into the bin at once, and the way back."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from mmcore.cost import amount
from mmcore.store import KEPT_SECONDS, RunFilter
from ui import session, visitor
from ui.kit.text import counted, plain
from ui.runs import selection

KEY = "deleted_runs"  # the last that this visitor has deleted
IN_BIN = RunFilter(deleted=True)
HOURS = f"{KEPT_SECONDS / 3600:.0f} hours"


def delete(run_ids: Sequence[str]) -> None:
    """Put runs into the bin; they can come back with one click, here and after a visit elsewhere."""
    if not session.store().count(RunFilter(ids=run_ids)):  # the click before this one has
        return
    try:
        session.store().delete(*run_ids)
    except ValueError as problem:  # a worker has taken one meanwhile
        visitor.refuse(problem)
        return
    st.session_state[KEY] = list(run_ids)
    if st.session_state.get("run_id") in run_ids:
        visitor.close_run()


def _restore(run_ids: Sequence[str]) -> None:
    back = session.store().restore(run_ids)
    if gone := len(run_ids) - session.store().count(RunFilter(ids=run_ids)):
        visitor.refuse(ValueError(f"{counted(gone, 'run')} cannot come back: the bin was emptied."))
    _forget()
    if len(back) > 1:
        selection.select(back)
    elif back:
        visitor.open_run(back[0])


def _restore_chosen(run_ids: Sequence[str]) -> None:
    """Those that are chosen when the button is pressed; without a choice, all of these."""
    _restore(st.session_state["bin_chosen"] or run_ids)


def _forget() -> None:
    st.session_state.pop(KEY, None)


def draw_undo() -> None:
    """What was deleted last, until it is brought back or the line is closed."""
    last: list[str] = st.session_state.get(KEY, [])
    there = session.store().summaries(RunFilter(ids=last, deleted=True)) if last else []
    if not there:
        return
    what = plain(there[0].name) if len(there) == 1 else counted(len(there), "run")
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="undo_line"):
        st.markdown(f":material/delete: Deleted **{what}**.", width="content")
        ids = [run.id for run in there]
        st.button("Undo", icon=":material/undo:", key="undo", on_click=_restore, args=(ids,))
        st.button("", icon=":material/close:", key="undo_close", type="tertiary", help="Close", on_click=_forget)


def draw_bin() -> None:
    """What is in the bin and what it takes; nothing if it is empty."""
    there = session.store().summaries(IN_BIN)
    if not there:
        return
    names = {run.id: f"{run.name} · {run.id}" for run in there}
    with st.popover(f"Bin: {counted(len(there), 'run')}", icon=":material/delete:", key="bin"):
        room = amount(sum(session.store().stored(names).values()))
        st.markdown(f"{counted(len(there), 'deleted run')}, {room}. Each goes for good {HOURS} after it was deleted.")
        st.multiselect(
            "Bring back",
            list(names),
            format_func=names.__getitem__,
            key="bin_chosen",
            placeholder="All of them",
            help="A run comes back as it was, with its curve, samples, weights and tags.",
        )
        with st.container(horizontal=True):
            st.button("Restore", icon=":material/undo:", key="restore", on_click=_restore_chosen, args=(list(names),))
            empty = st.button("Empty the bin", icon=":material/delete_forever:", key="empty_bin")
        if empty:
            with st.spinner("Emptying the bin …"):
                session.store().empty_bin()
            st.rerun()
