"""Runs as a table, a row of which the visitor chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from mmcore.cost import duration
from mmcore.store import Run
from ui import pages, visitor
from ui.form import settings
from ui.run.heading import state_title


def draw(runs: Sequence[Run], current: Run, stored: Mapping[str, int]) -> None:
    """Each run's row, the current one's selected; choosing another makes that the current one."""
    key = f"runs_{hash(tuple(run.id for run in runs))}"  # rows are selected by number: other rows, other table

    def choose() -> None:
        for row in st.session_state[key].selection.rows:
            visitor.open_run(runs[row].id)

    st.dataframe(
        rows(runs, stored),
        key=key,
        on_select=choose,
        selection_default={"selection": {"rows": [i for i, run in enumerate(runs) if run.id == current.id]}},
        selection_mode="single-row",
        hide_index=True,
        column_config={
            "Step": st.column_config.NumberColumn(format="localized"),
            "Name": st.column_config.TextColumn(pinned=True, width="medium"),
            "Train": st.column_config.NumberColumn("Train loss", format="%.4f", help="Nats per character."),
            "Validation": st.column_config.NumberColumn("Validation loss", format="%.4f", help="Nats per character."),
            "Unseen": st.column_config.NumberColumn(
                "On unseen words", format="%.4f", help="Validation loss on words that do not occur in train."
            ),
            "Stored": st.column_config.NumberColumn(
                "In the store", format="%.1f MB", help="Weights, training state, checkpoints, curve and samples."
            ),
            "Test": st.column_config.TextColumn(help=f"Sealed until it is opened on the page {pages.SPLITS.title}."),
            "Created": st.column_config.DatetimeColumn(format="D MMM, HH:mm"),
        },
        alt="Runs, newest first",
    )


def rows(runs: Sequence[Run], stored: Mapping[str, int]) -> pd.DataFrame:
    """A row a run, in the order given, with the megabytes that each takes. The test split is named, never its loss."""
    table = [
        {
            "Name": run.name,
            "State": state_title(run),
            "Validation": run.losses.get("val_loss"),
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
    return pd.DataFrame(table).astype({name: float for name in ("Train", "Validation", "Unseen")})


def opened(times: int) -> str:
    """How often a run's test split was looked at."""
    return {0: "Sealed", 1: "Opened once"}.get(times, f"Opened {times:,} times")
