"""Charts as pure functions: data in, plotly figure out. Every chart takes the theme it is drawn in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from mmcore import ContextCounts, show_symbol
from ui import symbols
from ui.theme import ROLES, SURFACES, Role, Theme, color, figure_layout, line, marker

MAX_HEATMAP_SYMBOLS = 60
CLASS_STYLES: tuple[tuple[Role, str], ...] = (
    ("train", "circle"),
    ("validation", "square"),
    ("test", "diamond"),
    ("accent", "hexagon"),
    ("reference", "octagon"),
    ("batch", "pentagon"),
)
BELOW = {"yref": "container", "y": 0, "yanchor": "bottom"}  # a legend that may take several lines on a phone
BUBBLE = 24  # pixels; holds a letter, and a fingertip finds it


def word_lengths(lengths: Mapping[int, int], theme: Theme) -> go.Figure:
    """How many words have how many characters."""
    figure = go.Figure(
        go.Bar(
            x=list(lengths),
            y=list(lengths.values()),
            marker_color=color("accent", theme),
            hovertemplate="%{x} characters<br>%{y:,} words<extra></extra>",
        )
    )
    figure.update_layout(figure_layout("Words by length", x="Length (characters)", y="Words", theme=theme))
    figure.update_layout(bargap=0.15, margin_t=48)
    return figure


def heatmap_ids(counts: ContextCounts) -> NDArray[np.int64]:
    """Ids the heatmap shows: all, or the boundary and the most frequent of a large vocabulary."""
    following = counts.following
    if following.width <= MAX_HEATMAP_SYMBOLS:
        return np.arange(following.width)
    times = np.bincount(following.columns, following.values, following.width)
    return np.unique(np.append(np.argsort(-times, kind="stable")[:MAX_HEATMAP_SYMBOLS], 0))


def bigram_heatmap(counts: ContextCounts, symbols: Sequence[str], theme: Theme) -> go.Figure:
    """How often each character follows each other one, from counts at context size 1.

    The shade is logarithmic, because a few pairs are a thousand times as frequent as most; the hover is exact.
    """
    ids = heatmap_ids(counts)
    rows = np.flatnonzero(np.isin(counts.contexts[:, -1], ids))
    shown, names = np.zeros((len(ids), len(ids)), dtype=np.int64), [show_symbol(symbols[i]) for i in ids]
    shown[np.searchsorted(ids, counts.contexts[rows, -1])] = counts.following.dense(rows)[:, ids]
    top = int(shown.max())
    ticks = [0, *(10**k for k in range(len(str(top)))), top]
    figure = go.Figure(
        go.Heatmap(
            x=names,
            y=names,
            z=np.log1p(shown),
            customdata=shown,
            colorscale=list(SURFACES[theme].scale),
            hovertemplate="%{y} then %{x}<br>%{customdata:,} times<extra></extra>",
            colorbar={
                "title": {"text": "Times"},
                "thickness": 10,
                "tickvals": np.log1p(ticks).tolist(),
                "ticktext": [f"{tick:,}" for tick in ticks],
            },
            xgap=1,
            ygap=1,
        )
    )
    figure.update_layout(
        figure_layout("How often a pair occurs", x="Next character", y="Character", theme=theme, height=620)
    )
    small = {"type": "category", "showgrid": False, "tickfont_size": 11, "dtick": 1, "tickangle": 0}
    figure.update_xaxes(small).update_yaxes(small, autorange="reversed").update_layout(margin_t=48)
    return figure


def split_losses(rows: pd.DataFrame, references: Mapping[str, float], theme: Theme) -> go.Figure:
    """Each split's loss with its interval, and the reference models' validation losses as lines.

    ``rows``: columns ``title, role, loss, low, high``, top to bottom. ``references``: model -> loss.
    """
    figure = go.Figure()
    for row in rows.itertuples():
        arms = {"type": "data", "symmetric": False, "array": [row.high - row.loss], "arrayminus": [row.loss - row.low]}
        figure.add_scatter(
            x=[row.loss],
            y=[row.title.replace(", ", ",<br>")],  # two lines: on a phone every pixel beside them counts
            mode="markers",
            marker=marker(row.role, theme, size=11),
            error_x=arms | {"color": color(row.role, theme), "thickness": 2, "width": 6},
            customdata=[[row.low, row.high]],
            hovertemplate="%{y}<br>%{x:.6f} nats per character<br>95 %: %{customdata[0]:.6f} to %{customdata[1]:.6f}"
            "<extra></extra>",
            showlegend=False,
        )
    for name, loss in references.items():
        figure.add_vline(
            loss,
            line=line("reference", theme),
            annotation={
                "text": f"{name[:1].upper()}{name[1:]}<br>{loss:.3f}",
                "font": {"size": 12, "color": color("reference", theme)},
                "yref": "paper",
                "y": 1,
                "yanchor": "bottom",
                "xanchor": "center",
            },
        )
    layout = figure_layout("Loss of each split", x="Loss (nats per character)", y="", theme=theme)
    figure.update_layout(layout, height=190 + 46 * len(rows), margin_t=92, margin_r=24)
    ends = [*rows["low"], *rows["high"], *references.values()]
    room = 0.08 * (max(ends) - min(ends))
    figure.update_xaxes(range=[min(ends) - room, max(ends) + room])
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def embedding(
    points: NDArray[np.floating],
    symbols: Sequence[str],
    axes: Sequence[str],
    *,
    title: str,
    groups: Sequence[str] | None = None,
    values: Sequence[float] | None = None,
    value_title: str = "",
    theme: Theme,
) -> go.Figure:
    """Every symbol at its (V, k) point, k = 1, 2 or 3, its id as ``customdata``.

    Either ``groups`` (a class a symbol: outline colour and marker shape) or ``values`` (a number a symbol: shade).
    """
    figure = go.Figure()
    layout = figure_layout(title, x=axes[0], y=axes[1] if len(axes) > 1 else "", theme=theme, height=560)
    figure.update_layout(layout)
    if values is not None:
        unknown = np.isnan(np.asarray(values, dtype=float))
        ids = np.flatnonzero(~unknown)
        shaded = _shaded([float(values[i]) for i in ids.tolist()], theme)
        _add_symbols(figure, points, symbols, ids, shaded, theme, f"{value_title}: ")
        if unknown.any():
            outlined = _outlined("reference", "circle", theme, points.shape[1])
            _add_symbols(figure, points, symbols, np.flatnonzero(unknown), outlined, theme, "", name="no such share")
    else:
        listed = list(groups or ["symbol"] * len(symbols))
        for order, group in enumerate(dict.fromkeys(sorted(listed))):
            ids = np.array([i for i, own in enumerate(listed) if own == group])
            role, shape = CLASS_STYLES[order % len(CLASS_STYLES)]
            outlined = _outlined(role, shape, theme, points.shape[1])
            _add_symbols(figure, points, symbols, ids, outlined, theme, "", name=group)
    _fit_axes(figure, axes, theme)
    return figure


def _outlined(role: Role, shape: str, theme: Theme, dimensions: int) -> dict[str, Any]:
    ink = color(role, theme)
    if dimensions == 3:  # 3-D markers know few shapes and draw no letters inside
        flat = {"hexagon": "cross", "octagon": "x", "pentagon": "circle-open"}
        return {"color": ink, "symbol": flat.get(shape, shape), "size": 5}
    return {
        "color": f"{SURFACES[theme].raised}99",  # lets a letter underneath show
        "symbol": shape,
        "size": BUBBLE,
        "line": {"color": ink, "width": 2},
    }


def _shaded(values: Sequence[float], theme: Theme) -> dict[str, Any]:
    return {
        "color": list(values),
        "coloraxis": "coloraxis",
        "line": {"color": SURFACES[theme].muted, "width": 1},
        "size": BUBBLE,
        "symbol": "circle",
    }


def _add_symbols(
    figure: go.Figure,
    points: NDArray[np.floating],
    symbols: Sequence[str],
    ids: NDArray[np.int64],
    look: dict[str, Any],
    theme: Theme,
    prefix: str,
    name: str = "",
) -> None:
    """One trace: the symbols with these ids."""
    shown = [show_symbol(symbols[i]) for i in ids]
    surface = SURFACES[theme]
    shared: dict[str, Any] = {
        "text": shown,
        "customdata": ids,
        "mode": "markers+text",
        "marker": look,
        "name": name,
        "showlegend": bool(name),
        "textfont": {"size": 13, "color": surface.text},
    }
    if "coloraxis" in look:
        figure.update_layout(
            coloraxis={
                "colorscale": list(surface.scale),
                "colorbar": {
                    "title": {"text": prefix.rstrip(": "), "side": "right", "font": {"size": 13}},
                    "thickness": 10,
                },
            }
        )
        shared["textfont"]["color"] = _readable(look["color"], theme)
    numbers = "<br>".join(
        f"{axis} %{{{axis}:.6f}}" for axis in "xyz"[: points.shape[1]]
    )  # exact, whatever the axis rounds to
    shared["hovertemplate"] = f"<b>%{{text}}</b> {name}<br>{numbers}<extra></extra>"
    if "coloraxis" in look:
        shared["hovertemplate"] = f"<b>%{{text}}</b><br>{prefix}%{{marker.color:.6f}}<br>{numbers}<extra></extra>"
    if points.shape[1] == 3:
        look["size"] = 6
        x, y, z = points[ids].T
        shared["textfont"]["color"] = surface.text
        figure.add_scatter3d(x=x, y=y, z=z, textposition="top center", **shared)
    else:
        # A point chosen by a click fades the others: enough to see it, and they stay readable.
        shared["unselected"] = {"marker": {"opacity": 0.5}, "textfont": {"color": surface.muted}}
        y = points[:, 1] if points.shape[1] == 2 else stacked(points[:, 0])
        figure.add_scatter(x=points[ids, 0], y=y[ids], textposition="middle center", **shared)


def stacked(values: NDArray[np.floating], gap: float = 0.08) -> NDArray[np.float64]:
    """A level for each value, so that two on one level are at least ``gap`` of the whole range apart."""
    ends: list[float] = []  # the last value on each level
    levels = np.zeros(len(values))
    apart = gap * (float(values.max() - values.min()) or 1.0)
    for i in np.argsort(values, kind="stable"):
        level = next((k for k, end in enumerate(ends) if values[i] - end >= apart), len(ends))
        ends[level : level + 1] = [float(values[i])]
        levels[i] = level
    return levels


def _readable(values: Sequence[float], theme: Theme) -> list[str]:
    """The text colour on each shade: the page's own, or the background's where that is the more legible."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    turn = low + (high - low) * {"light": 0.7, "dark": 0.55}[theme]
    surface = SURFACES[theme]
    return [surface.background if value > turn else surface.text for value in values]


