"""Small sets of runs that teach something side by side. Plain data, no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from .config import INITS, ModelConfig, RunConfig, TrainConfig
from .store import Run, RunState

DEPTHS = (1, 2, 3, 4, 5, 6)
WIDTH = 100
TRAINING = TrainConfig(
    max_steps=3_000, batch_size=32, sampler="examples", optimizer="sgd", learning_rate=0.1, schedule="step"
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One run of the lesson on initialisation."""

    init: str
    normalisation: str
    depth: int
    config: RunConfig

    @property
    def name(self) -> str:
        """What the run is called."""
        layers = "1 layer" if self.depth == 1 else f"{self.depth} layers"
        return f"{self.init.capitalize()} initialisation, {layers}" + self.norm * ", batch normalisation"

    @property
    def norm(self) -> bool:
        """Whether its layers are normalised."""
        return self.normalisation != "none"


def initialisation(corpus_sha256: str) -> Iterator[Setting]:
    """Lecture and scaled initialisation at several depths, with and without batch normalisation.

    The lecture series' third part: weights from N(0, 1) saturate tanh, the more so the deeper; scaling them well or
    normalising every layer are two ways out (Glorot & Bengio 2010, Ioffe & Szegedy 2015).
    """
    for init in INITS:
        for normalisation in ("none", "batch"):
            for depth in DEPTHS:
                model = ModelConfig(hidden_sizes=(WIDTH,) * depth, init=init, normalisation=normalisation)
                config = RunConfig(corpus_sha256=corpus_sha256, model=model, train=TRAINING)
                yield Setting(init=init, normalisation=normalisation, depth=depth, config=config)


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


def results(settings: Sequence[Setting], runs: Sequence[Run]) -> pd.DataFrame:
    """Columns ``init, norm, depth, state, train_loss, val_loss``: the run of each setting, if there is one.

    Of runs alike it is the one that has finished, else the newest; ``runs`` come newest first.
    """
    found, rows = by_config(runs), []
    for setting in settings:
        if run := found.get(setting.config):
            row = {"init": setting.init, "norm": setting.norm, "depth": setting.depth, "state": str(run.state)}
            rows.append(row | {name: run.losses.get(name) for name in ("train_loss", "val_loss")})
    columns = ["init", "norm", "depth", "state", "train_loss", "val_loss"]
    return pd.DataFrame(rows, columns=columns).astype({"train_loss": float, "val_loss": float})
