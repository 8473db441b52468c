"""What can be done with a run: stop it, let it go on, train longer, take its settings."""

from __future__ import annotations

import streamlit as st

from mmcore.diagnosis import longer
from mmcore.store import LIVE, Run, RunState
from ui import session, visitor
from ui.form import form, settings


def draw(run: Run) -> None:
    """Stop for a run that works or waits, Continue for one that was cut short. To be called inside a fragment."""
    if run.state is RunState.STOPPING:
        st.button("Stopping …", disabled=True, icon=":material/hourglass_top:", key="stopping")
    elif run.state in LIVE:
        st.button(
            "Stop",
            on_click=visitor.stop_run,
            args=(run.id,),
            icon=":material/stop:",
            key="stop",
            help="Pauses the run and saves it. Continue goes on as if it had not stopped: to the same weights, bit for "
            "bit.",
        )
    elif run.state in (RunState.STOPPED, RunState.INTERRUPTED):
        st.button(
            "Continue",
            on_click=visitor.continue_run,
            args=(run.id,),
            icon=":material/play_arrow:",
            key="continue",
            help=f"Goes on from step {run.weights_step or 0:,}, as if it had not stopped: to the same weights, bit for "
            "bit.",
        )
    elif run.state is RunState.FINISHED and run.config.train.patience:
        st.button(
            "Train longer",
            disabled=True,
            icon=":material/more_time:",
            key="longer",
            help="Early stopping has chosen the weights of this run by all its steps. A branch can go on from them.",
        )
    elif run.state is RunState.FINISHED:
        _draw_longer(run)


def _draw_longer(run: Run) -> None:
    with st.popover("Train longer", icon=":material/more_time:", key="longer"):
        more = st.number_input("More steps", 1, 10_000_000, run.max_steps, key=f"more_{run.id}")
        goes_on = session.store().goes_on(run.id)
        st.caption(longer(run.config.train, run.step, run.max_steps + more, goes_on=goes_on))
        st.button("Go on", on_click=_train_longer, args=(run,), key="go_on")


def _train_longer(run: Run) -> None:
    """By as many steps as are typed when the button is pressed, which may be before it is drawn with them."""
    visitor.continue_run(run.id, run.max_steps + st.session_state[f"more_{run.id}"])


def draw_reuse(run: Run) -> None:
    """A button that fills the form with the settings of a run."""
    st.button(
        "Use these settings",
        on_click=_reuse,
        args=(run,),
        icon=":material/content_copy:",
        key="reuse",
        help="Fills the form with the settings of this run, to change one thing and train again.",
    )


def _reuse(run: Run) -> None:
    form.refill(settings.values_of(run.config.model, run.config.train, run.config.split))
