"""What one step against the gradient does to the loss."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray
from torch import Tensor

from mmcore import trace
from mmcore.trace import Update
from ui.kit import chart, linked, plots
from ui.kit.theme import Theme, figure_layout, line
from ui.under_the_hood.subject import Subject, choose_examples

RATES = np.logspace(-4, 2, 61)


def draw(subject: Subject) -> None:
    """An update at a learning rate of the visitor's choice, and what it changes."""
    contexts, targets = choose_examples(subject, "update")
    exponent = st.slider(
        "Learning rate, as a power of ten",
        -4.0,
        2.0,
        linked.keep("rate", "hood_rate", -1.0, linked.real(-4, 2)),
        0.1,
        key="hood_rate",
        help="How far to go against the gradient; the lecture's 0.1 is −1.",
    )
    update = trace.one_update(subject.model, contexts, targets, 10**exponent)
    _draw_losses(update)
    losses = trace.losses_along_gradient(subject.model, contexts, targets, RATES.tolist())
    figure = step_curve(RATES, losses, update.learning_rate, update.before, update.gradient_norm**2, subject.theme)
    chart.draw(figure, "hood_curve", "Loss after one update by learning rate")
    st.markdown("**Size of the update beside the weights.** The lecture's rule of thumb is a ratio of about 0.001.")
    _draw_ratios(subject, contexts, targets, update.learning_rate)
    both = plots.two_bars(update.p_before, update.p_after, ("Before", "After"), subject.vocab, subject.theme)
    chart.draw(both, "hood_both", "Probabilities before and after the update")
    averaged = f"Averaged over the batch's {len(targets):,} examples. " if len(targets) > 1 else ""
    st.caption(f"{averaged}Plain gradient descent on a copy: your run stays as it is.")


def _draw_losses(update: Update) -> None:
    with st.container(horizontal=True, gap="medium"):
        st.metric("Learning rate", f"{update.learning_rate:.4g}", width="content")
        st.metric("Loss before", _figure(update.before), width="content")
        change = _figure(update.after - update.before, "+")
        st.metric("Loss after", _figure(update.after), change, delta_color="inverse", width="content")
        st.metric(
            "Predicted change",
            _figure(update.predicted, "+"),
            help="To first order, −η‖g‖²: right where steps are small.",
        )
        st.metric("Gradient norm", f"{update.gradient_norm:.4f}", width="content")


def _figure(value: float, sign: str = "") -> str:
    """As many decimals as tell a small update from its first-order estimate; two of a number that has blown up."""
    return f"{value:{sign}.{2 if abs(value) >= 10 else 6}f}"


def _draw_ratios(subject: Subject, contexts: Tensor, targets: Tensor, learning_rate: float) -> None:
    st.dataframe(
        trace.update_ratios(subject.model, contexts, targets, learning_rate),
        hide_index=True,
        column_config={
            "tensor": "Tensor",
            "weights": st.column_config.NumberColumn("Std of weights", format="%.4e"),
            "gradient": st.column_config.NumberColumn("Std of gradient", format="%.4e"),
            "ratio": st.column_config.NumberColumn(
                "Update : weights", format="%.4e", help="η · std(gradient) ÷ std(weights)"
            ),
        },
        alt="Size of the update for each tensor",
    )


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
