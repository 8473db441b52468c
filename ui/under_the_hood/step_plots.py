"""What is drawn of a step: its values, its attention heads, the length of its gradient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from mmcore.dataset import Vocab
from ui.kit import plots
from ui.kit.theme import SURFACES, Role, Theme, color, figure_layout, line, marker
from ui.under_the_hood.step import MEMORY, Numbers, row_lengths, value_of

if TYPE_CHECKING:
    from mmcore.trace import Trace, TraceStep

SHARES = ("gate", "attention")  # kinds whose values are from 0 to 1
WRITTEN = 8  # characters up to which a head's shares are written into its cells


def values(step: TraceStep, trace: Trace, vocab: Vocab, theme: Theme, title: str | None = None) -> go.Figure:
    """A step's values: bars for a vector, a heatmap for a matrix."""
    letters, title = step.letters.split(", "), title or f"{step.name}: {step.title}"
    names = [plots.labels(k, n, trace.context, vocab) for k, n in zip(letters, step.shape, strict=True)]
    if len(names) == 2:
        shares = step.kind in SHARES and not step.name.startswith("d")
        return plots.heatmap(step.value, names[0], names[1], title, letters, theme, shares=shares)
    marked = trace.target if letters == ["V"] else None
    return plots.bars(step.value, names[0], title, plots.axis(letters[0]), theme, marked=marked)


def weight(tensor: TraceStep, trace: Trace, vocab: Vocab, theme: Theme, forward: bool) -> go.Figure:
    """What a step is made with; on the way back, how the loss changes with it."""
    shape, says = " × ".join(map(str, tensor.shape)), "as this run has learned it" if forward else "its gradient"
    return values(tensor, trace, vocab, theme, f"{tensor.name}, {shape}, {says}")


def heads(step: TraceStep, trace: Trace, vocab: Vocab, theme: Theme, forward: bool) -> list[go.Figure]:
    """Attention weights, a small heatmap each head; or how the loss changes with them. What comes later stays blank."""
    names, value = plots.labels("L", step.shape[1], trace.context, vocab), value_of(step)
    tables = np.where(np.tri(len(names), dtype=bool), value, np.nan)
    top = float(np.abs(np.tril(value)).max()) or 1.0
    drawn = []
    for number, table in enumerate(tables, start=1):
        best = int(table[-1].argmax())
        most = f"attends most to {names[best].split(': ', 1)[1]}, {100 * table[-1, best]:.0f} %"
        title = f"Head {number} {most}" if forward else f"Head {number}, gradient"
        drawn.append(_head(table, names, title, theme, None if forward else top))
    return drawn


def _head(table: Numbers, names: list[str], title: str, theme: Theme, top: float | None) -> go.Figure:
    """``top``: of the colours for a gradient; None for shares."""
    shade = {"zmin": 0.0, "zmax": 1.0, "colorscale": list(SURFACES[theme].scale)}
    figure = go.Figure(
        go.Heatmap(
            x=names,
            y=names,
            z=table,
            **(shade if top is None else {"zmin": -top, "zmax": top, "colorscale": plots.diverging(theme)}),
            texttemplate=("%{z:.0%}" if top is None else "%{z:.2f}") if len(names) <= WRITTEN else None,
            textfont={"size": 11},
            hovertemplate="%{y} attends to %{x}<br>%{z:.9g}<extra></extra>",
            hoverongaps=False,
            showscale=False,
            xgap=1,
            ygap=1,
        )
    )
    layout = figure_layout(title, x="Attended to", y="Attending", theme=theme, height=280)
    figure.update_layout(layout, margin_t=48, title_font_size=14)
    small = {"type": "category", "showgrid": False, "tickfont_size": 11, "tickangle": 0}
    small["dtick"] = plots.every(len(names), names)
    return figure.update_xaxes(small).update_yaxes(small, autorange="reversed")


def lengths(step: TraceStep, trace: Trace, vocab: Vocab, theme: Theme) -> go.Figure:
    """How long the gradient is at each character; that of a state beside that of its cell."""
    shown = [one for one in trace.steps if one.kind in MEMORY] if step.kind in MEMORY else [step]
    letter = step.letters.split(", ")[0]
    names = plots.labels(letter, len(step.value), trace.context, vocab)
    roles: tuple[Role, ...] = ("accent", "validation")
    figure = go.Figure()
    for one, role in zip(shown, roles, strict=False):
        figure.add_bar(
            x=names,
            y=row_lengths(one),
            name=one.name,
            marker={"color": color(role, theme), "pattern": {"shape": "/" if one is not shown[0] else ""}},
            hovertemplate="%{x}<br>length %{y:.9g}<extra>%{fullData.name}</extra>",
        )
    named, each = (
        " and ".join(one.name for one in shown),
        "character" if letter in ("L", "T") else "group of characters",
    )
    title = f"How long {named} {'is' if len(shown) == 1 else 'are'} at each {each}"
    layout = figure_layout(title, x=plots.axis(letter), y="Length of the gradient", theme=theme, height=300)
    figure.update_layout(layout, bargap=0.2, showlegend=len(shown) > 1)
    return figure.update_xaxes(type="category", tickangle=0, tickfont_size=11, dtick=plots.every(len(names), names))


def surprise(probability: float, theme: Theme) -> go.Figure:
    """−ln p as a curve, and where this example stands on it."""
    p = np.linspace(0.001, 1, 400)
    figure = go.Figure()
    figure.add_scatter(x=p, y=-np.log(p), mode="lines", line=line("reference", theme), name="−ln p", hoverinfo="skip")
    figure.add_scatter(
        x=[probability],
        y=[-math.log(max(probability, 1e-300))],
        mode="markers",
        marker=marker("accent", theme, 14),
        name="this example",
        hovertemplate="p %{x:.6g}<br>loss %{y:.6f}<extra></extra>",
    )
    layout = figure_layout(
        "Loss: −ln of the right answer's probability", x="Probability", y="Loss (nats)", theme=theme, height=340
    )
    return figure.update_layout(layout)
