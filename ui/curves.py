"""A run's numbers, prepared for the screen: curves, samples, losses, durations. Nothing here draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from mmcore.config import RunConfig
from mmcore.store import Run
from ui.live import Trace
from ui.text import nats

SPLITS: dict[str, str] = {
    "train_loss": "Train",
    "val_loss": "Validation",
    "val_loss_unseen": "Validation, unseen words",
}
"""The losses that are no secret, as they are called on screen. The test losses belong to the page Splits."""


def smoothed(history: pd.DataFrame, weight: float) -> pd.DataFrame:
    """The curve with a column ``smooth``: the exponential moving average of the batch loss.

    `weight` is the share of the past in each value, from 0 (the raw curve) to below 1. The average of the first few
    values is over those alone, so the line starts where the curve does.
    """
    smooth = history["batch_loss"].ewm(alpha=1 - weight, ignore_na=True).mean()
    return history.assign(smooth=smooth.where(history["batch_loss"].notna()))


def loss_traces(weight: float) -> list[Trace]:
    """The curves of the loss chart; with smoothing, the raw batch loss stays visible behind."""
    train = Trace("train_loss", "Train", "train", measured=True)
    val = Trace("val_loss", "Validation", "validation", measured=True)
    if weight == 0:
        return [Trace("batch_loss", "Batch", "batch"), train, val]
    return [Trace("batch_loss", "Batch", "batch", faint=True), Trace("smooth", "Batch, smoothed", "batch"), train, val]


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
        same = bool(drawn) and words == drawn[-1][1]  # the very first updates change no word yet
        if words and (not same or step == newest):
            drawn.append((int(step), words))
    if len(drawn) > 2:
        steps = np.array([step for step, _ in drawn])
        wanted = np.geomspace(steps[1], steps[-1], count - 1)
        chosen = {int(np.abs(np.log(steps[1:] / step)).argmin()) + 1 for step in wanted}
        near = {i for i in chosen if i + 1 in chosen and steps[i + 1] < 1.2 * steps[i]}
        drawn = [drawn[i] for i in sorted({0} | chosen - near)]
    return [(step, ", ".join(map(shown_word, words))) for step, words in drawn[::-1]]


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


def duration(seconds: float) -> str:
    """Seconds as someone would say them: ``1.3 s``, ``42 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def runs_table(
    runs: Sequence[Run],
    describe: Callable[[RunConfig], str],
    state_title: Callable[[Run], str],
    stored: Mapping[str, int],
) -> pd.DataFrame:
    """A row a run, in the order given, with the megabytes that each takes. The test split is named, never its loss."""
    rows = []
    for run in runs:
        row: dict[str, object] = {"Name": run.name, "State": state_title(run)}
        row |= {"Validation": run.losses.get("val_loss"), "Unseen": run.losses.get("val_loss_unseen")}
        row |= {"Train": run.losses.get("train_loss"), "Test": opened(run.test_openings), "Step": run.step}
        row |= {
            "Time": duration(run.seconds),
            "Stored": stored.get(run.id, 0) / 10**6,
            "Created": run.created,
            "Settings": describe(run.config),
        }
        row |= {"Settings": describe(run.config), "Corpus": run.corpus_name, "Note": run.note}
        rows.append(row)
    return pd.DataFrame(rows).astype({name: float for name in ("Train", "Validation", "Unseen")})


def opened(times: int) -> str:
    """How often a run's test split was looked at."""
    return {0: "Sealed", 1: "Opened once"}.get(times, f"Opened {times:,} times")
