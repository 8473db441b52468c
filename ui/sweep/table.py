"""A sweep's table: a row a setting, to read, to download and to copy."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mmcore import comparison
from ui.kit.text import csv
from ui.sweep.found import Found


def draw(found: Found, table: pd.DataFrame, sweep_id: str) -> None:
    """Every setting, the lowest validation loss first; as a file for a spreadsheet, and as Markdown."""
    st.dataframe(
        comparison.in_words(found.sweep, table),
        hide_index=True,
        alt="Every setting of the sweep, the lowest validation loss first",
    )
    st.download_button(
        "Download as CSV",
        csv(exact(found, table)),
        "sweep.csv",
        "text/csv",
        icon=":material/download:",
        key=f"sweep_csv_{sweep_id}",
        on_click="ignore",
        help="The same rows with every digit. The test split is not in it.",
    )
    with st.expander("Table as Markdown", icon=":material/content_copy:"):
        st.code(comparison.markdown(found.sweep, table), language="markdown")


def exact(found: Found, table: pd.DataFrame) -> pd.DataFrame:
    """The table with all digits, the lowest validation loss first; values that are no numbers as they are said."""
    words = [name for name in found.axis_names if not found.is_number(name)]
    said = {name: table[name].map(found.settings[name].said) for name in words}
    return table.assign(**said).sort_values("val_loss", na_position="last", kind="stable")
