"""Where a run's first weights come from, and which runs begin with its own."""

from __future__ import annotations

import streamlit as st

from mmcore.store import Ancestor, Run, RunFilter
from ui import pages, session
from ui.kit.text import plain

SHOWN = 5  # branches that are listed


def draw(run: Run) -> None:
    """A line for each, with links; nothing for a run that neither is a branch nor has some."""
    store = session.store()
    if ancestors := store.ancestors(run.config.origin):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key=f"ancestors_{run.id}"):
            st.caption("From", width="content")
            for ancestor in reversed(ancestors):
                _draw_ancestor(ancestor)
            st.caption("this run.", width="content")
    which = RunFilter(parent=run.id)
    if branches := store.runs(which, limit=SHOWN):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key=f"branches_{run.id}"):
            st.caption("Branches:", width="content")
            for branch in branches:
                _link(branch)
            if (more := store.count(which) - len(branches)) > 0:
                st.caption(f"and {more:,} more.", width="content")


def _draw_ancestor(ancestor: Ancestor) -> None:
    if ancestor.run is None:
        st.caption(f"a run that was deleted ({ancestor.origin.run_id}),", width="content")
    else:
        _link(ancestor.run)
    st.caption(f"step {ancestor.origin.step:,} →", width="content")


def _link(run: Run) -> None:
    st.page_link(
        pages.TRAIN.path,
        label=plain(run.name),
        icon=":material/call_split:" if run.config.origin else ":material/model_training:",
        query_params={"run": run.id},
        width="content",
    )
