"""Short runs as they leave a store, for tests of their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from mmcore.architectures.interface import ModelConfig
from mmcore.config import RunConfig, TrainConfig
from mmcore.corpus import Corpus, corpus_from_words
from mmcore.dataset import build_dataset
from mmcore.evaluation import evaluate_splits
from mmcore.export.artifact import Artifact
from mmcore.export.trained import Trained
from mmcore.train_state import TrainState
from mmcore.training import Pace, train

EVALUATED = (0, 5, 20)  # steps with exact losses


def trained(
    model: ModelConfig, words: Sequence[str] | Corpus, *, stop_at: int | None = None, **settings: Any
) -> Trained:
    """A run that has just been trained, of 20 updates if nothing else is said; a point of the curve an update."""
    corpus = words if isinstance(words, Corpus) else corpus_from_words(words, "some")
    given = {"max_steps": 20, "batch_size": 32, "sampler": model.samplers[0]} | settings
    config = RunConfig(corpus_sha256=corpus.sha256, model=model, train=TrainConfig(**given))
    data = build_dataset(corpus, config.split, model.context_size)
    state, points = TrainState(model, config.train, data.vocab.size), []
    for step in train(state, data, pace=Pace(every=1, losses=False)):
        losses = evaluate_splits(state.model, data, test=False) if step.step in EVALUATED else {}
        points.append(asdict(step) | losses)
        if step.step == stop_at:
            break
    losses = evaluate_splits(state.model, data, test=False)
    points[-1] |= losses
    return Trained(
        run_id="3f",
        name="a run",
        created="2026-01-01T00:00:00+00:00",
        artifact=Artifact(state.model, data.vocab, config, losses, state.step),
        corpus=corpus,
        curve=pd.DataFrame(points).drop(columns="updates"),
    )
