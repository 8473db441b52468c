"""Under the hood, prepared for the screen: charts and words of its views. Pure functions, nothing is stored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from mmcore import Vocab, show_symbol
from ui.theme import SURFACES, Role, Theme, color, figure_layout, line, marker

if TYPE_CHECKING:
    from mmcore import Checkpoint, ModelConfig
    from mmcore.trace import Histograms, NeuronHistory, Neurons

MAX_COLUMNS = 256  # of a heatmap, and bars of a chart: beyond, no one could tell them apart
PLAY_SECONDS = 1.5
SPELLED = 8  # characters of context up to which a position's title shows all of it
MAX_PARAMETERS = 5_000_000  # gradients and copies in float64 come on top, for every visitor

LETTERS = {
    "T": "Position in the context",
    "D": "Dimension",
    "T·D": "Position and dimension",
    "T/": "Characters fused",
    "L": "Character read",
    "place": "Place, from the boundary",
    "H": "Hidden unit",
    "2D": "Dimension, of the left neighbour, then the right",
    "2H": "Unit, of the left neighbour, then the right",
    "3D": "Dimension of queries, keys, values",
    "4D": "Unit of the feed-forward layer",
    "V": "Character",
}

# ---- words


def context_text(context: Sequence[int], vocab: Vocab) -> str:
    """A context as the lecture prints it: ``..e``."""
    return "".join(show_symbol(vocab.symbols[i]) for i in context)


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


# ---- charts


def diverging(theme: Theme) -> list[list[Any]]:
    """Orange below zero, the page's own colour at zero, teal above."""
    shades = (color("validation", theme), SURFACES[theme].background, color("accent", theme))
    return [[at, shade] for at, shade in zip((0, 0.5, 1), shades, strict=True)]


def labels(letter: str, size: int, context: Sequence[int], vocab: Vocab) -> list[str]:
    """Names of the places along an axis; L is what a context ends with, T/2 its characters two by two."""
    symbols = [show_symbol(vocab.symbols[i]) for i in context]
    if letter == "L":
        return [f"{at}: {symbol}" for at, symbol in enumerate(symbols[len(symbols) - size :], start=1)]
    if letter == "T" or letter.startswith("T/"):
        width = len(symbols) // size
        return [f"{at + 1}: {''.join(symbols[at * width : (at + 1) * width])}" for at in range(size)]
    if letter == "T·D":
        width = size // len(symbols)
        return [f"{at}: {symbol} [{d}]" for at, symbol in enumerate(symbols, start=1) for d in range(width)]
    return [show_symbol(symbol) for symbol in vocab.symbols] if letter == "V" else [str(i) for i in range(size)]


def axis(letter: str) -> str:
    """What the places along an axis are."""
    return LETTERS["T/"] if letter.startswith("T/") else LETTERS.get(letter, letter)


def every(places: int, beside: Sequence[str] = ()) -> int:
    """Which places of an axis get a label: all of a few that a phone can show beside each other, a tenth of many."""
    return 1 if places <= 32 and sum(map(len, beside)) <= 36 else math.ceil(places / 10)


def bars(
    heights: NDArray[Any],
    names: Sequence[str],
    title: str,
    x: str,
    theme: Theme,
    *,
    marked: int | None = None,
    y: str = "Value",
) -> go.Figure:
    """One bar for each number; the marked one hatched, outlined and said to be the right answer."""
    shown = np.asarray(heights[:MAX_COLUMNS], dtype=np.float64)
    hatch = ["/" if i == marked else "" for i in range(len(shown))]
    inks = [color("accent" if value >= 0 else "validation", theme) for value in shown]
    figure = go.Figure(
        go.Bar(
            x=list(names[: len(shown)]),
            y=shown,
            marker={"color": inks, "pattern": {"shape": hatch, "solidity": 0.5, "fgcolor": SURFACES[theme].text}},
            customdata=["the right answer" if i == marked else "" for i in range(len(shown))],
            hovertemplate="%{x} %{customdata}<br>%{y:.9g}<extra></extra>",
        )
    )
    more = f" (first {MAX_COLUMNS} of {len(heights):,})" if len(heights) > MAX_COLUMNS else ""
    figure.update_layout(figure_layout(title + more, x=x, y=y, theme=theme, height=340), margin_t=48, bargap=0.12)
    figure.update_xaxes(type="category", tickangle=0, tickfont_size=11, dtick=every(len(shown), names))
    figure.update_yaxes(zeroline=True, zerolinecolor=SURFACES[theme].muted)
    if marked is not None and marked < len(shown):
        figure.add_annotation(
            x=marked, y=max(shown[marked], 0), text="right answer", showarrow=True, arrowhead=2, ax=0, ay=-28
        )
    return figure


