"""The lowest loss of several models as one: ``python -m benchmarks.mixture``, a quarter of an hour on two cores.

A mixture is of some runs, all with seeds of their own, and the count model of the order that is best on validation, as
in section 4.2 of Bengio et al. (2003). *Two*: an LSTM and the preset *Transformer*, compiled, which one core trains in
less than five minutes; *four*: two of each. Validation chooses the weights; the test split is looked at once all of it
is chosen. One thread a run, as many runs at once as there are cores.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.report import RESULTS
from mmcore import BUNDLED_NAMES, Dataset, Pace, SplitConfig, TrainState, build_dataset, compiled, read_words, train
from mmcore.evaluation import target_log_probabilities
from mmcore.losses import LOSSES
from mmcore.mixture import mix
from mmcore.ngram import ORDERS, KneserNey
from mmcore.presets import PRESETS, Preset

KEPT = RESULTS / "mixture.json"
MIXTURES = 5
# Chosen on split seed 7: see RESULTS, "Several models as one".
LSTM = Preset(
    title="LSTM",
    note="As much dropout as Best of five minutes has.",
    model=PRESETS["lstm"].model.replace(embedding_dim=32, dropout=0.45, state_dropout=0.15),
    train=PRESETS["lstm"].train.replace(max_steps=6_000, batch_size=128, compiled=True),
)
TRANSFORMER = replace(PRESETS["transformer"], train=PRESETS["transformer"].train.replace(compiled=True))
PARTS = {name: name.replace("_loss", "") for name in LOSSES if name != "train_loss"}
Answers = dict[str, NDArray[np.float64]]
"""What a model gives the right answers of each part: log-probabilities (N,)."""


@dataclass(frozen=True)
class Member:
    """A model of a mixture."""

    title: str
    answers: Answers
    seconds: float = 0.0  # of the processor, to train it


def dataset(context_size: int) -> Dataset:
    """The bundled names, split as everywhere."""
    return build_dataset(read_words(BUNDLED_NAMES), SplitConfig(), context_size)


def network(preset: Preset, seed: int) -> Member:
    """Train a preset, and ask it."""
    torch.set_num_threads(1)
    model, config = preset.model, preset.train.replace(seed=seed)
    data = dataset(model.context_size)
    compiled.load(model)
    began, state = time.thread_time(), TrainState(model, config, data.vocab.size)
    for step in train(state, data, pace=Pace(every=config.max_steps)):
        print(f"{preset.title}, seed {seed}: step {step.step}, validation {step.val_loss}", file=sys.stderr, flush=True)
    seconds = time.thread_time() - began
    answers = {name: target_log_probabilities(state.model, getattr(data, part)) for name, part in PARTS.items()}
    return Member(f"{preset.title}, seed {seed}", answers, seconds)


def counted() -> Member:
    """The count model."""
    data = dataset(ORDERS[-1])
    best = min((KneserNey(data.train, order) for order in ORDERS), key=lambda model: model.loss(data.val))
    parts = {name: getattr(data, part) for name, part in PARTS.items()}
    answers = {name: np.log(best.probability(part.contexts, part.targets)) for name, part in parts.items()}
    return Member(f"Kneser-Ney, order {best.order}", answers)


def mixture(members: list[Member]) -> dict[str, Any]:
    """What they reach together, and each of them alone."""
    answers = {name: np.stack([member.answers[name] for member in members]) for name in PARTS}
    mixed = mix([member.title for member in members], answers)
    models = [
        {"model": title, "weight": float(weight)} | {name: float(mixed.losses[name][i]) for name in PARTS}
        for i, (title, weight) in enumerate(zip(mixed.titles, mixed.weights, strict=True))
    ]
    seconds = sum(member.seconds for member in members)
    return {"loss": dict(mixed.loss), "equal": mixed.equal, "seconds": seconds, "models": models}


def main() -> None:
    """Measure, print, keep."""
    counts = counted()
    rows: dict[str, list[dict[str, Any]]] = {"two": [], "four": []}
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        asked: list[list[Future[Member]]] = [
            [pool.submit(network, preset, seed) for seed in (first, first + MIXTURES) for preset in (LSTM, TRANSFORMER)]
            for first in range(1, MIXTURES + 1)
        ]
        for futures in asked:
            networks = [future.result() for future in futures]
            rows["two"].append(mixture([*networks[:2], counts]))
            rows["four"].append(mixture([*networks, counts]))
            KEPT.write_text(json.dumps(rows, indent=1) + "\n")
            print({name: row[-1]["loss"] for name, row in rows.items()}, flush=True)


if __name__ == "__main__":
    main()
