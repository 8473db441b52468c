"""The lowest loss of several models as one: ``python -m benchmarks.mixture [several | minutes]``.

Each mixture is of some runs, all with seeds of their own, and the count model of the order that is best on validation,
as in section 4.2 of Bengio et al. (2003): *several*, two of the preset *Best of five minutes* and one of *Best MLP*;
*minutes*, an LSTM and the preset *Transformer*, compiled, which one core trains in less than five minutes. Validation
chooses the weights; the test split is looked at once all of it is chosen. One thread a run, as many runs at once as
there are cores.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.report import RESULTS
from mmcore import (
    BUNDLED_NAMES,
    PRESETS,
    Dataset,
    Pace,
    SplitConfig,
    TrainState,
    build_dataset,
    compiled,
    read_words,
    train,
)
from mmcore.evaluation import target_log_probabilities
from mmcore.losses import LOSSES
from mmcore.mixture import mix
from mmcore.ngram import ORDERS, KneserNey
from mmcore.presets import Preset

MIXTURES = 5
RECIPES = {
    "several": [PRESETS["best-of-all"], PRESETS["best-of-all"], PRESETS["best"]],
    "minutes": [
        Preset(
            title="LSTM, dropout 0.45 / 0.15, 6,000 updates of 128 words",
            note="Chosen on split seed 7: RESULTS, What five minutes buy.",
            model=PRESETS["lstm"].model.replace(embedding_dim=32, dropout=0.45, state_dropout=0.15),
            train=PRESETS["lstm"].train.replace(max_steps=6_000, batch_size=128, compiled=True),
        ),
        replace(PRESETS["transformer"], train=PRESETS["transformer"].train.replace(compiled=True)),
    ],
}
PARTS = {name: name.replace("_loss", "") for name in LOSSES if name != "train_loss"}
Answers = dict[str, NDArray[np.float64]]
"""What a model gives the right answers of each part: log-probabilities (N,)."""


def dataset(context_size: int) -> Dataset:
    """The bundled names, split as everywhere."""
    return build_dataset(read_words(BUNDLED_NAMES), SplitConfig(), context_size)


def network(preset: Preset, seed: int) -> tuple[Answers, float]:
    """Train a preset, and ask it; with the processor's seconds that training took."""
    torch.set_num_threads(1)
    model, config = preset.model, preset.train.replace(seed=seed)
    data = dataset(model.context_size)
    if config.compiled:
        compiled.load(model)
    began, state = time.thread_time(), TrainState(model, config, data.vocab.size)
    for step in train(state, data, pace=Pace(every=config.max_steps)):
        print(f"{preset.title}, seed {seed}: step {step.step}, validation {step.val_loss}", file=sys.stderr, flush=True)
    seconds = time.thread_time() - began
    return {name: target_log_probabilities(state.model, getattr(data, part)) for name, part in PARTS.items()}, seconds


def counted() -> tuple[int, Answers]:
    """The count model's order, and what it answers."""
    data = dataset(ORDERS[-1])
    best = min((KneserNey(data.train, order) for order in ORDERS), key=lambda model: model.loss(data.val))
    parts = {name: getattr(data, part) for name, part in PARTS.items()}
    return best.order, {name: np.log(best.probability(part.contexts, part.targets)) for name, part in parts.items()}


def main() -> None:
    """Measure, print, keep."""
    recipe = sys.argv[1] if sys.argv[1:] else "several"
    presets, kept = RECIPES[recipe], RESULTS / f"mixture-{recipe}.json"
    order, counts = counted()
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        asked = [
            [(preset, first + MIXTURES * presets[:place].count(preset)) for place, preset in enumerate(presets)]
            for first in range(1, MIXTURES + 1)
        ]
        futures = [[pool.submit(network, preset, seed) for preset, seed in members] for members in asked]
        for members, answers in zip(asked, futures, strict=True):
            titles = [f"{preset.title}, seed {seed}" for preset, seed in members]
            trained = [future.result() for future in answers]
            models = [*(answer for answer, _ in trained), counts]
            mixed = mix(
                [*titles, f"Kneser-Ney, order {order}"], {name: np.stack([m[name] for m in models]) for name in PARTS}
            )
            alone = [{name: float(mixed.losses[name][i]) for name in PARTS} for i in range(len(models))]
            weights = [
                {"model": title, "weight": float(weight)} | losses
                for title, weight, losses in zip(mixed.titles, mixed.weights, alone, strict=True)
            ]
            seconds = [taken for _, taken in trained]
            rows.append({"loss": dict(mixed.loss), "equal": mixed.equal, "seconds": seconds, "models": weights})
            kept.write_text(json.dumps(rows, indent=1) + "\n")
            print(json.dumps(rows[-1]), flush=True)


if __name__ == "__main__":
    main()
