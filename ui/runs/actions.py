"""What can be done with the runs that are selected, and with the table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from mmcore.losses import SEALED
from mmcore.spreadsheet import csv
from mmcore.store import LIVE, WORKING, RunFilter, RunState, RunStore, RunSummary
from ui import pages, session, visitor
from ui.kit.text import counted
from ui.run import compared
from ui.runs import deleted, selection

CUT_SHORT = (RunState.STOPPED, RunState.INTERRUPTED)


def draw(which: RunFilter, found: int) -> None:
    """A line of buttons above the table: of so many runs that the filter lets through some are selected."""
    chosen = selection.runs()
    with st.container(horizontal=True, vertical_alignment="center", key="actions"):
        if chosen:
            st.markdown(f"**{len(chosen):,} selected**", width="content")
            _draw_compare(chosen)
            _draw_tag(chosen)
        if len(chosen) > 1:  # what can be done with a single one is on its card
            _draw_changes(chosen)
        if chosen:
            st.button("Clear selection", icon=":material/deselect:", key="clear", on_click=selection.select, args=((),))
        else:
            st.caption(
                "Tick runs to compare, tag or delete them; in the table, arrow keys and Shift + Space do the same.",
                width="content",
            )
        if found > len(chosen):
            label = f"Select all {found:,}"
            st.button(label, icon=":material/select_all:", key="select_all", on_click=_select_all, args=(which,))
        st.download_button(
            "Export table (CSV)",
            partial(_table, session.store(), which),
            "runs.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
            key="export",
            help="All runs that the search and the filters let through, with every setting.",
        )


def _select_all(which: RunFilter) -> None:
    selection.select(run.id for run in session.store().summaries(which))


def _draw_compare(chosen: Sequence[RunSummary]) -> None:
    many = len(chosen) > compared.MOST
    why = f"At most {compared.MOST} at a time." if many else "Their curves, settings and losses side by side."
    if st.button("Compare", type="primary", icon=pages.COMPARE.icon, key="compare", disabled=many, help=why):
        pages.COMPARE.open(compared.query(run.id for run in chosen))


def _draw_tag(chosen: Sequence[RunSummary]) -> None:
    with st.popover("Tag", icon=":material/label:", key="tagging"):
        tag = st.selectbox(
            "Tag",
            list(session.store().tags()),
            index=None,
            accept_new_options=True,
            key="tag",
            placeholder="Choose or type one",
            help="A short word to find runs by, 1 to 40 characters without commas.",
        )
        ids, many = [run.id for run in chosen], counted(len(chosen), "run")
        with st.container(horizontal=True):
            add = partial(_tag, ids, remove=False)
            st.button(f"Add to {many}", icon=":material/add:", key="tag_add", disabled=not tag, on_click=add)
            take = partial(_tag, ids, remove=True)
            st.button(f"Take from {many}", icon=":material/remove:", key="tag_remove", disabled=not tag, on_click=take)


def _tag(run_ids: Sequence[str], *, remove: bool) -> None:
    """Give or take the tag that is chosen when the button is pressed."""
    tag = st.session_state["tag"] or ""
    try:
        (session.store().untag if remove else session.store().tag)(run_ids, tag)
    except ValueError as problem:
        visitor.refuse(problem)


def _draw_changes(chosen: Sequence[RunSummary]) -> None:
    live = [run for run in chosen if run.state in LIVE and run.state is not RunState.STOPPING]
    if live:
        label = f"Stop {len(live):,}"
        st.button(label, icon=":material/stop:", key="stop_selected", on_click=visitor.stop_runs, args=(live,))
    if cut := [run for run in chosen if run.state in CUT_SHORT]:
        label = f"Continue {len(cut):,}"
        again = partial(visitor.continue_runs, cut)
        st.button(label, icon=":material/play_arrow:", key="continue_selected", on_click=again)
    busy = any(run.state in WORKING for run in chosen)
    st.button(
        "Delete",
        icon=":material/delete:",
        key="delete_selected",
        disabled=busy,
        help="Stop those that are in training first." if busy else f"They can come back for {deleted.HOURS}.",
        on_click=deleted.delete,
        args=([run.id for run in chosen],),
    )


def _table(store: RunStore, which: RunFilter) -> bytes:
    """For a download button, which calls it without a script run around it: plain code only."""
    return csv(store.runs_table(which).drop(columns=list(SEALED), errors="ignore")).encode()
