"""Validation loss against what a setting costs, and which settings nothing beats."""

from __future__ import annotations

import math

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from mmcore.cost import duration
from mmcore.fronts import pareto
from ui.kit.live.figure import live_figure
from ui.kit.nouns import fitted
from ui.kit.text import nats
from ui.kit.theme import Role, Theme, color, line, marker
from ui.sweep.found import LOSS
from ui.sweep.looks import head, show_losses, spread

COSTS = {"parameters": "Parameters", "seconds": "Training time (seconds)"}
FRONT = "Pareto front"


def draw(table: pd.DataFrame, sweep_id: str, theme: Theme, tokens: str) -> None:
    """Both figures, and the settings on their fronts by name. ``table``: that of the sweep, with ``name``."""
    known = table.dropna(subset=["val_loss"])
    for column, place in zip(COSTS, st.columns(2, gap="large"), strict=True):
        with place:
            points = known.dropna(subset=[column])
            if points[column].nunique() == 1 < len(points):
                st.info(f"All of these settings have the same {column}: {points[column].iloc[0]:,}.")
                continue
            front = on_front(points, column)
            alt = f"Validation loss against {column} of {len(points)} settings, {len(front)} on the Pareto front"
            plot = figure(points, column, theme)
            above = show_losses(plot, points["val_loss"].tolist())
            live_figure(fitted(plot, tokens), f"sweep_{column}_{sweep_id}", alt)
            if above:
                st.caption(above)
            st.dataframe(
                shown(front, column),
                hide_index=True,
                alt=f"Settings on the Pareto front by {column}, the cheapest first",
                column_config={"Parameters": st.column_config.NumberColumn(format="localized")},
            )
    st.caption(
        "On the Pareto front is what nothing beats: no other setting costs as little and has as low a loss. "
        "Times are as measured, means over seeds: they also depend on what else the machine did."
    )


def on_front(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows on the front, the cheapest first."""
    return table[pareto(table[column], table["val_loss"])].sort_values(column, kind="stable")


def shown(front: pd.DataFrame, column: str) -> pd.DataFrame:
    """The front as a table."""
    cost = front["parameters"] if column == "parameters" else front["seconds"].map(duration)
    title = "Parameters" if column == "parameters" else "Time"
    return pd.DataFrame({"On the front": front["name"], title: cost, "Validation": front["val_loss"].map(nats)})


def figure(table: pd.DataFrame, column: str, theme: Theme) -> go.Figure:
    """A point each setting, those on the front marked and joined."""
    front = on_front(table, column)
    plot = go.Figure(layout=head(f"Validation loss against {column}", COSTS[column], LOSS, theme, 420))
    parts: tuple[tuple[str, pd.DataFrame, Role], ...] = (
        ("Other settings", table.drop(front.index), "batch"),
        (FRONT, front, "accent"),
    )
    for name, rows, role in parts:
        errors = rows["val_loss_error"]
        bars = {
            "type": "data",
            "array": [None if math.isnan(error) else error for error in errors],
            "thickness": 1,
            "width": 3,
        }
        plot.add_scatter(
            x=rows[column],
            y=rows["val_loss"],
            mode="lines+markers" if name == FRONT else "markers",
            line=line("accent", theme) | {"shape": "hv"} if name == FRONT else None,
            marker=marker(role, theme, 12 if name == FRONT else 8),
            error_y=bars | {"color": color(role, theme)},
            name=name,
            customdata=[
                [setting, nats(loss, 6), f"{parameters:,}", f"{seconds:.2f}"]
                for setting, loss, parameters, seconds in rows[["name", "val_loss", "parameters", "seconds"]].to_numpy()
            ],
            hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]} nats per character<br>%{customdata[2]} "
            "parameters<br>%{customdata[3]} seconds<extra>%{fullData.name}</extra>",
        )
    return plot.update_xaxes(type="log") if spread(table[column].tolist()) else plot
