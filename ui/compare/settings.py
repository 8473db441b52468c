"""In which settings runs differ, and what is the same in all."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from mmcore.differences import distinct_names, settings_table
from mmcore.store import Run
from ui.kit.text import counted

SIDE_BY_SIDE = 6  # runs in columns; more of them are in rows


def draw(runs: Sequence[Run]) -> None:
    """The section."""
    st.header("Settings", anchor=False)
    table = settings_table(runs)
    differing, same = table[~table["same"]], table[table["same"]]
    st.markdown(said(len(runs), len(differing), len(table)))
    if len(differing):
        shown = beside(differing, distinct_names(runs))
        pinned = {shown.columns[0]: st.column_config.TextColumn(pinned=True)}
        st.dataframe(
            shown, hide_index=True, column_config=pinned, height="content", alt="Settings in which the runs differ"
        )
    if len(same):
        kept = same[["setting", runs[0].id]].set_axis(["Setting", "Value"], axis="columns")
        with st.expander(f"{'The' if len(runs) > 1 else 'All'} {counted(len(same), 'setting')}" + same_in(len(runs))):
            st.table(kept, hide_index=True, border="horizontal")


def said(runs: int, differing: int, settings: int) -> str:
    """How many settings differ."""
    if runs == 1:
        return "One run is chosen. Add a second one to see in what they differ."
    if not differing:
        return f"All {settings} settings are the same in these {runs} runs."
    return f"These {runs} runs differ in {differing} of {settings} settings."


def same_in(runs: int) -> str:
    return " that are the same in all" if runs > 1 else ""


def beside(differing: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Settings with a column a run; of many runs, runs with a column a setting."""
    values = differing.set_index("setting")[list(names)].rename(columns=names)
    if len(names) <= SIDE_BY_SIDE:
        return values.rename_axis("Setting").reset_index()
    return values.T.rename_axis(columns=None, index="Run").reset_index()
