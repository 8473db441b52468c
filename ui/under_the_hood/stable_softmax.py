"""Why nobody computes a softmax as it is written."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
import torch

from mmcore import trace
from ui.kit import chart, linked
from ui.kit.theme import Theme, figure_layout, line, marker
from ui.under_the_hood.subject import Subject


def draw(subject: Subject) -> None:
    """The example's loss, computed in two ways from logits that are scaled up."""
    st.markdown(
        r"On paper both are the loss: $-\ln \frac{e^{l_y}}{\sum_v e^{l_v}}$ and "
        r"$\ln \sum_v e^{l_v - m} + m - l_y$ with $m = \max_v l_v$. In float32 $e^{88.73}$ is already infinite, and "
        r"an $e^{-104}$ is 0."
    )
    most = st.slider(
        "Scale the logits up to, as a power of ten",
        0.0,
        4.0,
        linked.keep("scale", "hood_scale", 2.5, linked.real(0, 4)),
        0.5,
        key="hood_scale",
        help="Multiplies every logit.",
    )
    with torch.no_grad():
        logits = subject.model(torch.tensor([subject.context]))[0].double().numpy()
    table = trace.stable_softmax_demo(logits, subject.target, np.logspace(0, most, 25).tolist())
    st.markdown(first_failure(table))
    chart.draw(curve(table, subject.theme), "hood_softmax", "Loss against the scale")
    figures = {name: st.column_config.NumberColumn(format="%.4f") for name in table.columns}
    st.dataframe(table, hide_index=True, column_config=figures, alt="Both losses at each scale")


def first_failure(table: pd.DataFrame) -> str:
    """At which scale the naive way fails first, in a sentence."""
    broken = table[~np.isfinite(table["naive"])]
    if not len(broken):
        return "Up to this scale the naive way holds. Scale further."
    first = broken.iloc[0]
    return (
        f"The naive way fails first at scale **{first['scale']:.4g}**, where the largest logit is "
        f"**{first['largest']:.2f}** and the result is **{first['naive']}**; log-sum-exp gives "
        f"**{first['stable']:.4f}**."
    )


def curve(table: pd.DataFrame, theme: Theme) -> go.Figure:
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
