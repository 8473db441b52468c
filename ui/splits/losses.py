"""The losses of each split with their intervals, and what the gap between them says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go

from mmcore import Dataset, Examples
from ui.kit.text import nats
from ui.kit.theme import Theme, color, figure_layout, line, marker

if TYPE_CHECKING:
    from mmcore import Model


def measured(model: Model, title: str, role: str, examples: Examples) -> dict[str, object]:
    """One split's exact loss in three units, with its 95 % interval over words; NaN where there are no examples."""
    from mmcore import bootstrap_interval, evaluate, word_losses

    losses = evaluate(model, examples)
    low, high = bootstrap_interval(*word_losses(model, examples)) if len(examples) else (math.nan, math.nan)
    row: dict[str, object] = {"title": title, "role": role, "loss": losses.loss, "low": low, "high": high}
    row |= {"perplexity": losses.perplexity, "bits": losses.bits_per_char}
    return row | {"words": len(examples.words), "examples": losses.examples}


def split_parts(dataset: Dataset, *, test: bool) -> list[tuple[str, str, Examples]]:
    """(title, role, examples) of the splits to compare, top to bottom; test only if it is open."""
    parts = [("Train", "train", dataset.train), ("Validation", "validation", dataset.val)]
    parts.append(("Validation, unseen words", "validation", dataset.val_unseen))
    if test:
        parts += [("Test", "test", dataset.test), ("Test, unseen words", "test", dataset.test_unseen)]
    return [part for part in parts if len(part[2])]


def gap(train_loss: float, val_loss: float, interval: tuple[float, float]) -> str:
    """What the generalisation gap says, in one sentence; ``interval`` is that of the validation loss."""
    difference = val_loss - train_loss
    if interval[0] <= train_loss <= interval[1]:
        return (
            f"Validation differs from train by {difference:+.4f} nats per character, which is within the interval of "
            "the validation loss: no gap that this split could show. A larger model may still do better (underfitting)."
        )
    if difference < 0:
        return f"Validation is {nats(-difference)} nats per character below train: this split happens to be easier."
    return (
        f"Validation is {nats(difference)} nats per character above train: its perplexity is "
        f"{100 * (math.exp(min(difference, 700)) - 1):.1f} % higher. "
        "That part of what was learned holds for the train words only."
    )


def split_losses(rows: pd.DataFrame, references: Mapping[str, float], theme: Theme) -> go.Figure:
    """Each split's loss with its interval, and the reference models' validation losses as lines.

    ``rows``: columns ``title, role, loss, low, high``, top to bottom. ``references``: model -> loss.
    """
    figure = go.Figure()
    for row in rows.itertuples():
        arms = {"type": "data", "symmetric": False, "array": [row.high - row.loss], "arrayminus": [row.loss - row.low]}
        figure.add_scatter(
            x=[row.loss],
            y=[row.title.replace(", ", ",<br>")],  # two lines: on a phone every pixel beside them counts
            mode="markers",
            marker=marker(row.role, theme, size=11),
            error_x=arms | {"color": color(row.role, theme), "thickness": 2, "width": 6},
            customdata=[[row.low, row.high]],
            hovertemplate="%{y}<br>%{x:.6f} nats per character<br>95 %: %{customdata[0]:.6f} to %{customdata[1]:.6f}"
            "<extra></extra>",
            showlegend=False,
        )
    for name, loss in references.items():
        figure.add_vline(
            loss,
            line=line("reference", theme),
            annotation={
                "text": f"{name[:1].upper()}{name[1:]}<br>{loss:.3f}",
                "font": {"size": 12, "color": color("reference", theme)},
                "yref": "paper",
                "y": 1,
                "yanchor": "bottom",
                "xanchor": "center",
            },
        )
    layout = figure_layout("Loss of each split", x="Loss (nats per character)", y="", theme=theme)
    figure.update_layout(layout, height=190 + 46 * len(rows), margin_t=92, margin_r=24)
    ends = [*rows["low"], *rows["high"], *references.values()]
    room = 0.08 * (max(ends) - min(ends))
    figure.update_xaxes(range=[min(ends) - room, max(ends) + room])
    figure.update_yaxes(autorange="reversed", type="category")
    return figure
