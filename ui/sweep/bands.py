"""Curves of chosen settings: the mean over seeds, and the range of the seeds as a band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from mmcore.bands import band
from mmcore.store import RunState
from ui import session
from ui.kit.live.figure import live_figure
from ui.kit.nouns import fitted
from ui.kit.theme import Theme
from ui.sweep.found import LOSS, Found, count
from ui.sweep.looks import head, line_look

MOST = 6  # settings at once
EARLY = 0.1  # of the steps
FAINT = "33"  # of a colour, as hexadecimal opacity


def draw(found: Found, sweep_id: str, theme: Theme) -> None:
    """Choose settings; their curves. Only finished runs are drawn, so the figure changes when one of these ends."""
    keys, known = list(found.runs), list(found.means)
    chosen = st.multiselect(
        "Settings",
        range(len(keys)),
        default=[keys.index(key) for key in known[:2]],
        format_func=lambda i: found.names[keys[i]],
        max_selections=MOST,
        key=f"sweep_curves_{sweep_id}",
        help="Up to six settings of the sweep. At first: the two with the lowest validation loss.",
    )
    curves, seeds = {}, {}
    for i in chosen:
        runs = [run for _, run in sorted(found.runs[keys[i]].items()) if run.state is RunState.FINISHED]
        found_band = band([_history(run.id, run.step) for run in runs])
        if len(found_band):
            curves[found.names[keys[i]]], seeds[found.names[keys[i]]] = found_band, len(runs)
    if not curves:
        st.info("Choose settings that have finished runs to see how they learned.")
        return
    alt = f"Validation loss over steps of {count(len(curves), 'setting')}: mean over seeds, with their range as a band"
    live_figure(fitted(figure(curves, seeds, theme), found.tokens), f"sweep_bands_{sweep_id}", alt)
    missing = [found.names[keys[i]] for i in chosen if found.names[keys[i]] not in curves]
    st.caption(legend(curves, seeds, missing))


def legend(curves: Mapping[str, pd.DataFrame], seeds: Mapping[str, int], missing: Sequence[str]) -> str:
    """What lines and bands are, and what of the chosen settings they do not show."""
    said = "One seed each: add seeds to see how much a curve depends on them."
    if max(seeds.values()) > 1:
        said = (
            "Line: mean over the seeds that have finished. Band: from the lowest to the highest of them at each step. "
            "Between the steps at which a run was measured, its curve is taken as straight."
        )
    if learned(list(curves.values())):
        said += " The first tenth of the steps may lie above the figure: double-click it to see all."
    if short := [name for name, rows in curves.items() if len(rows) == 1]:
        said += (
            f" A point alone: one of its runs was measured at the end only, for it was so quick ({'; '.join(short)})."
        )
    return said + (f" No curve yet: {'; '.join(missing)}." if missing else "")


@st.cache_data(show_spinner=False, max_entries=512)
def _history(run_id: str, step: int) -> pd.DataFrame:
    """A run's curve up to its last step, kept: a finished run's does not change."""
    return session.store().history(run_id)[["step", "val_loss"]]


def figure(curves: Mapping[str, pd.DataFrame], seeds: Mapping[str, int], theme: Theme) -> go.Figure:
    """A line and a band for each setting. ``curves``: columns ``step, mean, low, high``."""
    plot = go.Figure(
        layout=head("Validation loss while training", "Step (updates)", LOSS, theme, 400 + 24 * len(curves))
    )
    for order, (name, rows) in enumerate(curves.items()):
        look = line_look(order, theme)
        ink = look["line"]["color"]
        if seeds[name] > 1:
            plot.add_scatter(
                x=[*rows["step"], *rows["step"][::-1]],
                y=[*rows["high"], *rows["low"][::-1]],
                mode="lines",
                line={"width": 0},
                fill="toself",
                fillcolor=ink + FAINT,
                hoverinfo="skip",
                name=f"{name}, range",
                legendgroup=name,
                showlegend=False,
            )
        plot.add_scatter(
            x=rows["step"],
            y=rows["mean"],
            mode="lines+markers" if len(rows) <= 30 else "lines",
            name=name,
            legendgroup=name,
            customdata=rows[["low", "high"]],
            hovertemplate="step %{x:,}<br>mean %{y:.6f} nats per character<br>" + count(seeds[name], "seed") + ": "
            "%{customdata[0]:.6f} to %{customdata[1]:.6f}<extra>%{fullData.name}</extra>",
            line=look["line"],
            marker=look["marker"] | {"size": 6},
        )
    plot.update_layout(legend_orientation="v")
    return plot.update_yaxes(range=learned(list(curves.values())))


def learned(curves: Sequence[pd.DataFrame]) -> tuple[float, float] | None:
    """The losses after the first tenth of the steps, with some room; None where hardly any were measured there.

    The first losses are so high that all later ones would lie on one line.
    """
    later = [rows[rows["step"] >= EARLY * rows["step"].max()] for rows in curves]
    low, high = min(rows["low"].min() for rows in later), max(rows["high"].max() for rows in later)
    room = 0.05 * (high - low)
    return (low - room, high + room) if room > 0 and min(map(len, later)) >= 5 else None
