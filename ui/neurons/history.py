"""What the hidden units did while the run learned: at every step whose weights it kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from mmcore import restore, trace
from mmcore.checkpoint import Checkpoint
from mmcore.dataset import Dataset
from mmcore.model import Model
from mmcore.trace import NeuronHistory
from ui.kit import chart
from ui.kit.theme import Role, Theme, figure_layout, line, marker
from ui.run.over_steps import label_every, over_steps

ROWS = 512  # train examples, the same at every checkpoint


def draw(
    run_id: str, model: Model, checkpoints: Sequence[Checkpoint], dataset: Dataset, layer: int, theme: Theme
) -> None:
    """A hidden layer at every checkpoint; why not, where they were not kept."""
    if len(checkpoints) < 2:
        st.info("Its weights along the way were not kept, or have been dropped since. Train it again to see them.")
        return
    steps = tuple(checkpoint.step for checkpoint in checkpoints)
    found = history(run_id, steps, layer, model, checkpoints, dataset)
    stuck = stuck_over_steps(found, steps, trace.perceptron(model).activation == "tanh", theme)
    chart.draw(stuck, "neurons_stuck_steps", "Saturated outputs and dead units at every checkpoint")
    left, right = st.columns(2, gap="medium")
    with left:
        figure = over_steps(found.sums, steps, "Pre-activations, z, by step", "Pre-activation", theme)
        chart.draw(figure, "neurons_sums_steps", "Pre-activations at every checkpoint")
    with right:
        figure = over_steps(found.outputs, steps, "Outputs, h, by step", "Output", theme)
        chart.draw(figure, "neurons_outputs_steps", "Outputs at every checkpoint")
    st.caption(f"On the same {ROWS} train examples at every checkpoint.")


@st.cache_data(show_spinner="Looking at every checkpoint …", max_entries=32)
def history(
    run_id: str,
    steps: tuple[int, ...],
    layer: int,
    _model: Model,
    _checkpoints: Sequence[Checkpoint],
    _dataset: Dataset,
) -> NeuronHistory:
    """What a hidden layer did at every kept step, on the same train examples."""
    contexts, _ = _dataset.train.drawn(ROWS)
    return trace.neuron_history([restore(_model, checkpoint) for checkpoint in _checkpoints], contexts, layer)


def stuck_over_steps(history: NeuronHistory, steps: Sequence[int], tanh: bool, theme: Theme) -> go.Figure:
    """Saturated outputs and dead units at each checkpoint."""
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
    figure.update_xaxes(type="category", tickangle=0, dtick=label_every(steps), range=[-0.5, len(steps) - 0.5])
    return figure.update_yaxes(rangemode="tozero")
