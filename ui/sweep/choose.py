"""The stored sweeps, one of which the visitor looks at, or a new one."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from mmcore.store import RunFilter, StoredSweep
from mmcore.sweeps import METHOD, Sweep, axis_settings
from ui import session, visitor
from ui.form import settings
from ui.kit.text import plain
from ui.run import sweeps
from ui.sweep import axes

OFFERED = 50  # sweeps in the list


def draw(current: StoredSweep | None) -> None:
    """The stored sweeps with their state and progress, one to choose; a button for a new one."""
    stored = session.store().sweeps()[:OFFERED]
    if not stored:
        return
    with st.container(horizontal=True, vertical_alignment="top"):
        box = st.expander("Stored sweeps", icon=":material/list_alt:", key="stored_sweeps", on_change="rerun")
        if current is not None:
            st.button(
                "New sweep",
                icon=":material/add:",
                key="new_sweep",
                on_click=visitor.close_sweep,
                help="Opens the form. This one goes on meanwhile.",
            )
    if box.open:
        with box:
            _draw_table(stored, current)


def _draw_table(stored: Sequence[StoredSweep], current: StoredSweep | None) -> None:
    key = f"sweeps_{hash(tuple(sweep.id for sweep in stored))}"  # rows are selected by number: other rows, other table

    def choose() -> None:
        for row in st.session_state[key].selection.rows:
            visitor.open_sweep(stored[row].id)

    st.dataframe(
        rows(stored),
        key=key,
        on_select=choose,
        selection_default={"selection": {"rows": [i for i, one in enumerate(stored) if one == current]}},
        selection_mode="single-row",
        hide_index=True,
        column_config={
            "Name": st.column_config.TextColumn(pinned=True, width="medium"),
            "Done": st.column_config.ProgressColumn(format="percent", help="Share of the runs that have finished."),
            "Created": st.column_config.DatetimeColumn(format="D MMM, HH:mm"),
        },
        alt="Stored sweeps, newest first; choosing a row opens that sweep",
    )
    if len(stored) == OFFERED:
        st.caption(f"The newest {OFFERED}.")


def rows(stored: Sequence[StoredSweep]) -> pd.DataFrame:
    """A row a sweep, in the order given."""
    table = []
    for sweep in stored:
        found = sweeps.of(sweep.config, session.store().summaries(RunFilter(sweep=sweep.id)))
        word, _, _ = sweeps.state(sweep)
        row = {
            "Name": sweep.name,
            "State": word,
            "Done": found.done / found.of,
            "Runs": f"{found.done:,} of {found.of:,}",
        }
        table.append(row | {"Question": sweep.question, "Created": sweep.created})
    return pd.DataFrame(table)


def heading(stored: StoredSweep) -> None:
    """The name and state of the sweep that is shown, its question, and what it varies."""
    word, icon, color = sweeps.state(stored)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(plain(stored.name), anchor=False, width="content")
        st.badge(word, icon=icon, color=color)
    if stored.question:
        st.markdown(plain(stored.question))
    st.caption(plain(in_words(stored.config)))


def in_words(sweep: Sweep) -> str:
    """What varies, the seeds, and from which settings it starts, in a sentence or two."""
    possible = axis_settings(sweep.base)
    varied = []
    for axis in sweep.axes:
        setting = possible[axis.name]
        values = ", ".join(map(setting.said, axis.values)) or f"{setting.said(axis.low)} to {setting.said(axis.high)}"
        varied.append(f"{setting.title}: {values}{', logarithmic' if axis.log else ''}")
    method = METHOD.said(sweep.method)
    tried = method if sweep.method == "grid" else f"{method}, {sweep.setting_count:,} settings"
    corpus = session.corpus(sweep.base.corpus_sha256).name
    base = "" if sweep.axes[0].name == "preset" else f" Starting from {settings.describe_any_seed(sweep.base)}."
    return f"{tried}. {'. '.join(varied)}. Seeds {axes.written_seeds(sweep.seeds)}. Corpus {corpus}.{base}"
