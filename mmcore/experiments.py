"""Small sets of runs that answer a question side by side. Plain data, no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from .architectures import ARCHITECTURES, model_config
from .architectures.settings import INIT
from .config import RunConfig, TrainConfig
from .losses import SHOWN
from .presets import PRESETS, preset_for
from .store import Run, RunState

DEPTHS = (1, 2, 3, 4, 5, 6)
WIDTH = 100
TRAINING = TrainConfig(
    max_steps=3_000, batch_size=32, sampler="examples", optimizer="sgd", learning_rate=0.1, schedule="step"
)
CONTEXT_SIZES = (1, 2, 3, 4, 6, 8)
EMBEDDING_DIMS = (2, 4, 10, 32)  # with the lecture's first and last, and the Blink preset's


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One run of an experiment."""

    name: str  # what the run is called
    at: Mapping[str, object]  # where it stands among the others: column -> value of what the experiment varies
    config: RunConfig


def initialisation(corpus_sha256: str) -> Iterator[Setting]:
    """Lecture and scaled initialisation at several depths, with and without batch normalisation.

    The lecture series' third part: weights from N(0, 1) saturate tanh, the more so the deeper; scaling them well or
    normalising every layer are two ways out (Glorot & Bengio 2010, Ioffe & Szegedy 2015).
    """
    for init in INIT.options:
        for normalisation in ("none", "batch"):
            for depth in DEPTHS:
                norm = normalisation != "none"
                layers = "1 layer" if depth == 1 else f"{depth} layers"
                model = model_config(hidden_sizes=(WIDTH,) * depth, init=init, normalisation=normalisation)
                yield Setting(
                    name=f"{init.capitalize()} initialisation, {layers}" + norm * ", batch normalisation",
                    at={"init": init, "norm": norm, "depth": depth},
                    config=RunConfig(corpus_sha256=corpus_sha256, model=model, train=TRAINING),
                )


def context_and_embedding(corpus_sha256: str) -> Iterator[Setting]:
    """Context sizes by embedding dimensions, the lecture's own two; all else is the preset *Blink*'s."""
    blink = PRESETS["blink"]
    for context_size in CONTEXT_SIZES:
        for dim in EMBEDDING_DIMS:
            model = blink.model.replace(context_size=context_size, embedding_dim=dim)
            yield Setting(
                name=f"Context {context_size}, embedding {dim}",
                at={"context_size": context_size, "embedding_dim": dim},
                config=RunConfig(corpus_sha256=corpus_sha256, model=model, train=blink.train),
            )


def architectures(corpus_sha256: str) -> Iterator[Setting]:
    """Every architecture with the preset its settings start from."""
    for architecture, family in ARCHITECTURES.items():
        preset = PRESETS[preset_for(architecture)]
        yield Setting(
            name=f"{family.title}, its preset",
            at={"architecture": family.title, "context_size": preset.model.context_size},
            config=RunConfig(corpus_sha256=corpus_sha256, model=preset.model, train=preset.train),
        )


def by_config(runs: Sequence[Run]) -> dict[RunConfig, Run]:
    """Of runs alike, the newest that has finished, else the newest; ``runs`` come newest first."""
    found = {run.config: run for run in reversed(runs)}
    return found | {run.config: run for run in reversed(runs) if run.state is RunState.FINISHED}


def missing(settings: Sequence[Setting], runs: Sequence[Run]) -> tuple[list[Setting], list[Run]]:
    """What is left to train: the settings that no run has, and the runs that were cut short and can go on.

    A run that failed is not among them: its settings bring the same error again.
    """
    found = by_config(runs)
    cut_short = (RunState.STOPPED, RunState.INTERRUPTED)
    known = [found[setting.config] for setting in settings if setting.config in found]
    return [s for s in settings if s.config not in found], [run for run in known if run.state in cut_short]


def unfinished(settings: Sequence[Setting], runs: Sequence[Run]) -> list[Run]:
    """The runs of an experiment that can be stopped, those that wait first, so that none of them begins meanwhile."""
    found = by_config(runs)
    known = [found[setting.config] for setting in settings if setting.config in found]
    return [run for state in (RunState.QUEUED, RunState.RUNNING) for run in known if run.state is state]


def results(settings: Sequence[Setting], runs: Sequence[Run], vocab_size: int) -> pd.DataFrame:
    """The run of each setting, if there is one, in the order of the settings.

    Of runs alike it is the one that has finished, else the newest; ``runs`` come newest first. Columns: those of
    ``Setting.at``, then ``name, state, parameters, step, seconds, train_loss, val_loss, val_loss_unseen``.
    """
    found, rows = by_config(runs), []
    for setting in settings:
        if run := found.get(setting.config):
            row = {**setting.at, "name": setting.name, "state": str(run.state)}
            row |= {"parameters": run.config.model.parameters(vocab_size), "step": run.step, "seconds": run.seconds}
            rows.append(row | {name: run.losses.get(name) for name in SHOWN})
    columns = [*settings[0].at, "name", "state", "parameters", "step", "seconds", *SHOWN]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(SHOWN, float))
