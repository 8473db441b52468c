"""A run's numbers, prepared for the screen: curves, samples, losses, durations. Nothing here draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ui.kit.live import Trace
from ui.kit.text import nats

SPLITS: dict[str, str] = {
    "train_loss": "Train",
    "val_loss": "Validation",
    "val_loss_unseen": "Validation, unseen words",
}
"""What the losses that are no secret are of, as it is called on screen."""


BEFORE = "before_"
GHOST = (
    Trace(f"{BEFORE}batch_loss", "Before: batch", "batch", faint=True),
    Trace(f"{BEFORE}val_loss", "Before: validation", "validation", faint=True, measured=True),
)
"""The curves of :func:`beside`, behind the others."""


def smoothed(history: pd.DataFrame, weight: float) -> pd.DataFrame:
    """The curve with a column ``smooth``: the exponential moving average of the batch loss.

    `weight` is the share of the past in each value, from 0 (the raw curve) to below 1. The average of the first few
    values is over those alone, so the line starts where the curve does.
    """
    smooth = history["batch_loss"].ewm(alpha=1 - weight, ignore_na=True).mean()
    return history.assign(smooth=smooth.where(history["batch_loss"].notna()))


def loss_traces(weight: float) -> list[Trace]:
    """The curves of the loss chart; with smoothing, the raw batch loss stays visible behind."""
    train = Trace("train_loss", "Train (exact)", "train", measured=True)
    val = Trace("val_loss", "Validation (exact)", "validation", measured=True)
    batch = Trace("batch_loss", "Batch (mean)", "batch", faint=weight > 0)
    smooth = [Trace("smooth", "Batch (smoothed)", "batch")] if weight else []
    return [batch, *smooth, train, val]


def beside(history: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """The curve with that of a model before it, in columns of its own, at the steps of both."""
    ghost = before[["step", *(trace.column.removeprefix(BEFORE) for trace in GHOST)]]
    ghost = ghost.rename(columns=lambda name: name if name == "step" else BEFORE + name)
    return history.merge(ghost, how="outer", on="step").sort_values("step", ignore_index=True)


def recent_speed(history: pd.DataFrame, points: int = 6) -> float | None:
    """Steps per second over the last few points; None while there are too few to tell."""
    last = history.tail(points)
    if len(last) < 3 or last["seconds"].iloc[-1] <= last["seconds"].iloc[0]:
        return None
    return float(np.ptp(last["step"]) / np.ptp(last["seconds"]))


def telling_samples(samples: pd.DataFrame, count: int = 6) -> list[tuple[int, str]]:
    """At most `count` of a run's samples as (step, words in one line), latest first.

    The first and the last, and between them some evenly spaced in log step: most of what is learned is learned early.
    """
    drawn: list[tuple[int, list[str]]] = []
    newest = samples["step"].max()
    for step, words in samples.itertuples(index=False):
        alike = bool(drawn) and _alike(words, drawn[-1][1])  # the very first updates change next to no word yet
        if words and (not alike or step == newest):
            drawn.append((int(step), words))
    if len(drawn) > 2:
        steps = np.array([step for step, _ in drawn])
        wanted = np.geomspace(steps[1], steps[-1], count - 1)
        chosen = {int(np.abs(np.log(steps[1:] / step)).argmin()) + 1 for step in wanted}
        near = {i for i in chosen if i + 1 in chosen and steps[i + 1] < 1.2 * steps[i]}
        drawn = [drawn[i] for i in sorted({0} | chosen - near)]
    return [(step, ", ".join(map(shown_word, words))) for step, words in drawn[::-1]]


def _alike(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether at least half of the words are the same."""
    return 2 * sum(map(str.__eq__, words, others)) >= len(words)


def shown_word(word: str, longest: int = 18) -> str:
    """A sampled word as one of a list: an untrained model also writes empty ones and endless ones."""
    return "(empty)" if not word else word if len(word) <= longest else word[: longest - 1] + "…"


def loss_table(losses: Mapping[str, float]) -> pd.DataFrame:
    """A row for each known loss that is no secret: nats per character, perplexity, bits per character, as text."""
    rows = [
        (label, nats(loss), f"{math.exp(loss):.3f}" if loss < 700 else "∞", nats(loss / math.log(2)))
        for name, label in SPLITS.items()
        if (loss := losses.get(name)) is not None
    ]
    return pd.DataFrame(rows, columns=["Split", "Loss", "Perplexity", "Bits"])
