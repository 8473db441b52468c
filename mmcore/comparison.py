"""What the runs of a sweep say: a row a setting, means over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from .losses import SHOWN
from .paired import Key, mean_of, val_losses
from .store import Run
from .sweeps import Sweep, axis_settings

COLUMNS = ("settled", "val_loss", "val_loss_error", "val_loss_unseen", "train_loss", "parameters", "seconds")


def settled(runs: Mapping[int, Run]) -> list[Run]:
    """Those of a setting's runs, by seed, that have finished with a validation loss, in the order of their seeds."""
    return [runs[seed] for seed in val_losses(runs)]


def results(sweep: Sweep, found: Mapping[Key, Mapping[int, Run]], vocab_size: int) -> pd.DataFrame:
    """A row a setting, of runs as :func:`~mmcore.paired.runs_by_setting` finds them, in its order.

    Columns: the axes, ``settled`` (how many seeds have finished), ``val_loss`` (mean over them) and ``val_loss_error``
    (standard error of that mean; NaN below two), ``val_loss_unseen``, ``train_loss``, ``parameters``, ``seconds``
    (means; NaN where no seed has finished, as of losses).
    """
    rows = []
    for values, runs in found.items():
        own = settled(runs)
        setting = dict(zip((axis.name for axis in sweep.axes), values, strict=True))
        means = {name: _mean([run.losses.get(name, math.nan) for run in own]) for name in SHOWN}
        config = own[0].config if own else sweep.config(setting, sweep.seeds[0])
        row = setting | {"settled": len(own), **means, "seconds": _mean([run.seconds for run in own])}
        row |= {"val_loss_error": _standard_error([run.losses["val_loss"] for run in own])}
        rows.append(row | {"parameters": config.model.parameters(vocab_size)})
    return pd.DataFrame(rows, columns=[*(axis.name for axis in sweep.axes), *COLUMNS])


def _mean(values: Sequence[float]) -> float:
    found = mean_of(values)
    return found.mean if found else math.nan


def _standard_error(values: Sequence[float]) -> float:
    found = mean_of(values)
    return found.error if found else math.nan


def in_words(sweep: Sweep, table: pd.DataFrame) -> pd.DataFrame:
    """A table of results for reading: lowest validation loss first, titles as columns, values as they are said."""
    possible = axis_settings(sweep.base)
    ordered = table.sort_values("val_loss", na_position="last", kind="stable")
    said = {possible[axis.name].title: ordered[axis.name].map(possible[axis.name].said) for axis in sweep.axes}
    losses = zip(ordered["val_loss"], ordered["val_loss_error"], strict=True)
    said["Validation loss"] = pd.Series([_with_error(*pair) for pair in losses], index=ordered.index)
    for title, name in (("Loss on unseen words", "val_loss_unseen"), ("Train loss", "train_loss")):
        said[title] = ordered[name].map(lambda loss: "" if math.isnan(loss) else f"{loss:.4f}")
    said["Parameters"] = ordered["parameters"].map("{:,}".format)
    said["Seconds"] = ordered["seconds"].map(lambda seconds: "" if math.isnan(seconds) else f"{seconds:.2f}")
    said["Seeds"] = ordered["settled"].astype(str)
    return pd.DataFrame(said)


def _with_error(mean: float, error: float) -> str:
    if math.isnan(mean):
        return ""
    return f"{mean:.4f}" if math.isnan(error) else f"{mean:.4f} ± {error:.4f}"


def markdown(sweep: Sweep, table: pd.DataFrame) -> str:
    """A table of results as Markdown, lowest validation loss first, numbers to the right."""
    shown = in_words(sweep, table)
    rows = [list(shown.columns), *shown.astype(str).to_numpy().tolist()]
    cells = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    rule = ["---" if i < len(sweep.axes) else "--:" for i in range(len(shown.columns))]
    return "\n".join([lines[0], f"| {' | '.join(rule)} |", *lines[1:]]) + "\n"
