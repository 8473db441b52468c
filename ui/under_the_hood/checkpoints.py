"""A run at every step whose weights it kept: its updates, its gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st
import torch

from mmcore import trace
from mmcore.checkpoint import Checkpoint, restore
from mmcore.model import Model
from mmcore.trace import Histograms
from ui.kit import chart, linked
from ui.kit.theme import Role, Theme, color, figure_layout, line, marker
from ui.run.over_steps import over_steps
from ui.under_the_hood.subject import Subject

BATCH = 256  # train examples that gradients are computed on, the same at every checkpoint


def draw(subject: Subject) -> None:
    """What can be seen at every kept step; why nothing, where they were not kept."""
    if len(subject.checkpoints) < 2:
        st.info("Its weights along the way were not kept, or have been dropped since. Train it again to see them.")
        return
    steps = tuple(checkpoint.step for checkpoint in subject.checkpoints)
    _draw_updates(subject)
    _draw_gradients(subject, steps)


def _draw_updates(subject: Subject) -> None:
    weights = subject.model.config.weight_names
    ratios = update_ratios(subject.checkpoints, weights, subject.theme)
    chart.draw(ratios, "hood_ratios", "Update to data ratio of each tensor over steps")
    st.caption(
        "Recorded while this run trained, with its own optimiser and schedule: the standard deviation of an update "
        f"over that of the tensor. {largest_ratio(subject.checkpoints, weights)} The line at 10⁻³ is the lecture's "
        "rule of thumb, not a limit. A learning rate that ends at 0 takes the ratio there, too."
    )


def _draw_gradients(subject: Subject, steps: tuple[int, ...]) -> None:
    spread = gradients(subject.run.id, steps, subject)
    key, tensors = "hood_gradients_of", list(spread)
    at = tensors.index(linked.keep("tensor", key, tensors[0], linked.one_of(tensors)))
    tensor = st.selectbox("Gradients of", tensors, at, key=key, width=260, help="Which tensor's gradients are shown.")
    title = f"Gradients of {tensor} by step"
    figure = over_steps(spread[tensor], steps, title, "Size, log₁₀ |gradient|", subject.theme)
    chart.draw(figure, "hood_gradients_steps", title)
    st.caption(f"On the same {BATCH} train examples at each; what is too small for the map counts to its lowest row.")


@st.cache_data(show_spinner="Looking at every checkpoint …", max_entries=32)
def gradients(run_id: str, steps: tuple[int, ...], _subject: Subject) -> dict[str, Histograms]:
    """How large each tensor's gradients are at every kept step, on the same batch."""
    contexts, targets = _subject.dataset.train.drawn(BATCH)
    return trace.gradient_history(_models(_subject), torch.from_numpy(contexts), torch.from_numpy(targets))


def _models(subject: Subject) -> list[Model]:
    return [restore(subject.model, checkpoint) for checkpoint in subject.checkpoints]


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
    """Update ÷ weights of each weight tensor as training made them, on logarithmic axes with the line at 10⁻³."""
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
