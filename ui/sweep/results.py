"""What a sweep has found: figures, one setting against another, the winner, the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from mmcore import comparison
from mmcore.store import Run, StoredSweep
from ui import session
from ui.kit.theme import Theme
from ui.sweep import answer, bands, fronts, heatmap, importance, parallel, slices, table, winner
from ui.sweep.found import Found


def draw(stored: StoredSweep, runs: Sequence[Run], theme: Theme) -> None:
    """All of it, from the sweep's runs as they are now."""
    found = Found.of(stored.config, runs, session.corpus(stored.config.base.corpus_sha256).tokens)
    st.header("Results", anchor=False)
    if not found.means:
        st.info("Results appear here as soon as the first run of the sweep has finished.")
        return
    rows = comparison.results(found.sweep, found.runs, session.vocab(found.sweep.base.corpus_sha256).size)
    _draw_figure(found, rows, stored.id, theme)
    st.subheader("Is A better than B?", anchor=False)
    answer.draw(found, stored.id)
    st.subheader("Winner", anchor=False)
    winner.draw(found, runs)
    st.subheader("All settings", anchor=False)
    table.draw(found, rows, stored.id)


def _draw_figure(found: Found, rows: pd.DataFrame, sweep_id: str, theme: Theme) -> None:
    """One figure at a time: the one chosen."""
    figures = figures_of(found)
    chosen = st.segmented_control(
        "Figure",
        list(figures),
        default=next(iter(figures)),
        required=True,
        key=f"sweep_figure_{sweep_id}",
        help="Different views of the same runs.",
    )
    if chosen == "Cost":
        named = rows.assign(name=[found.names[tuple(key)] for key in rows[found.axis_names].to_numpy(dtype=object)])
        fronts.draw(named, sweep_id, theme, found.tokens)
    else:
        figures[str(chosen)](found, sweep_id, theme)


def figures_of(found: Found) -> dict[str, Callable[[Found, str, Theme], None]]:
    """The figures that say something about this sweep, by name."""
    figures: dict[str, Callable[[Found, str, Theme], None]] = {}
    if len(found.listed) > 1:
        figures["Heatmap"] = heatmap.draw
    figures |= {"Slices": slices.draw, "Cost": slices.draw, "Curves": bands.draw}
    if importance.worth_showing(found):
        figures |= {"Parallel coordinates": parallel.draw, "Importance": importance.draw}
    return figures
