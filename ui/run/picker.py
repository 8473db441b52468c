"""Which run and which checkpoint a page is about: the bar that every page with a trained model begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from mmcore import Run
from mmcore.store import RunFilter, RunState
from ui import pages, session, terms, visitor
from ui.kit.text import nats

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from mmcore import Artifact

OFFERED = 50  # runs in the list


def trained_run() -> tuple[Run, Artifact]:
    """The run and the checkpoint chosen in the bar, with the weights of that step; both are in the address.

    Without any, says what to do next and ends the script.
    """
    run = visitor.current_run()
    if run is None:
        st.info("Train a first model, which takes seconds, then come back.", title="No run yet", icon=":material/info:")
        pages.TRAIN.link()
        terms.stop()
    visitor.open_run(run.id)
    with st.container(key="chosen"):
        place = _Places.of(many=bool(session.store().summaries(limit=1, offset=OFFERED)))
        _choose_run(place, run)
        last = session.artifact(run)
        artifact = last and session.at_step(run, last, _choose_step(place.step, run, last))
        if artifact:
            place.said.markdown(said(run, artifact))
    if artifact is None:
        st.info(f"This run is {run.state} and has saved no weights.", title="No weights yet", icon=":material/info:")
        pages.TRAIN.link()
        terms.stop()
    return run, artifact


def title(run: Run) -> str:
    """A run in a list: runs of one name are told apart by their time and id."""
    return f"{run.name} · {run.created:%d %b %H:%M} · {run.id}"


def said(run: Run, artifact: Artifact) -> str:
    """What the bar says of the weights that are shown."""
    loss = f"Validation loss {nats(session.val_loss(run.id, artifact.step, run, artifact.model))}"
    if run.state is RunState.FINISHED:
        return loss
    return f"{loss}; {run.state} at step {run.step:,} of {run.max_steps:,}"


@dataclass(frozen=True)
class _Places:
    """Of the bar, from left to right; there is a search where the list cannot hold all runs."""

    run: DeltaGenerator
    search: DeltaGenerator | None
    step: DeltaGenerator
    said: DeltaGenerator

    @classmethod
    def of(cls, *, many: bool) -> _Places:
        if many:
            return cls(*st.columns([5, 3, 5, 5], gap="medium", vertical_alignment="center"))
        run, step, said = st.columns(3, gap="medium", vertical_alignment="center")
        return cls(run, None, step, said)


def _choose_run(place: _Places, current: Run) -> None:
    wanted = _search(place.search) if place.search else ""
    runs = {run.id: run for run in session.store().runs(RunFilter(text=wanted), limit=OFFERED)}
    runs.setdefault(current.id, current)  # older, made since, or not what is searched for
    st.session_state["run_choice"] = current.id  # the URL leads, the box follows
    place.run.selectbox(
        "Run",
        list(runs),
        key="run_choice",
        label_visibility="collapsed",
        format_func=lambda run_id: title(runs[run_id]),
        on_change=lambda: visitor.open_run(st.session_state["run_choice"]),
    )


def _search(place: DeltaGenerator) -> str:
    return place.text_input(
        "Search runs",
        key="run_search",
        persist_state="session",
        label_visibility="collapsed",
        placeholder=f"Search; the list holds {OFFERED}",
    )


def _choose_step(place: DeltaGenerator, run: Run, last: Artifact) -> int:
    """A step whose weights the run keeps; those at the end at first."""
    kept = sorted({*session.store().kept_steps(run.id), last.step})
    step = visitor.current_step(kept, last.step)
    if len(kept) == 1:
        place.caption(f"Step {step:,}; no other weights were kept.")
        return step
    st.session_state["step_choice"] = step  # the URL leads, the slider follows
    place.select_slider(
        "Checkpoint (step)",
        kept,
        key="step_choice",
        label_visibility="collapsed",
        format_func=lambda step: f"Step {step:,}",
        on_change=lambda: visitor.open_step(st.session_state["step_choice"], last.step),
    )
    return step
