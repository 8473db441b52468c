"""The lowest loss of several models as one: ``python -m benchmarks.mixture [MIXTURES [NETWORKS]]``.

Each mixture is of NETWORKS runs of the preset *Best of five minutes* and one of *Best MLP*, all with seeds of their
own, and the count model of the order that is best on validation, as in section 4.2 of Bengio et al. (2003). Validation
chooses the weights; the test split is looked at once all of it is chosen. One thread a run, as many runs at once as
there are cores.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.report import RESULTS
from mmcore import BUNDLED_NAMES, PRESETS, Dataset, Pace, SplitConfig, TrainState, build_dataset, read_words, train
from mmcore.evaluation import target_log_probabilities
from mmcore.losses import LOSSES
from mmcore.mixture import mix
from mmcore.ngram import ORDERS, KneserNey

KEPT = RESULTS / "mixture.json"
MIXTURES, NETWORKS = 5, 2
PARTS = {name: name.replace("_loss", "") for name in LOSSES if name != "train_loss"}
Answers = dict[str, NDArray[np.float64]]
"""What a model gives the right answers of each part: log-probabilities (N,)."""


def dataset(context_size: int) -> Dataset:
    """The bundled names, split as everywhere."""
    return build_dataset(read_words(BUNDLED_NAMES), SplitConfig(), context_size)


def network(preset: str, seed: int) -> Answers:
    """Train a preset, and ask it."""
    torch.set_num_threads(1)
    model, config = PRESETS[preset].model, PRESETS[preset].train.replace(seed=seed)
    data = dataset(model.context_size)
    state = TrainState(model, config, data.vocab.size)
    for step in train(state, data, pace=Pace(every=config.max_steps)):
        print(f"{preset}, seed {seed}: step {step.step}, validation {step.val_loss}", file=sys.stderr, flush=True)
    return {name: target_log_probabilities(state.model, getattr(data, part)) for name, part in PARTS.items()}


def counted() -> tuple[int, Answers]:
    """The count model's order, and what it answers."""
    data = dataset(ORDERS[-1])
    best = min((KneserNey(data.train, order) for order in ORDERS), key=lambda model: model.loss(data.val))
    parts = {name: getattr(data, part) for name, part in PARTS.items()}
    return best.order, {name: np.log(best.probability(part.contexts, part.targets)) for name, part in parts.items()}


def main() -> None:
    """Measure, print, keep."""
    mixtures, networks = (*map(int, sys.argv[1:]), *(MIXTURES, NETWORKS)[len(sys.argv) - 1 :])
    order, counts = counted()
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        asked = [
            [("best-of-all", first + mixtures * number) for number in range(networks)] + [("best", first)]
            for first in range(1, mixtures + 1)
        ]
        futures = [[pool.submit(network, preset, seed) for preset, seed in members] for members in asked]
        for members, answers in zip(asked, futures, strict=True):
            titles = [f"{PRESETS[preset].title}, seed {seed}" for preset, seed in members]
            models = [*(future.result() for future in answers), counts]
            mixed = mix(
                [*titles, f"Kneser-Ney, order {order}"], {name: np.stack([m[name] for m in models]) for name in PARTS}
            )
            alone = [{name: float(mixed.losses[name][i]) for name in PARTS} for i in range(len(models))]
            weights = [
                {"model": title, "weight": float(weight)} | losses
                for title, weight, losses in zip(mixed.titles, mixed.weights, alone, strict=True)
            ]
            rows.append({"loss": dict(mixed.loss), "equal": mixed.equal, "models": weights})
            KEPT.write_text(json.dumps(rows, indent=1) + "\n")
            print(json.dumps(rows[-1]), flush=True)


if __name__ == "__main__":
    main()
