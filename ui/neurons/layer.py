"""What the hidden units of a perceptron do: where they saturate, which are dead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from mmcore import trace
from mmcore.dataset import Dataset
from mmcore.model import Model
from mmcore.trace import Neurons
from ui.kit import chart, linked, plots
from ui.kit.plots import MAX_COLUMNS, every
from ui.kit.theme import Theme, color, figure_layout
from ui.run import hidden_layer
from ui.run.in_words import plain_bold

LISTED = 200  # dead units
MOST = 20_000  # examples


@dataclass(frozen=True)
class Seen:
    """Train examples (B, T), and what a hidden layer does on them."""

    contexts: NDArray[np.int64]
    report: Neurons


def choose(model: Model, dataset: Dataset) -> tuple[int, Seen]:
    """The hidden layer looked at, and what it does on as many examples as the visitor wants; both as they choose."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer = hidden_layer.choose(len(hidden_layer.sizes(model)))
        count = st.number_input(
            "Examples",
            1,
            MOST,
            linked.keep("examples", "neurons_examples", 2_000, linked.whole(1, MOST)),
            500,
            key="neurons_examples",
            persist_state="session",
            width=160,
            help="Train examples at random; all of them if there are no more.",
        )
    train = dataset.train
    few = count >= len(train)  # all of them, then, and none twice
    contexts = train.contexts if few else train.drawn(count)[0]
    return layer, Seen(contexts, trace.neuron_report(model, contexts, layer))


def draw(report: Neurons, theme: Theme) -> None:
    """Where a layer's units saturate, and which are dead."""
    _draw_counts(report)
    st.markdown(plain_bold(dead_units(report)))
    _draw_histograms(report, theme)
    chart.draw(unit_saturation(report, theme), "neurons_units", "Saturation of each unit")


def _draw_counts(report: Neurons) -> None:
    tanh = report.activation == "tanh"
    with st.container(horizontal=True, gap="medium"):
        rule = "|h| above 0.97, where tanh passes on less than 6 % of a gradient." if tanh else "h is 0."
        st.metric("Saturated" if tanh else "Silent", f"{100 * report.saturated:.2f} %", help=rule, width="content")
        dead = f"{len(report.dead)} of {report.outputs.shape[1]}"
        st.metric("Dead units", dead, help="Stuck on every example.", width="content")


def _draw_histograms(report: Neurons, theme: Theme) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        reach = report.reach or 1.0
        figure = plots.histogram(report.sums, "Pre-activations, z", "Pre-activation", theme, (-reach, reach))
        chart.draw(figure, "neurons_sums", "Histogram of pre-activations")
    with right:
        span = (-1.0, 1.0) if report.activation == "tanh" else (0.0, float(report.outputs.max()) or 1.0)
        figure = plots.histogram(report.outputs, f"Outputs, h = {report.activation}(z)", "Output", theme, span)
        chart.draw(figure, "neurons_outputs", "Histogram of outputs")


def nothing(model: Model) -> str:
    """Why there is no hidden layer to look at; nothing where there is one."""
    if hidden_layer.sizes(model):
        return ""
    if trace.can_trace(model):
        return "This model has no hidden layer: its direct connections are all there is."
    return (
        "Neurons shows the hidden units of an MLP of tanh or ReLU without normalisation. This model is another: "
        f"{model.config.summary()}. All other pages work for it."
    )


def dead_units(report: Neurons) -> str:
    """Which units are dead, and what that means; or how far the worst one is from it."""
    examples, units = report.outputs.shape
    stuck = "|h| is above 0.97" if report.activation == "tanh" else "h is 0"
    slope = "1 − h² is below 0.06 and next to no" if report.activation == "tanh" else "the slope is 0 and no"
    if not len(report.dead):
        worst = int(report.unit_saturation.argmax())
        return (
            f"**No unit is dead.** The one most often stuck is unit {worst}: {stuck} on "
            f"{100 * report.unit_saturation[worst]:.1f} % of the {examples:,} examples, and it learns from the others."
        )
    more = len(report.dead) - LISTED
    listed = ", ".join(map(str, report.dead[:LISTED])) + (f" and {more:,} more" if more > 0 else "")
    one = len(report.dead) == 1
    return (
        f"**{len(report.dead)} of {units} units {'is' if one else 'are'} dead:** {listed}. On every one of the "
        f"{examples:,} examples {stuck}, so {slope} gradient reaches "
        f"{'its' if one else 'their'} weights."
    )


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