def _fit_axes(figure: go.Figure, axes: Sequence[str], theme: Theme) -> None:
    """Axes by the number of dimensions: a strip, a plane where one unit is as long both ways, or a space."""
    if len(axes) == 1:
        levels = max(max(trace.y) for trace in figure.data) + 1
        figure.update_yaxes(visible=False, range=[-0.7, levels - 0.3], fixedrange=True)
        figure.update_layout(height=190 + 34 * int(levels))
    if len(axes) == 2:
        figure.update_yaxes(scaleanchor="x")
    if len(axes) == 3:
        grid = {"gridcolor": SURFACES[theme].grid, "backgroundcolor": "rgba(0,0,0,0)", "color": SURFACES[theme].muted}
        scene = {f"{name}axis": grid | {"title": {"text": axis}} for name, axis in zip("xyz", axes, strict=True)}
        figure.update_layout(scene=scene | {"aspectmode": "cube", "camera": {"eye": {"x": 1.8, "y": 1.8, "z": 1.0}}})
    figure.update_layout(legend=BELOW, margin_t=48)
    figure.update_layout(clickmode="event+select", dragmode="turntable" if len(axes) == 3 else "pan")


def table_row(values: Sequence[float], symbol: str, theme: Theme) -> go.Figure:
    """One symbol's row of the embedding table, a bar a dimension."""
    figure = go.Figure(
        go.Bar(
            x=list(range(len(values))),
            y=list(values),
            marker_color=color("accent", theme),
            hovertemplate="dimension %{x}<br>%{y:.9g}<extra></extra>",
        )
    )
    title = f"Row of C for {show_symbol(symbol)}"
    figure.update_layout(figure_layout(title, x="Dimension", y="Value", theme=theme, height=260), margin_t=48)
    figure.update_xaxes(dtick=1 if len(values) <= 16 else None)
    figure.update_yaxes(zeroline=True, zerolinecolor=SURFACES[theme].muted)
    return figure


