"""Which runs are selected: kept by their ids while the visitor pages, filters, searches and goes elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st

from mmcore.store import RunFilter, RunSummary
from ui import session, visitor

KEY = "selected_runs"


def ids() -> list[str]:
    """In the order in which they were selected."""
    return list(st.session_state.get(KEY, ()))


def select(run_ids: Iterable[str]) -> None:
    """Select these and no others; a single one becomes the visitor's current run."""
    chosen = list(dict.fromkeys(run_ids))
    st.session_state[KEY] = chosen
    if len(chosen) == 1:
        visitor.open_run(chosen[0])


def select_here(shown: Sequence[str], chosen: Iterable[str]) -> None:
    """Of the runs that are shown, select these; what is selected elsewhere stays."""
    wanted, here = set(chosen), set(shown)
    kept = [run_id for run_id in ids() if run_id not in here or run_id in wanted]
    select([*kept, *(run_id for run_id in shown if run_id in wanted)])


def runs() -> list[RunSummary]:
    """Those that are selected and still there, in the order of their selection."""
    chosen = ids()
    found = {run.id: run for run in session.store().summaries(RunFilter(ids=chosen))} if chosen else {}
    if len(found) < len(chosen):
        st.session_state[KEY] = [run_id for run_id in chosen if run_id in found]
    return [found[run_id] for run_id in chosen if run_id in found]
