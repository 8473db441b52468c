"""Charts and tables of the page Under the hood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from mmcore import Vocab, show_symbol
from ui.kit.theme import SURFACES, Role, Theme, color, figure_layout, line, marker

if TYPE_CHECKING:
    from mmcore import Checkpoint, ModelConfig
    from mmcore.trace import Histograms, NeuronHistory, Neurons
from ui.kit.plots import MAX_COLUMNS, SPELLED, every
from ui.kit.symbols import context_text

PLAY_SECONDS = 1.5
MAX_PARAMETERS = 5_000_000  # gradients and copies in float64 come on top, for every visitor


def example_titles(word: str, vocab: Vocab, context_size: int) -> list[str]:
    """What each position of a word asks, ``..e → m``, the end of the word last; of many boundaries one is enough."""
    ids = [0] * context_size + vocab.encode(word) + [0]
    first = 0 if context_size <= SPELLED else context_size - 1
    return [
        f"{context_text(ids[max(first, at) : end], vocab)} → {show_symbol(vocab.symbols[ids[end]])}"
        for at, end in enumerate(range(context_size, len(ids)))
    ]


def example(word: str, position: int, vocab: Vocab, context_size: int) -> tuple[list[int], int]:
    """The context before a position (from 0) of a word, and the id that stands there."""
    ids = [0] * context_size + vocab.encode(word) + [0]
    return ids[position : position + context_size], ids[position + context_size]


def not_written_out(config: ModelConfig) -> str:
    """Why a view that needs the hidden units of a perceptron is empty."""
    return (
        "Neurons shows the hidden units of an MLP of tanh or ReLU without normalisation. This model is another: "
        f"{config.summary()}. All other views work for it."
    )


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


def gradient_table(table: pd.DataFrame) -> pd.DataFrame:
    """The gradient check in words a reader can compare: columns as on screen, by hand only where there is that."""
    shown = table.assign(equal=table["exact"].map({True: "exact", False: "rounding"}))
    by_hand = ["equal", "hand_autograd"] if table["exact"].notna().any() else []
    return shown[["tensor", "shape", "largest", *by_hand, "autograd_numeric", "nudged"]]


def step_curve(
    rates: NDArray[np.float64], losses: NDArray[np.float64], rate: float, before: float, slope: float, theme: Theme
) -> go.Figure:
    """The loss after one update against its learning rate, what the gradient predicts, and the chosen rate."""
    figure = go.Figure()
    hover = "learning rate %{x:.4g}<br>loss %{y:.6f}<extra>%{fullData.name}</extra>"
    top = float(np.nanmin([before * 2.5 + 1, np.nanmax(losses) * 1.05]))
    predicted = before - rates * slope
    kept = predicted > min(float(np.nanmin(losses)), before) - 0.5
    figure.add_scatter(x=rates, y=losses, name="After", line=line("train", theme), hovertemplate=hover)
    figure.add_scatter(
        x=rates[kept],
        y=predicted[kept],
        name="Predicted, to first order",
        line=line("reference", theme),
        hovertemplate=hover,
    )
    figure.add_hline(before, line=line("batch", theme), annotation_text=f"before {before:.4f}")
    figure.add_vline(rate, line=line("validation", theme))
    # On a logarithmic axis a shape stands at its value, and an annotation at the value's logarithm.
    chosen = {"text": f"chosen {rate:.3g}", "x": math.log10(rate), "xanchor": "right" if rate > 1 else "left"}
    figure.add_annotation(chosen, yref="paper", y=0, yanchor="bottom", showarrow=False)
    layout = figure_layout(
        "Loss after one update, by learning rate", x="Learning rate", y="Loss (nats)", theme=theme, height=360
    )
    figure.update_layout(layout)
    figure.update_yaxes(range=[min(0.0, float(np.nanmin(losses))) - 0.1, top])
    return figure.update_xaxes(type="log", dtick=1, exponentformat="power")


def unit_saturation(report: Neurons, theme: Theme) -> go.Figure:
    """On which share of the examples each unit is stuck, the worst first."""
    order = np.argsort(-report.unit_saturation, kind="stable")[:MAX_COLUMNS]
    figure = go.Figure(
        go.Bar(
            x=[str(i) for i in order],
            y=100 * report.unit_saturation[order],
            marker_color=color("accent", theme),
            hovertemplate="unit %{x}<br>stuck on %{y:.2f} % of the examples<extra></extra>",
        )
    )
    title = "How often each unit is stuck, the worst first"
    layout = figure_layout(title, x="Hidden unit", y="Examples (%)", theme=theme, height=300)
    figure.update_layout(layout, margin_t=48)
    figure.update_xaxes(type="category", tickangle=0, tickfont_size=11, dtick=every(len(order)))
    return figure.update_yaxes(range=[0, 105])


def over_steps(
    spread: Histograms, steps: Sequence[int], title: str, y: str, theme: Theme, *, height: int = 300
) -> go.Figure:
    """How numbers were spread at each moment: a column a moment, dark where many are. Each shade is exact on hover."""
    middles = (spread.edges[1:] + spread.edges[:-1]) / 2
    shares = 100 * spread.shares.T
    figure = go.Figure(
        go.Heatmap(
            x=[f"{step:,}" for step in steps],
            y=middles,
            z=shares.astype(np.float32),
            zmin=0,
            # One full column, as of a saturated layer, must not make all others pale.
            zmax=float(np.quantile(shares.max(axis=0), 0.75)) or 1.0,
            colorscale=list(SURFACES[theme].scale),
            hovertemplate="step %{x}<br>near %{y:.3f}<br>%{z:.2f} %<extra></extra>",
            colorbar={"thickness": 10, "title": {"text": "Share (%)", "font": {"size": 13}}},
        )
    )
    figure.update_layout(figure_layout(title, x="Step (updates)", y=y, theme=theme, height=height), margin_t=48)
    return figure.update_xaxes(type="category", showgrid=False, tickangle=0, dtick=every_moment(steps))


def every_moment(steps: Sequence[int]) -> int:
    """Which moments get a label: at most eight."""
    return max(1, math.ceil(len(steps) / 8))


def stuck_over_steps(history: NeuronHistory, steps: Sequence[int], tanh: bool, theme: Theme) -> go.Figure:
    """Saturated outputs and dead units at each moment."""
    figure = go.Figure()
    lines: tuple[tuple[str, NDArray[np.float64], Role], ...] = (
        ("Saturated outputs" if tanh else "Silent outputs", history.saturated, "accent"),
        ("Dead units", history.dead, "validation"),
    )
    for name, shares, role in lines:
        figure.add_scatter(
            x=[f"{step:,}" for step in steps],
            y=100 * shares,
            name=name,
            mode="lines+markers",
            line=line(role, theme),
            marker=marker(role, theme, 6),
            hovertemplate="step %{x}<br>%{y:.2f} %<extra>%{fullData.name}</extra>",
        )
    title = "Stuck outputs and units while it learned"
    figure.update_layout(figure_layout(title, x="Step (updates)", y="Share (%)", theme=theme, height=300))
    figure.update_xaxes(type="category", tickangle=0, dtick=every_moment(steps), range=[-0.5, len(steps) - 0.5])
    return figure.update_yaxes(rangemode="tozero")


RATIO_ROLES: tuple[Role, ...] = ("train", "validation", "test", "accent", "batch")
RATIO_DASHES = ("solid", "dash", "dot", "dashdot")


def largest_ratio(checkpoints: Sequence[Checkpoint], names: Sequence[str]) -> str:
    """The largest update ÷ weights of a weight tensor at a kept step, in a sentence; none where none is a number."""
    found = [
        (size.ratio, name, checkpoint.step)
        for checkpoint in checkpoints
        for name, size in checkpoint.updates.items()
        if name in names and math.isfinite(size.ratio)
    ]
    if not found:
        return ""
    ratio, name, step = max(found)
    return f"In this run it was largest for {name} at step {step:,}: {ratio:.1e}."


def update_ratios(checkpoints: Sequence[Checkpoint], names: Sequence[str], theme: Theme) -> go.Figure:
    """Update ÷ weights of each tensor of ``names`` as training made them, on logarithmic axes with the line at 10⁻³."""
    made = [checkpoint for checkpoint in checkpoints if checkpoint.updates]
    figure = go.Figure()
    for place, name in enumerate(names if made else ()):
        role = RATIO_ROLES[place % len(RATIO_ROLES)]
        ratios = np.array([checkpoint.updates[name].ratio for checkpoint in made])
        ratios[ratios <= 0] = np.nan  # has no logarithm
        figure.add_scatter(
            x=[checkpoint.step for checkpoint in made],
            y=ratios,
            name=name,
            mode="lines+markers",
            line=line(role, theme) | {"dash": RATIO_DASHES[place % len(RATIO_DASHES)]},
            marker=marker(role, theme, 6),
            hovertemplate="step %{x:,}<br>%{y:.3e}<extra>%{fullData.name}</extra>",
        )
    title = "Update : weights, by step"
    layout = figure_layout(title, x="Step (updates)", y="Std of update ÷ std of weights", theme=theme, height=340)
    figure.update_layout(layout)
    figure.add_hline(1e-3, line=line("reference", theme))
    # At the logarithm: see step_curve.
    healthy = {"text": "10⁻³", "xref": "paper", "x": 1, "xanchor": "right", "y": -3, "yanchor": "bottom"}
    figure.add_annotation(healthy, showarrow=False, font={"color": color("reference", theme)})
    figure.update_yaxes(type="log", dtick=1, exponentformat="power")
    return figure.update_xaxes(type="log", dtick=1)


def softmax_curve(table: pd.DataFrame, theme: Theme) -> go.Figure:
    """Both losses against the scale; the naive one ends where it stops being a number."""
    figure = go.Figure()
    finite = table[np.isfinite(table["naive"])]
    figure.add_scatter(
        x=table["scale"], y=table["stable"], name="Log-sum-exp", mode="lines+markers", line=line("train", theme)
    )
    figure.add_scatter(
        x=finite["scale"],
        y=finite["naive"],
        name="Naive exp / sum",
        mode="lines+markers",
        line=line("validation", theme),
        marker=marker("validation", theme, 10),
    )
    layout = figure_layout("Loss from the same logits, scaled up", x="Scale", y="Loss (nats)", theme=theme, height=360)
    figure.update_layout(layout)
    return figure.update_xaxes(type="log", dtick=1, exponentformat="power")
