"""A run while it learns: how far it is and what hinders it, its curve, its samples."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mmcore import cost
from mmcore.cost import amount
from mmcore.process import CoreShare
from mmcore.store import LEASE_SECONDS, LIVE, WORKING, Run, RunState
from ui import session
from ui.kit.live import live_chart
from ui.run import curves, workers
from ui.run.references import references

FULL_BYTES = 2**20  # of room left: a save may need as much
BUSY_SHARE = 0.5  # of the time for which training wants a core


def tick(run: Run | None, seconds: float = 0.5) -> float | None:
    """How often a fragment should look at a run: not at all if it cannot change by itself."""
    return seconds * _patience(run) if run is not None and run.state in LIVE else None


def _patience(run: Run) -> int:
    """A long run changes slowly on screen, and every look takes time from its training where cores are few."""
    return 1 if run.state is not RunState.RUNNING else 1 + (run.seconds > 5) + 2 * (run.seconds > 30)


def look(shown: Run) -> tuple[Run, pd.DataFrame]:
    """A run and its curve as they are now, for a fragment; the page is run again where it must look otherwise."""
    try:
        run = session.store().run(shown.id)
    except ValueError:  # deleted, in another tab
        st.rerun()
    if run.state is not shown.state or _patience(run) != _patience(shown):
        st.rerun()
    return run, session.store().history(run.id)


def status_line(run: Run, history: pd.DataFrame, place: int | None) -> str:
    """State, step, speed and time left, in words."""
    if run.state is RunState.QUEUED:
        return f"Queued, place {place or 1}"
    speed = curves.recent_speed(history)
    of = f"step {run.step:,} of {run.max_steps:,}"
    if run.state is RunState.STOPPING:
        return f"Stopping … at {of}"
    if run.state is not RunState.RUNNING:
        return f"{run.step:,} of {run.max_steps:,} steps in {cost.duration(run.seconds)}"
    if speed is None:
        return f"Running, {of}"
    return f"Running, {of}, {speed:,.0f} steps/s, {cost.duration((run.max_steps - run.step) / speed)} left"


def draw_status(run: Run, history: pd.DataFrame) -> None:
    """The status line above a progress bar; an error as text. One element, so that a warning moves no chart's place."""
    with st.container():
        _draw_status(run, history)


def _draw_status(run: Run, history: pd.DataFrame) -> None:
    place = session.store().queue_position(run.id) if run.state is RunState.QUEUED else None
    line = status_line(run, history, place)
    if run.state in LIVE:
        st.progress(run.step / run.max_steps, text=line)
    else:
        st.markdown(line)
    workers.draw_place(run)
    if run.state in LIVE and (why := hindrance(run, session.store().room(), core_share(run))):
        st.warning(why)
    if run.error:
        st.error(f"This run ended with an error. {kept(run)}.")
        st.text(run.error)
    elif run.state is RunState.INTERRUPTED:
        step = f"{run.weights_step or 0:,}"
        st.warning(
            f"The worker of this run went away. {kept(run)}. Continue goes on from step {step}, as if nothing had "
            "happened."
        )
    elif run.state is RunState.STOPPED:
        st.caption(stopped(run))


def stopped(run: Run) -> str:
    """Where a run was stopped, and what Continue does."""
    if run.weights_step is None:
        return "Stopped before anything was saved; Continue begins with step 0."
    where = f", from step {run.weights_step:,}, which was saved last," if run.weights_step < run.step else ""
    return f"Stopped at step {run.step:,}; Continue goes on{where} as if it had not stopped."


def hindrance(run: Run, room: int | None, share: float | None) -> str | None:
    """Why a run that waits or works gets on badly: a full disk, a worker that is silent, a busy machine."""
    if room is not None and room < FULL_BYTES:
        return (
            f"The disk that holds the store is full ({amount(room)} left). What is stored can be read; training goes "
            "on, and is saved as soon as there is room."
        )
    if run.state not in WORKING or run.heartbeat is None:
        return None
    silent = (session.store().now() - run.heartbeat).total_seconds()
    if silent > 2 * LEASE_SECONDS:
        return f"The worker has saved nothing for {silent:.0f} s: it is paused, or cannot write to the store."
    if share is not None and share < BUSY_SHARE:
        return (
            f"This machine is busy: training has a core for {share:.0%} of the time for which it wants one. Open pages "
            "and other programs have it for the rest."
        )
    return None


def core_share(run: Run) -> float | None:
    """What the worker of a run gets of a core, since this visitor began to look."""
    if run.state not in WORKING:
        return None
    seen: CoreShare = st.session_state.setdefault(f"core_share_{run.worker}", CoreShare(run.worker))
    return seen.look()


def kept(run: Run) -> str:
    """What is left of a run that was cut short."""
    if run.weights_step is None:
        return "It has saved no weights"
    return f"Its curve and its weights of step {run.weights_step:,} are kept"


def draw_curve(
    run: Run,
    history: pd.DataFrame,
    *,
    log_x: bool = True,
    whole: bool = False,
    smoothing: float = 0.0,
    height: int = 420,
) -> None:
    """The loss chart with its reference lines."""
    live_chart(
        curves.smoothed(history, smoothing),
        key="curve",
        run_id=run.id,
        traces=curves.loss_traces(smoothing),
        title="Loss while training",
        y_title=f"Loss (nats per {session.vocab(run.config.corpus_sha256).noun})",
        running=run.state in LIVE,
        log_x=log_x,
        whole=whole,
        references=references(run.config),
        height=height,
    )


def draw_samples(run: Run, count: int = 6) -> None:
    """Words drawn while it learned, latest first, each line with its step."""
    st.markdown("**Sampled while it learns**" if run.state in LIVE else "**Sampled while it learned**")
    rows = curves.telling_samples(session.store().samples(run.id), count)
    if not rows:
        st.caption("The first samples appear with the first step.")
    for step, words in rows:
        with st.container(gap=None):
            first = " (its first weights)" if run.config.origin else " (untrained)"
            st.caption(f"Step {step:,}" + (first if step == 0 else ""))
            st.text(words)
