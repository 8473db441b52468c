"""The learning-rate finder beside the form on Train: sweep, look, take the suggestion."""

from __future__ import annotations

import time

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from mmcore import RunConfig
from ui import session
from ui.form import form
from ui.kit.theme import PLOTLY_CONFIG, Theme, figure_layout, line, marker

SECONDS = 6.0  # that a sweep of a large model takes, with fewer updates
MANY = 500  # updates; the fewer, the less each rate has time to show
KEPT = "finder_sweep"


def draw(config: RunConfig, theme: Theme) -> None:
    """An expander with the sweep of the form's settings."""
    box = st.expander("Find a learning rate", icon=":material/search:", key="finder", on_change="rerun")
    if not box.open:
        return
    with box:
        st.caption(
            "One short training in which the rate climbs from 0.001 to 1 while the loss is watched, as in the lecture. "
            "Take the left edge of the valley."
        )
        if st.button("Sweep", icon=":material/play_arrow:", key="sweep", help="Up to 1,000 updates, a few seconds."):
            st.session_state[KEPT] = (_key(config), *_sweep(config))
        kept = st.session_state.get(KEPT)
        if kept and kept[0] != _key(config):
            st.caption("The settings have changed since the sweep. Sweep again.")
        elif kept:
            _draw_result(kept[1], kept[2], kept[3], theme)


def _key(config: RunConfig) -> RunConfig:
    """What a sweep depends on: all but what it varies, and how long the run is."""
    return config.replace(train=config.train.replace(learning_rate=1, schedule="constant", max_steps=1))


def _sweep(config: RunConfig) -> tuple[int, list[float], list[float]]:
    """How many updates were to be made, the rates and the losses of those that were."""
    from mmcore.finder import learning_rate_sweep, sweep_steps

    data = session.dataset(config.corpus_sha256, config.split, config.model.context_size)
    bar, began, rates, losses = st.progress(0.0, "Sweeping …"), time.monotonic(), list[float](), list[float]()
    steps = sweep_steps(SECONDS, config.model, config.train, data)
    for rate, loss in learning_rate_sweep(config.model, config.train, data, steps=steps):
        rates.append(rate)
        losses.append(loss)
        if len(rates) % max(1, steps // 20) == 0:
            bar.progress(len(rates) / steps, f"Sweeping, rate {rate:.3g}")
            if time.monotonic() - began > 2 * SECONDS:  # the machine has become busy meanwhile
                break
    bar.empty()
    return steps, rates, losses


def _draw_result(steps: int, rates: list[float], losses: list[float], theme: Theme) -> None:
    from mmcore import suggest_rate

    if len(rates) < 2:
        st.warning("The loss was no number from the start. Choose another initialisation.")
        return
    found = suggest_rate(rates, losses)
    st.plotly_chart(
        chart(np.array(rates), np.array(losses), found.smooth, found.rate, theme),
        theme=None,
        config=PLOTLY_CONFIG,
        key="finder_chart",
        alt="Loss against learning rate, and the suggestion",
    )
    st.button(
        f"Use {found.rate:g}",
        icon=":material/check:",
        key="use_rate",
        on_click=form.fill,
        args=({"learning_rate": found.rate},),
        help="Puts the suggestion into the form.",
    )
    ended = f" It ended early, at {rates[-1]:.3g}." if rates[-1] < 0.99 else ""
    few = f" It had time for {steps:,} updates: with so few the valley lies further right." if steps < MANY else ""
    st.caption(f"Suggested {found.rate:g}; lowest smoothed loss at {found.lowest:.2g}.{ended}{few}")


def chart(rates: np.ndarray, losses: np.ndarray, smooth: np.ndarray, suggestion: float, theme: Theme) -> go.Figure:
    """Batch loss against the logarithm of the rate, its trend, and the suggestion."""
    figure = go.Figure()
    hover = "rate %{x:.4g}<br>loss %{y:.4f}<extra>%{fullData.name}</extra>"
    every = max(1, len(rates) // 400)
    figure.add_scatter(
        x=rates[::every], y=losses[::every], name="Batch", line=line("batch", theme), opacity=0.5, hovertemplate=hover
    )
    figure.add_scatter(
        x=rates[::every], y=smooth[::every], name="Smoothed", line=line("train", theme), hovertemplate=hover
    )
    figure.add_scatter(
        x=[suggestion],
        y=[float(np.interp(suggestion, rates, smooth))],
        mode="markers",
        marker=marker("accent", theme, 14),
        name=f"Suggested {suggestion:g}",
        hovertemplate=hover,
    )
    layout = figure_layout("Loss by learning rate", x="Learning rate", y="Batch loss (nats)", theme=theme, height=400)
    legend = {"yref": "container", "y": 0, "yanchor": "bottom"}  # in a narrow column it takes several lines
    figure.update_layout(layout, margin_t=48, legend=legend)
    low, high = float(smooth.min()), float(smooth[0])
    figure.update_yaxes(range=[low - 0.15 * (high - low), high + 0.25 * (high - low)])
    return figure.update_xaxes(type="log", dtick=1)
