"""Charts of the experiments."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ui.kit.theme import ROLES, SURFACES, Role, Theme, figure_layout, line, marker
from ui.run.embedding_map import BELOW


def depths(table: pd.DataFrame, theme: Theme) -> go.Figure:
    """Validation loss against depth, a line for each initialisation with and without batch normalisation.

    ``table``: columns ``init, normalisation, hidden_sizes, val_loss``.
    """
    roles: dict[tuple[str, str], Role] = {
        ("lecture", "none"): "validation",
        ("lecture", "batch"): "test",
        ("scaled", "none"): "train",
        ("scaled", "batch"): "accent",
    }
    layout = figure_layout("Validation loss by depth", x="Hidden layers", y="Loss (nats per character)", theme=theme)
    figure = go.Figure(layout=layout)
    for (init, normalisation), rows in table.groupby(["init", "normalisation"]):
        role = roles[init, normalisation]
        figure.add_scatter(
            x=rows.hidden_sizes.map(len),
            y=rows.val_loss,
            mode="lines+markers",
            line=line(role, theme),
            marker=marker(role, theme, 9),
            name=f"{init.capitalize()}{', batch normalisation' if normalisation == 'batch' else ''}",
            hovertemplate="%{x} layers<br>%{y:.4f} nats per character<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(margin_t=48, legend=BELOW, height=420)
    return figure.update_xaxes(tickvals=sorted(set(table.hidden_sizes.map(len))))


def context_and_embedding(table: pd.DataFrame, theme: Theme) -> go.Figure:
    """Losses against context size, a colour and marker for each embedding dimension; train thin and dotted.

    ``table``: columns ``context_size, embedding_dim, train_loss, val_loss, val_loss_unseen``.
    """
    title = "Loss by context size and embedding"
    layout = figure_layout(title, x="Context size (characters)", y="Loss (nats per character)", theme=theme)
    figure = go.Figure(layout=layout)
    roles: tuple[Role, ...] = ("train", "validation", "test", "accent")
    for (dim, rows), role in zip(table.groupby("embedding_dim"), roles, strict=False):
        shared: dict[str, Any] = {"mode": "lines+markers", "legendgroup": str(dim), "x": rows.context_size}
        head = f"<b>Context %{{x}}, embedding {dim}</b><br>"
        figure.add_scatter(
            **shared,
            y=rows.val_loss,
            name=f"Embedding {dim}",
            line=line(role, theme) | {"dash": "solid"},
            marker=marker(role, theme, 9),
            customdata=rows[["train_loss", "val_loss_unseen"]],
            hovertemplate=f"{head}validation %{{y:.4f}} nats per character<br>on unseen words %{{customdata[1]:.4f}}"
            "<br>train %{customdata[0]:.4f}<extra></extra>",
        )
        figure.add_scatter(
            **shared,
            y=rows.train_loss,
            name=f"Embedding {dim}, train",
            showlegend=False,
            line=line(role, theme) | {"dash": "dot", "width": 1.2},
            marker=marker(role, theme, 6) | {"symbol": f"{ROLES[role].symbol}-open"},
            hovertemplate=f"{head}train %{{y:.4f}} nats per character<extra></extra>",
        )
    figure.add_scatter(  # says once for all colours what the thin lines are
        x=[None], y=[None], mode="lines", name="Train, thin and dotted", line=line("reference", theme)
    )
    figure.update_layout(margin_t=48, legend=BELOW, height=480)
    return figure.update_xaxes(tickvals=sorted(set(table.context_size)))


def architectures(table: pd.DataFrame, theme: Theme) -> go.Figure:
    """Train loss, validation loss and that on unseen words, a row an architecture, lowest validation loss on top.

    ``table``: columns ``architecture, name, train_loss, val_loss, val_loss_unseen, parameters, step, time``.
    """
    ranked = table.sort_values("val_loss", ascending=False, kind="stable")
    head = "<b>%{y}</b>, preset %{customdata[3]}"
    return _rows("Loss of each architecture", ranked, "architecture", head, theme)


def steps(table: pd.DataFrame, theme: Theme) -> go.Figure:
    """The same for the steps to microgpt, the first on top."""
    return _rows("Loss of each step", table[::-1], "name", "<b>%{y}</b>", theme)


def _rows(title: str, table: pd.DataFrame, column: str, head: str, theme: Theme) -> go.Figure:
    """Three losses of every run, a row a run, the last of the table on top."""
    layout = figure_layout(title, x="Loss (nats per character)", y="", theme=theme)
    figure = go.Figure(layout=layout)
    for row in table.itertuples():
        losses = [row.train_loss, row.val_loss, row.val_loss_unseen]
        figure.add_scatter(
            x=[min(losses), max(losses)],
            y=[getattr(row, column)] * 2,
            mode="lines",
            line={"color": SURFACES[theme].grid, "width": 4},
            hoverinfo="skip",
            showlegend=False,
        )
    looks: dict[str, tuple[str, dict[str, Any]]] = {
        "train_loss": ("Train", marker("train", theme, 11)),
        "val_loss": ("Validation", marker("validation", theme, 11)),
        "val_loss_unseen": ("Validation, unseen words", marker("validation", theme, 11) | {"symbol": "diamond-open"}),
    }
    for loss, (name, look) in looks.items():
        figure.add_scatter(
            x=table[loss],
            y=table[column],
            mode="markers",
            name=name,
            marker=look,
            customdata=table[["parameters", "step", "time", "name"]],
            hovertemplate=f"{head}<br>%{{x:.4f}} nats per character<br>%{{customdata[0]:,}} parameters"
            "<br>%{customdata[1]:,} updates in %{customdata[2]}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(margin_t=48, legend=BELOW, height=170 + 44 * len(table))
    return figure.update_yaxes(type="category")
