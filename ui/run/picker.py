"""Which run a page is about: the picker every page with a trained model begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from mmcore import Run
from ui import pages, session, visitor
from ui.kit.text import plain

if TYPE_CHECKING:
    from mmcore import Artifact


def trained_run() -> tuple[Run, Artifact]:
    """The run chosen in a select box, with its weights; without any, says what to do next and ends the script."""
    run = visitor.current_run()
    if run is None:
        st.info("Train a first model, which takes seconds, then come back.", title="No run yet", icon=":material/info:")
        pages.TRAIN.link()
        st.stop()
    run = _choose(run)
    artifact = session.artifact(run)
    if artifact is None:
        st.info(f"This run is {run.state} and has saved no weights.", title="No weights yet", icon=":material/info:")
        pages.TRAIN.link()
        st.stop()
    steps = f"Weights of step {artifact.step:,} of {run.max_steps:,}"
    st.caption(f"{steps}, corpus {plain(run.corpus_name)}, run {run.state}.")
    return run, artifact


def title(run: Run) -> str:
    """A run in a list: runs of one name are told apart by their time and id."""
    return f"{run.name} · {run.created:%d %b %H:%M} · {run.id}"


def _choose(current: Run) -> Run:
    runs = {run.id: run for run in session.store().runs()}
    runs.setdefault(current.id, current)  # made since

    st.session_state["run_choice"] = current.id  # the URL leads, the box follows
    st.selectbox(
        "Run",
        list(runs),
        key="run_choice",
        format_func=lambda run_id: title(runs[run_id]),
        on_change=lambda: visitor.open_run(st.session_state["run_choice"]),
        help="Whose weights this page shows. It starts with the run you opened last, or the newest.",
    )
    return current