def next_characters(distribution: pd.DataFrame, theme: Theme) -> go.Figure:
    """The probability of each next character, likeliest first; ``customdata`` is the symbol's id.

    ``distribution``: columns ``symbol, probability``, a row an id.
    """
    ranked = distribution.sort_values("probability", ascending=False, kind="stable").head(symbols.MOST)
    figure = go.Figure(
        go.Bar(
            x=[show_symbol(symbol) for symbol in ranked["symbol"]],
            y=ranked["probability"],
            customdata=ranked.index,
            marker_color=color("accent", theme),
            hovertemplate="%{x}<br>probability %{y:.6f}<extra></extra>",
        )
    )
    layout = figure_layout(
        "Probability of the next character" + symbols.cut(distribution),
        x="Next character",
        y="Probability",
        theme=theme,
    )
    figure.update_layout(layout, height=360, margin_t=48, bargap=0.15, clickmode="event+select", dragmode="pan")
    figure.update_xaxes(type="category", tickangle=0, tickfont_size=11, dtick=1).update_yaxes(rangemode="tozero")
    return figure


def depths(table: pd.DataFrame, theme: Theme) -> go.Figure:
    """Validation loss against depth, a line for each initialisation with and without batch normalisation.

    ``table``: columns ``init, norm, depth, val_loss``.
    """
    roles: dict[tuple[str, bool], Role] = {
        ("lecture", False): "validation",
        ("lecture", True): "test",
        ("scaled", False): "train",
        ("scaled", True): "accent",
    }
    layout = figure_layout("Validation loss by depth", x="Hidden layers", y="Loss (nats per character)", theme=theme)
    figure = go.Figure(layout=layout)
    for (init, norm), rows in table.groupby(["init", "norm"]):
        role = roles[init, norm]
        figure.add_scatter(
            x=rows.depth,
            y=rows.val_loss,
            mode="lines+markers",
            line=line(role, theme),
            marker=marker(role, theme, 9),
            name=f"{init.capitalize()}{', batch normalisation' if norm else ''}",
            hovertemplate="%{x} layers<br>%{y:.4f} nats per character<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(margin_t=48, legend=BELOW, height=420)
    return figure.update_xaxes(tickvals=sorted(set(table.depth)))


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

    ``table``: columns ``architecture, context_size, train_loss, val_loss, val_loss_unseen, parameters, step, time``.
    """
    ranked = table.sort_values("val_loss", ascending=False, kind="stable")
    layout = figure_layout("Loss of each architecture", x="Loss (nats per character)", y="", theme=theme)
    figure = go.Figure(layout=layout)
    for row in ranked.itertuples():
        losses = [row.train_loss, row.val_loss, row.val_loss_unseen]
        figure.add_scatter(
            x=[min(losses), max(losses)],
            y=[row.architecture] * 2,
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
    for column, (name, look) in looks.items():
        figure.add_scatter(
            x=ranked[column],
            y=ranked["architecture"],
            mode="markers",
            name=name,
            marker=look,
            customdata=ranked[["parameters", "step", "time", "context_size"]],
            hovertemplate="<b>%{y}</b>, context %{customdata[3]}<br>%{x:.4f} nats per character<br>%{customdata[0]:,} "
            "parameters<br>%{customdata[1]:,} updates in %{customdata[2]}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(margin_t=48, legend=BELOW, height=170 + 44 * len(ranked))
    return figure.update_yaxes(type="category")
