"""Count models beside a run: fitted once for each split, their losses, and their mixture with the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from mmcore.config import RunConfig
from mmcore.dataset import Examples
from mmcore.evaluation import target_probabilities
from mmcore.mixture import mixture_loss, mixture_weights
from mmcore.model import Model
from mmcore.ngram import ORDERS
from ui import counting, session
from ui.kit import chart, linked
from ui.kit.nouns import fit
from ui.kit.text import nats
from ui.kit.theme import Role, Theme, figure_layout, line, marker

if TYPE_CHECKING:
    from mmcore import Artifact

WEIGHTS = np.linspace(0, 1, 101)


def draw(config: RunConfig, artifact: Artifact, val: Examples, val_loss: float, theme: Theme) -> None:
    """The count models beside a run, and their mixture with it."""
    tokens = artifact.vocab.tokens
    left, right = st.columns(2, gap="medium")
    with left:
        counted = counting.table(config.corpus_sha256, config.split)
        about = "Loss of the count models by order, and of this run"
        chart.draw(by_order(counted, val_loss, theme), "count_orders", about, tokens=tokens)
        figures = {
            name: st.column_config.NumberColumn(format="%.4f") for name in ("train", "validation", "unseen words")
        }
        st.dataframe(shown(counted), hide_index=True, column_config=figures, alt="Losses of the count models")
    with right:
        _draw_mixture(config, artifact.model, val, theme, tokens)


def _draw_mixture(config: RunConfig, model: Model, val: Examples, theme: Theme, tokens: str) -> None:
    shown = linked.keep("order", "mix_order", 4, linked.whole(min(ORDERS), max(ORDERS)))
    order = st.segmented_control(
        "Mix the run with the count model of order",
        ORDERS,
        default=shown,
        required=True,
        key="mix_order",
        help=fit("How many preceding characters it counts.", tokens),
    )
    weight = st.slider(
        "Weight of the network",
        0.0,
        1.0,
        linked.keep("weight", "mix_weight", 0.5, linked.real(0, 1)),
        0.01,
        key="mix_weight",
        help="The paper averages the two: one half.",
    )
    mixed = mixture(config, model, val, order)
    chart.draw(
        mixture_chart(mixed, weight, theme), "mixture", "Validation loss of the mixture by weight", tokens=tokens
    )
    chosen, best = st.columns(2)
    chosen.metric(f"Validation loss at weight {weight:.2f}", f"{mixed.at(weight):.4f}")
    best.metric(f"Best, at weight {mixed.best:.2f}", f"{mixed.at(mixed.best):.4f}", help="The optimum on validation.")
    st.caption(fit(mixture_sentence(mixed), tokens))


def shown(losses: pd.DataFrame) -> pd.DataFrame:
    """The table as it is read: what an order is called, and the losses."""
    names = {"train_loss": "train", "val_loss": "validation", "val_loss_unseen": "unseen words"}
    called = [f"{order:.0f} ({order + 1:.0f}-gram)" for order in losses["order"]]
    return losses.assign(order=called).rename(columns=names)


def references(config: RunConfig) -> dict[str, float]:
    """Validation losses to beat: the simple baselines and, where quick, the best Kneser-Ney model."""
    if not counting.quick(config.corpus_sha256):
        return counting.baselines(config.corpus_sha256, config.split)
    counted = counting.table(config.corpus_sha256, config.split)
    best = counted.loc[counted["val_loss"].idxmin()]
    found = {f"Kneser-Ney, order {best['order']:.0f}": float(best["val_loss"])}
    return counting.baselines(config.corpus_sha256, config.split) | found


@dataclass(frozen=True)
class Mixture:
    """What each of two models gives the right answers, and the network's best weight on these examples."""

    p: NDArray[np.float64]  # (2, N): the network, the counts
    losses: NDArray[np.float64]  # at WEIGHTS
    best: float

    def at(self, weight: float) -> float:
        """The mixture's loss at a weight of the network."""
        return mixture_loss(self.p, (weight, 1 - weight))


def mixture(config: RunConfig, model: Model, val: Examples, order: int) -> Mixture:
    """A run's network and a count model on the run's validation examples."""
    wide = session.dataset(config.corpus_sha256, config.split, ORDERS[-1]).val  # the same words, longer contexts
    network = target_probabilities(model, val)
    counted = counting.fitted(config.corpus_sha256, config.split, order).probability(wide.contexts, wide.targets)
    p = np.stack((network, counted))
    losses = np.array([mixture_loss(p, (weight, 1 - weight)) for weight in WEIGHTS.tolist()])
    return Mixture(p, losses, float(mixture_weights(p)[0]))


def mixture_sentence(mixed: Mixture) -> str:
    """Whether the two know different things."""
    alone, best = min(mixed.losses[0], mixed.losses[-1]), mixed.at(mixed.best)
    if alone - best < 0.001:
        return "One of the two knows what the other knows: mixing gains next to nothing."
    return (
        f"Together they are {alone - best:.4f} nats per character better than the better of the two alone: they make "
        "different mistakes. The weight was chosen on validation; the test split, which could judge it, stays sealed."
    )


def by_order(losses: pd.DataFrame, network: float, theme: Theme) -> go.Figure:
    """Loss of the count models by how many characters they look at, and the run's validation loss as a line."""
    figure = go.Figure()
    parts: tuple[tuple[str, str, Role], ...]
    parts = (("train_loss", "Train", "train"), ("val_loss", "Validation", "validation"))
    for column, name, role in parts:
        figure.add_scatter(
            x=losses["order"],
            y=losses[column],
            name=name,
            mode="lines+markers",
            line=line(role, theme),
            marker=marker(role, theme),
            hovertemplate="order %{x}<br>%{y:.6f} nats per character<extra>%{fullData.name}</extra>",
        )
    figure.add_hline(network, line=line("reference", theme), annotation_text=f"this run, validation {nats(network)}")
    layout = figure_layout(
        "Kneser-Ney count models by order", x="Order (preceding characters)", y="Loss (nats)", theme=theme, height=360
    )
    return figure.update_layout(layout).update_xaxes(dtick=1)


def mixture_chart(mixed: Mixture, weight: float, theme: Theme) -> go.Figure:
    """The mixture's loss against the network's weight, with the chosen weight and the best."""
    figure = go.Figure()
    hover = "weight %{x:.2f}<br>%{y:.6f} nats per character<extra></extra>"
    figure.add_scatter(
        x=WEIGHTS,
        y=mixed.losses,
        line=line("validation", theme) | {"dash": "solid"},
        hovertemplate=hover,
        name="Mixture",
    )
    figure.add_scatter(
        x=[mixed.best],
        y=[mixed.at(mixed.best)],
        mode="markers",
        marker=marker("accent", theme, 14),
        name=f"Best, {mixed.best:.2f}",
        hovertemplate=hover,
    )
    figure.add_vline(weight, line=line("reference", theme), annotation_text=f"chosen {weight:.2f}")
    layout = figure_layout(
        "Validation loss of the mixture",
        x="Weight of the network (0: counts alone)",
        y="Loss (nats)",
        theme=theme,
        height=360,
    )
    return figure.update_layout(layout)
