"""The learning-rate finder beside the form on Train: range test, look, take the suggestion."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, CancelledError
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from mmcore import RunConfig
from ui import session
from ui.form import form
from ui.kit.text import plain
from ui.kit.theme import PLOTLY_CONFIG, Theme, figure_layout, line, marker

if TYPE_CHECKING:
    from mmcore.finder import RangeTest

SECONDS = 6.0  # that a range test of a large model takes, with fewer updates
MANY = 500  # updates; the fewer, the less each rate has time to show
KEPT = "range_test_result"


def draw(config: RunConfig, theme: Theme) -> None:
    """An expander with the range test of the form's settings."""
    box = st.expander("Find a learning rate", icon=":material/search:", key="finder", on_change="rerun")
    if not box.open:
        return
    with box:
        st.caption(
            "One short training in which the rate climbs from 0.001 to 1 while the loss is watched, as in the lecture. "
            "Take the left edge of the valley."
        )
        if st.button(
            "Range test", icon=":material/play_arrow:", key="range_test", help="Up to 1,000 updates, a few seconds."
        ):
            st.session_state[KEPT] = _key(config), _tested(config)
        settings, found = st.session_state.get(KEPT, (None, None))
        if found and settings != _key(config):
            st.caption("The settings have changed since the range test. Run it again.")
        elif found:
            _draw_result(found, theme)


def _key(config: RunConfig) -> RunConfig:
    """What a range test depends on: all but what it varies, and how long the run is."""
    return config.replace(train=config.train.replace(learning_rate=1, schedule="constant", max_steps=1))


def _tested(config: RunConfig) -> RangeTest | None:
    """A range test on the worker that visitors share; None after saying why there is none."""
    from mmcore.finder import request

    doing = f"Testing rates, for {2 * SECONDS:g} seconds at most …"
    try:
        return session.on_worker(request, session.store().url, config, SECONDS, doing=doing)
    except CancelledError:
        st.error("The range test was withdrawn before its end. Run it again.")
    except BrokenExecutor:
        st.error("The worker ended before the range test did: it needed too much time or memory.")
    except ValueError as problem:
        st.error(plain(str(problem)))
    return None


def _draw_result(tested: RangeTest, theme: Theme) -> None:
    from mmcore import suggest_rate

    rates, losses, steps = tested.rates, tested.losses, tested.steps
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
        on_click=form.refill,
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
