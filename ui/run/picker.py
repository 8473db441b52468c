"""Which run a page is about: the picker every page with a trained model begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from mmcore import Run
from mmcore.store import RunFilter
from ui import pages, session, visitor
from ui.kit.text import plain

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from mmcore import Artifact

OFFERED = 50  # runs in the list


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
    many = session.store().count() > OFFERED
    choice, search = st.columns([3, 2]) if many else (st.container(), None)
    wanted = _search(search) if search else ""
    runs = {run.id: run for run in session.store().runs(RunFilter(text=wanted), limit=OFFERED)}
    runs.setdefault(current.id, current)  # older, made since, or not what is searched for

    st.session_state["run_choice"] = current.id  # the URL leads, the box follows
    choice.selectbox(
        "Run",
        list(runs),
        key="run_choice",
        format_func=lambda run_id: title(runs[run_id]),
        on_change=lambda: visitor.open_run(st.session_state["run_choice"]),
        help="Whose weights this page shows. It starts with the run you opened last, or the newest.",
    )
    return current


def _search(place: DeltaGenerator) -> str:
    return place.text_input(
        "Search runs",
        key="run_search",
        persist_state="session",
        placeholder=f"The list holds the newest {OFFERED}",
        help="Words of a run's name or note, or the first digits of its id. The list then holds the newest "
        f"{OFFERED} runs that have them all.",
    )
