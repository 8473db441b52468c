"""Curves of several runs on the same axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from mmcore.curves import COUNTED, seen, smoothed
from mmcore.differences import distinct_names
from mmcore.store import LIVE, Run, RunFilter
from ui import session
from ui.kit import linked
from ui.kit.live.overlay import Line, overlay
from ui.kit.nouns import fit

X = {"step": "Steps", "seen": "Examples seen", "seconds": "Seconds"}
Y = {"val_loss": "Validation", "train_loss": "Train", "both": "Both", "batch_loss": "Batch"}
COLUMNS = {"both": ("val_loss", "train_loss")}
TITLES = {
    "val_loss": "Validation loss",
    "train_loss": "Train loss",
    "both": "Validation and train loss",
    "batch_loss": "Batch loss",
}
HALF_LIVES = (0, 1, 2, 5, 10, 20, 50, 100)  # points


@dataclass(frozen=True, kw_only=True)
class View:
    """What the visitor wants to see."""

    x: str
    y: str
    half_life: int
    log_x: bool
    log_y: bool


def draw(runs: Sequence[Run]) -> None:
    """The section; it follows runs that are not over yet."""
    live = [run for run in runs if run.state in LIVE]

    @st.fragment(run_every=1 if live else None)
    def watch() -> None:
        now = {run.id: run for run in session.store().runs(RunFilter(ids=[run.id for run in runs]))}
        if any(run.id not in now or now[run.id].state is not run.state for run in runs):
            st.rerun()  # one has ended, or was deleted in another tab
        _draw([now[run.id] for run in runs], _choose())

    watch()


def _choose() -> View:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="compare_view"):
        y = st.segmented_control(
            "Loss",
            list(Y),
            default=linked.keep("loss", "compare_y", "val_loss", linked.one_of(Y)),
            required=True,
            format_func=Y.__getitem__,
            key="compare_y",
            persist_state="session",
            help="Validation and train loss are exact; the batch loss is that of single batches, and noisy.",
        )
        x = st.segmented_control(
            "Against",
            list(X),
            default=linked.keep("against", "compare_x", "step", linked.one_of(X)),
            required=True,
            format_func=X.__getitem__,
            key="compare_x",
            persist_state="session",
            help="Steps are updates; examples seen are steps × batch size, with repetitions; seconds are of training.",
        )
        half_life = st.select_slider(
            "Smoothing: half-life",
            HALF_LIVES,
            linked.keep("half_life", "compare_smoothing", 0, _half_life),
            format_func=lambda points: f"{points} points" if points else "none",
            key="compare_smoothing",
            persist_state="session",
            width=220,
            help="Exponential moving average: a point counts half as much after so many further points. The points "
            "themselves stay visible behind it.",
        )
        log_x = _logarithmic("x", "Leaves step 0 out.")
        log_y = _logarithmic("y", "Of the loss.")
    return View(x=str(x), y=str(y), half_life=half_life, log_x=log_x, log_y=log_y)


def _half_life(name: str, text: str) -> int:
    return int(linked.one_of([str(points) for points in HALF_LIVES])(name, text))


def _logarithmic(axis: str, help: str) -> bool:
    name, key = f"log_{axis}", f"compare_log_{axis}"
    shown = linked.keep(name, key, False, linked.flag())
    return st.toggle(f"Logarithmic {axis}", shown, key=key, persist_state="session", help=help)


def _draw(runs: Sequence[Run], view: View) -> None:
    histories = {run.id: _history(run.id, run.step, str(run.ended)) for run in runs}
    smooth = f", moving average with a half-life of {view.half_life} points" if view.half_life else ""
    overlay(
        list(lines(runs, histories, view)),
        key="compare_curves",
        same=" ".join((*histories, view.x, view.y, str(view.log_x), str(view.log_y))),
        title=f"{TITLES[view.y]} by {X[view.x].lower()}{smooth}",
        x_title=x_title(runs, view.x),
        y_title=fit("Loss (nats per character)", session.tokens(run.config for run in runs)),
        log_x=view.log_x,
        log_y=view.log_y,
    )
    if said := " ".join(notes(runs, histories, view)):
        st.caption(said)


@st.cache_data(show_spinner=False, max_entries=256)
def _history(run_id: str, step: int, ended: str) -> pd.DataFrame:
    """A run's curve, read again only when it has gone on."""
    return session.store().history(run_id)


def lines(runs: Sequence[Run], histories: Mapping[str, pd.DataFrame], view: View) -> Iterator[Line]:
    """A line for each run and loss; the second loss dotted, the points behind a moving average faint."""
    names = distinct_names(runs)
    for number, run in enumerate(runs):
        history = histories[run.id].assign(seen=seen(histories[run.id]["step"], run.config.train))
        for which, column in enumerate(COLUMNS.get(view.y, (view.y,))):
            known = history[history[column].notna()]
            name = names[run.id] + (", train" if which else "")
            raw = Line(f"{run.id} {column}", name, number, known[view.x], known[column], dotted=bool(which))
            if view.half_life:
                yield raw.faintly()
                yield raw.through(smoothed(known[column], view.half_life))
            else:
                yield raw


def x_title(runs: Sequence[Run], x: str) -> str:
    """What is on the x axis, and in which unit."""
    if x != "seen":
        return {"step": "Step (updates)", "seconds": "Training time (seconds)"}[x]
    first, *others = dict.fromkeys(COUNTED[run.config.train.sampler] for run in runs)
    return " or ".join((first.capitalize(), *others)) + " seen"


def notes(runs: Sequence[Run], histories: Mapping[str, pd.DataFrame], view: View) -> Iterator[str]:
    """What has to be known to read the chart."""
    if view.y == "both":
        yield "Solid lines: validation. Dotted lines: train."
    if view.x == "seen":
        yield "Steps × batch size: what was drawn more than once counts more than once."
        if len({run.config.train.sampler for run in runs}) > 1:
            yield (
                "These runs do not count the same: each counts what its batches are made of, examples, distinct "
                "contexts or whole words."
            )
    columns = COLUMNS.get(view.y, (view.y,))
    empty = sum(not histories[run.id][list(columns)].notna().to_numpy().any() for run in runs)
    if empty:
        yield f"{empty} of {len(runs)} runs {'has' if empty == 1 else 'have'} no point of this curve yet."