def heatmap(
    table: NDArray[Any],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    letters: Sequence[str],
    theme: Theme,
    *,
    shares: bool = False,
) -> go.Figure:
    """A matrix, zero in the page's colour, exact on hover; shares are from 0 to 1."""
    shown = np.asarray(table[:MAX_COLUMNS, :MAX_COLUMNS], dtype=np.float32)
    top = float(np.abs(shown).max()) or 1.0
    figure = go.Figure(
        go.Heatmap(
            x=list(columns[: shown.shape[1]]),
            y=list(rows[: shown.shape[0]]),
            z=shown,
            zmin=0.0 if shares else -top,
            zmax=1.0 if shares else top,
            colorscale=list(SURFACES[theme].scale) if shares else diverging(theme),
            hovertemplate="row %{y}, column %{x}<br>%{z:.9g}<extra></extra>",
            colorbar={"thickness": 10, "title": {"text": "Value"}},
        )
    )
    cut = "" if shown.shape == table.shape else f" (first {shown.shape[0]} × {shown.shape[1]})"
    height = int(np.clip(150 + 22 * len(shown), 260, 560))
    layout = figure_layout(title + cut, x=axis(letters[1]), y=axis(letters[0]), theme=theme, height=height)
    figure.update_layout(layout, margin_t=48)
    small = {"type": "category", "showgrid": False, "tickfont_size": 11, "tickangle": 0}
    figure.update_xaxes(small, dtick=every(shown.shape[1], columns))
    return figure.update_yaxes(small, autorange="reversed", dtick=every(shown.shape[0]))


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


def two_bars(
    before: NDArray[Any], after: NDArray[Any], names: tuple[str, str], vocab: Vocab, theme: Theme
) -> go.Figure:
    """Two distributions over the next character, side by side."""
    figure = go.Figure()
    symbols = [show_symbol(symbol) for symbol in vocab.symbols]
    for heights, name, role, shape in ((before, names[0], "batch", ""), (after, names[1], "accent", "/")):
        figure.add_bar(
            x=symbols[:MAX_COLUMNS],
            y=np.asarray(heights, dtype=np.float64)[:MAX_COLUMNS],
            name=name,
            marker={"color": color(role, theme), "pattern": {"shape": shape}},  # type: ignore[arg-type]
            hovertemplate="%{x}<br>probability %{y:.6f}<extra>%{fullData.name}</extra>",
        )
    title = f"Next character, {names[0].lower()} and {names[1].lower()}"
    layout = figure_layout(title, x="Next character", y="Probability", theme=theme, height=360)
    figure.update_layout(layout, barmode="group", bargap=0.2)
    return figure.update_xaxes(type="category", tickangle=0, tickfont_size=11, dtick=1)


def histogram(samples: NDArray[Any], title: str, x: str, theme: Theme, limits: tuple[float, float]) -> go.Figure:
    """How often each value occurs, binned here so that the browser gets 60 numbers and not a million."""
    counts, edges = np.histogram(np.clip(samples, *limits), bins=60, range=limits)
    figure = go.Figure(
        go.Bar(
            x=(edges[1:] + edges[:-1]) / 2,
            y=100 * counts / max(1, counts.sum()),
            width=np.diff(edges),
            marker_color=color("accent", theme),
            customdata=np.stack([edges[:-1], edges[1:]], axis=1),
            hovertemplate="%{customdata[0]:.3f} to %{customdata[1]:.3f}<br>%{y:.2f} %<extra></extra>",
        )
    )
    layout = figure_layout(title, x=x, y="Share (%)", theme=theme, height=300)
    return figure.update_layout(layout, margin_t=48)


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


def largest_ratio(checkpoints: Sequence[Checkpoint]) -> str:
    """The largest update ÷ weights of a weight tensor at a kept step, in a sentence; none where none is a number."""
    found = [
        (size.ratio, name, checkpoint.step)
        for checkpoint in checkpoints
        for name, size in checkpoint.updates.items()
        if name[0].isupper() and math.isfinite(size.ratio)
    ]
    if not found:
        return ""
    ratio, name, step = max(found)
    return f"In this run it was largest for {name} at step {step:,}: {ratio:.1e}."


def update_ratios(checkpoints: Sequence[Checkpoint], theme: Theme) -> go.Figure:
    """Update ÷ weights of each weight tensor as training made them, on logarithmic axes with the line at 10⁻³."""
    made = [checkpoint for checkpoint in checkpoints if checkpoint.updates]
    names = [name for name in made[0].updates if name[0].isupper()] if made else []
    figure = go.Figure()
    for place, name in enumerate(names):
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
