"""The experiment on Lessons: runs that differ in initialisation, depth and normalisation, once each, and a chart."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mmcore import lessons
from ui import charts, progress, session
from ui.theme import PLOTLY_CONFIG, Theme


def draw(corpus_sha256: str, theme: Theme) -> None:
    """The section: its button, how far the runs are, and the losses of those that have ended."""
    settings = list(lessons.initialisation(corpus_sha256))
    st.subheader("Experiment: initialisation, depth and batch normalisation", anchor=False)
    st.markdown(
        "The lecture draws all weights from N(0, 1), which saturates tanh in every layer. Scaling them is one way out, "
        f"batch normalisation another. These are {len(settings)} runs with 1 to {max(lessons.DEPTHS)} hidden layers, "
        "some seconds each."
    )
    moving = _moving(lessons.results(settings, session.store().runs()))

    @st.fragment(run_every=1 if moving else None)
    def watch() -> None:
        runs = session.store().runs()
        found = lessons.results(settings, runs)
        if moving and not _moving(found):
            st.rerun()
        new, cut = lessons.missing(settings, runs)
        if st.button(
            _label(len(new) + len(cut), len(settings)),
            disabled=not new and not cut,
            icon=":material/play_arrow:",
            key="start_lesson",
            help="Lecture's and scaled initialisation, with and without batch normalisation. What is there already, "
            "from whichever page, is not trained again.",
        ):
            session.start_lesson(new, cut)
            st.rerun()
        _draw_found(found, len(settings), theme)

    watch()


def _label(wanted: int, of: int) -> str:
    if wanted == of:
        return f"Train the {of} runs"
    return f"Train the {wanted} that are missing" if wanted else f"All {of} runs are there"


def _moving(found: pd.DataFrame) -> bool:
    return bool(found["state"].isin(progress.LIVE).any())


def _draw_found(found: pd.DataFrame, of: int, theme: Theme) -> None:
    if found.empty:
        return
    counts = found["state"].value_counts()
    said = [f"{counts.get('finished', 0)} of {of} have finished"]
    said += [f"{count} {state}" for state, count in counts.items() if state != "finished"]
    st.caption(f"{', '.join(said)}.")
    done = found[~found["state"].isin(progress.LIVE)].dropna(subset="val_loss")
    if done.empty:
        return
    st.plotly_chart(
        charts.depths(done, theme),
        theme=None,
        config=PLOTLY_CONFIG,
        key="depths",
        alt="Validation loss by depth for each initialisation, with and without batch normalisation",
    )
