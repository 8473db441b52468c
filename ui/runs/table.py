"""Runs as a table, whose rows the visitor selects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from mmcore.cost import duration
from mmcore.store import Run
from ui import pages, session
from ui.form import settings
from ui.kit.nouns import fit
from ui.run.heading import state_title
from ui.runs import selection


def draw(runs: Sequence[Run], stored: Mapping[str, int], *, tags: bool) -> None:
    """Each run's row, to be ticked; whether there are tags to be shown."""
    shown = [run.id for run in runs]
    key = f"runs_{hash(tuple(shown))}"  # rows are selected by number: other rows, other table
    chosen = set(selection.ids())
    ticked = [i for i, run_id in enumerate(shown) if run_id in chosen]
    if key in st.session_state and set(st.session_state[key]["selection"]["rows"]) != set(ticked):
        st.session_state[key] = {"selection": {"rows": ticked}}  # selected otherwise than in the table

    def choose() -> None:
        selection.select_here(shown, (shown[row] for row in st.session_state[key]["selection"]["rows"]))

    unit = fit("Nats per character.", session.tokens(run.config for run in runs))
    st.dataframe(
        rows(runs, stored, tags=tags),
        key=key,
        on_select=choose,
        selection_default={"selection": {"rows": ticked}},
        selection_mode="multi-row",
        hide_index=True,
        placeholder="–",
        column_config={
            "Step": st.column_config.NumberColumn(format="localized"),
            "Name": st.column_config.TextColumn(pinned=True, width="medium"),
            "Train": st.column_config.NumberColumn("Train loss", format="%.4f", help=unit),
            "Validation": st.column_config.NumberColumn("Validation loss", format="%.4f", help=unit, width=110),
            "Unseen": st.column_config.NumberColumn(
                "Loss on unseen words", format="%.4f", help="Validation loss on words that do not occur in train."
            ),
            "Stored": st.column_config.NumberColumn(
                "In the store", format="%.1f MB", help="Weights, training state, checkpoints, curve and samples."
            ),
            "Test": st.column_config.TextColumn(help=f"Sealed until it is opened on the page {pages.SPLITS.title}."),
            "Created": st.column_config.DatetimeColumn(format="D MMM, HH:mm"),
            "Tags": st.column_config.ListColumn(width=160),
        },
        alt="Runs, newest first",
    )


def rows(runs: Sequence[Run], stored: Mapping[str, int], *, tags: bool = False) -> pd.DataFrame:
    """A row a run, in the order given, with the megabytes that each takes. The test split is named, never its loss."""
    table = [
        {
            "Name": run.name,
            "Validation": run.losses.get("val_loss"),  # beside the name: a phone shows two columns
            "State": state_title(run),
            "Unseen": run.losses.get("val_loss_unseen"),
            "Train": run.losses.get("train_loss"),
            "Test": opened(run.test_openings),
            "Step": run.step,
            "Time": duration(run.seconds),
            "Stored": stored.get(run.id, 0) / 10**6,
            "Created": run.created,
            "Settings": settings.describe(run.config),
            "Corpus": run.corpus_name,
            "Note": run.note,
        }
        for run in runs
    ]
    shown = pd.DataFrame(table).astype({name: float for name in ("Train", "Validation", "Unseen")})
    if tags:
        shown.insert(3, "Tags", [list(run.tags) for run in runs])
    return shown


def opened(times: int) -> str:
    """How often a run's test split was looked at."""
    return {0: "Sealed", 1: "Opened once"}.get(times, f"Opened {times:,} times")
