"""Small sets of runs that teach something side by side. Plain data, no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from .config import INITS, ModelConfig, RunConfig, TrainConfig
from .store import Run

DEPTHS = (1, 2, 4, 6)
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


def results(settings: Sequence[Setting], runs: Sequence[Run]) -> pd.DataFrame:
    """Columns ``init, norm, depth, state, train_loss, val_loss``: of each setting the newest of ``runs``, if any."""
    newest = {run.config: run for run in reversed(runs)}  # runs come newest first, so the last to be put stays
    rows = []
    for setting in settings:
        if run := newest.get(setting.config):
            row = {"init": setting.init, "norm": setting.norm, "depth": setting.depth, "state": str(run.state)}
            rows.append(row | {name: run.losses.get(name) for name in ("train_loss", "val_loss")})
    columns = ["init", "norm", "depth", "state", "train_loss", "val_loss"]
    return pd.DataFrame(rows, columns=columns).astype({"train_loss": float, "val_loss": float})
