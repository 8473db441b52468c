"""Sweeps that answer a question: depth and initialisation, context and numbers, architectures, steps to microgpt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from .architectures import ARCHITECTURES, model_config
from .architectures.settings import INIT
from .config import RunConfig, TrainConfig
from .losses import SHOWN
from .presets import PRESETS, TO_MICROGPT, preset_for
from .store import Run, RunState
from .sweeps import Axis, Sweep

DEPTHS = (1, 2, 3, 4, 5, 6)
WIDTH = 100
TRAINING = TrainConfig(
    max_steps=3_000, batch_size=32, sampler="examples", optimizer="sgd", learning_rate=0.1, schedule="step"
)
CONTEXT_SIZES = (1, 2, 3, 4, 6, 8)
STEPS = ("lecture", "quick", *TO_MICROGPT, "microgpt")
EMBEDDING_DIMS = (2, 4, 10, 32)  # with the lecture's first and last, and the Blink preset's


def initialisation(corpus_sha256: str) -> Sweep:
    """Lecture and scaled initialisation at several depths, with and without batch normalisation.

    The lecture series' third part: weights from N(0, 1) saturate tanh, the more so the deeper; scaling them well or
    normalising every layer are two ways out (Glorot & Bengio 2010, Ioffe & Szegedy 2015).
    """
    return Sweep(
        base=RunConfig(corpus_sha256=corpus_sha256, model=model_config(hidden_sizes=(WIDTH,)), train=TRAINING),
        axes=(
            Axis(name="hidden_sizes", values=tuple((WIDTH,) * depth for depth in DEPTHS)),
            Axis(name="init", values=tuple(INIT.options)),
            Axis(name="normalisation", values=("none", "batch")),
        ),
    )


def context_and_embedding(corpus_sha256: str) -> Sweep:
    """Context sizes by embedding dimensions, the lecture's own two; all else is the preset *Blink*'s."""
    blink = PRESETS["blink"]
    return Sweep(
        base=RunConfig(corpus_sha256=corpus_sha256, model=blink.model, train=blink.train),
        axes=(
            Axis(name="context_size", values=CONTEXT_SIZES),
            Axis(name="embedding_dim", values=EMBEDDING_DIMS),
        ),
    )


def architectures(corpus_sha256: str) -> Sweep:
    """Every architecture with the preset its settings start from."""
    presets = tuple(preset_for(architecture) for architecture in ARCHITECTURES)
    return Sweep(base=RunConfig(corpus_sha256=corpus_sha256), axes=(Axis(name="preset", values=presets),))


def to_microgpt(corpus_sha256: str) -> Sweep:
    """From the lecture's model to microgpt: presets, each a change of the one before it."""
    return Sweep(base=RunConfig(corpus_sha256=corpus_sha256), axes=(Axis(name="preset", values=STEPS),))


def covers(larger: Sweep, sweep: Sweep) -> bool:
    """Whether a sweep is another one, perhaps with more seeds or values."""
    if (larger.base, larger.method) != (sweep.base, sweep.method) or len(larger.axes) != len(sweep.axes):
        return False
    pairs = zip(larger.axes, sweep.axes, strict=True)
    axes = all(ours.name == theirs.name and {*ours.values} >= {*theirs.values} for ours, theirs in pairs)
    return axes and {*larger.seeds} >= {*sweep.seeds}


def configs(sweep: Sweep) -> Iterator[RunConfig]:
    """Every run of a grid."""
    for setting in sweep.grid():
        for seed in sweep.seeds:
            yield sweep.config(setting, seed)


def by_config(runs: Sequence[Run]) -> dict[RunConfig, Run]:
    """Of runs alike, the newest that has finished, else the newest; ``runs`` come newest first."""
    found = {run.config: run for run in reversed(runs)}
    return found | {run.config: run for run in reversed(runs) if run.state is RunState.FINISHED}


def results(sweep: Sweep, runs: Sequence[Run], vocab_size: int) -> pd.DataFrame:
    """The run of each setting and seed of a grid, if there is one, in the order of the grid.

    Of runs alike it is the one that has finished, else the newest; ``runs`` come newest first. Columns: the axes of
    the sweep, then ``name`` (the setting in words)``, architecture, state, parameters, step, seconds, train_loss,
    val_loss, val_loss_unseen``.
    """
    found, rows = by_config(runs), []
    for config in configs(sweep):
        if run := found.get(config):
            at, model = sweep.setting_of(config), config.model
            row = {**at, "name": sweep.said(at), "architecture": model.title, "state": str(run.state)}
            row |= {"parameters": model.parameters(vocab_size), "step": run.step, "seconds": run.seconds}
            rows.append(row | {name: run.losses.get(name) for name in SHOWN})
    columns = [*(axis.name for axis in sweep.axes), "name", "architecture", "state", "parameters", "step", "seconds"]
    return pd.DataFrame(rows, columns=[*columns, *SHOWN]).astype(dict.fromkeys(SHOWN, float))
