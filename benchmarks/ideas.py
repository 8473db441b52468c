"""What would bring the lecture's loss sooner than ``benchmarks.speed`` does: ``python -m benchmarks.ideas``.

Each idea over five seeds at the settings of *ours* there, for the processor's time of all updates and the exact
validation loss after them, the ideas taking turns with every seed. Then what the time without any of them is made of.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import costs
from benchmarks.report import RESULTS
from benchmarks.speed import COMPILED_MODEL, OURS, OURS_MODEL, SEEDS, SPLIT_SEED
from mmcore import (
    BUNDLED_NAMES,
    Dataset,
    ModelConfig,
    SplitConfig,
    TrainConfig,
    TrainState,
    build_dataset,
    evaluate,
    read_words,
)
from mmcore.dataset import Vocab, build_examples, split_words
from mmcore.optimizer import update
from mmcore.schedules import learning_rate_at
from mmcore.training import parts_of

Plan = Sequence[tuple[int, int]]
"""So many updates of a batch of that size, one after the other."""
Begin = Callable[[TrainState, Dataset], None]
Move = Callable[[TrainState, dict[str, Tensor], Tensor, float], None]


@dataclass(frozen=True)
class Idea:
    """What is done otherwise."""

    title: str
    plans: Sequence[Plan]
    model: ModelConfig = OURS_MODEL
    begin: Begin = lambda state, data: None
    move: Move = lambda state, gradients, flat, rate: update(state, flat, rate)
    compiled: bool = False
    learning_rate: float = OURS["lecture"].learning_rate


def log_frequencies(data: Dataset) -> NDArray[np.float64]:
    """(V,): the logarithm of how often each symbol is the next one in train, one added to every count."""
    counts = np.bincount(data.train.targets, minlength=data.vocab.size) + 1.0
    found: NDArray[np.float64] = np.log(counts / counts.sum())
    return found


def from_frequencies(state: TrainState, data: Dataset) -> None:
    """The output bias says what the unigram model says."""
    state.model.tensors["b2"].copy_(torch.from_numpy(log_frequencies(data)))


def from_bigrams(state: TrainState, data: Dataset, prior: float = 5.0) -> None:
    """Embeddings and direct connections from the last character say what the smoothed bigram model says.

    ``log p(next | last) − log p(next)`` (V, V) by its singular vectors: the left ones are rows of C of unit variance.
    """
    V, p = data.vocab.size, state.model.tensors
    from_frequencies(state, data)
    counts = np.zeros((V, V))
    np.add.at(counts, (data.train.contexts[:, -1], data.train.targets), 1)
    unigram = np.exp(log_frequencies(data))
    smoothed = (counts + prior * unigram) / (counts.sum(1, keepdims=True) + prior)
    left, sizes, right = np.linalg.svd(np.log(smoothed) - np.log(unigram))
    last = p["W"].view(data.context_size, -1, V)[-1]
    p["W"].zero_()
    p["C"][:, :V] = torch.from_numpy(left * math.sqrt(V))
    last[:V] = torch.from_numpy(sizes[:, None] * right / math.sqrt(V))


def orthogonal(rounds: int, momentum: float = 0.85, scale: float = 0.3) -> Move:
    """W1 and W2 move by their smoothed gradients with all singular values near 1; the rest by AdamW.

    Muon (Jordan et al. 2024): a quintic iteration brings singular values to 1 without finding them.
    """
    means: dict[str, Tensor] = {}

    def move(state: TrainState, gradients: dict[str, Tensor], flat: Tensor, rate: float) -> None:
        p = state.model.tensors
        kept = {name: p[name].clone() for name in ("W1", "W2")}
        update(state, flat, rate)
        for name, old in kept.items():
            mean = torch.zeros_like(old) if state.step == 0 else means[name]
            means[name] = mean.lerp_(gradients[name], 1 - momentum)
            x = mean.lerp(gradients[name], 1 - momentum)  # looks one step ahead (Nesterov)
            x = (x if x.shape[0] <= x.shape[1] else x.T) / (x.norm() + 1e-9)
            for _ in range(rounds):
                square = x @ x.T
                x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
            step = x if x.shape == old.shape else x.T
            p[name].copy_(old.add(step, alpha=-rate * scale * math.sqrt(max(old.shape))))

    return move


STEPS = OURS["lecture"].max_steps
FEWER = [[(60, 256)], [(80, 256)], [(STEPS, 256)]]
DIRECT = OURS_MODEL.replace(direct=True)
IDEAS = (
    Idea("as it is", FEWER),
    Idea("output bias from how often symbols occur", FEWER, begin=from_frequencies),
    Idea("with direct connections", FEWER, DIRECT),
    Idea("… those and the embeddings from bigram counts", FEWER, DIRECT, from_bigrams),
    Idea("W1, W2 moved orthogonally, 3 rounds", FEWER, move=orthogonal(3), learning_rate=0.04),
    Idea("W1, W2 moved orthogonally, 5 rounds", FEWER, move=orthogonal(5), learning_rate=0.04),
    Idea("growing batches", [[(50, 128), (40, 256), (25, 512)], [(60, 128), (60, 256), (20, 512)]]),
    Idea("smaller batches", [[(140, 192)], [(220, 128)]]),
    Idea("compiled", FEWER, compiled=True),
    Idea("compiled, 128 hidden units", [[(120, 256)], [(145, 256)]], COMPILED_MODEL["lecture"], compiled=True),
)


def tried(idea: Idea, plan: Plan, data: Dataset, seed: int) -> dict[str, float]:
    """One training: first loss, validation loss and the processor's seconds of all updates."""
    config = OURS["lecture"].replace(
        max_steps=sum(steps for steps, _ in plan),
        seed=seed,
        learning_rate=idea.learning_rate,
        compiled=idea.compiled,
    )
    state = TrainState(idea.model, config, data.vocab.size)
    idea.begin(state, data)
    first = evaluate(state.model, data.val).loss
    began = time.process_time()
    with torch.inference_mode():
        for steps, batch_size in plan:
            state.config = config.replace(batch_size=batch_size)
            sample, gradients, move = parts_of(state, data, autograd=False)
            for _ in range(steps):
                contexts, targets = sample(state.generators["batches"])
                gradients(contexts, targets)
                rate = learning_rate_at(config, state.step)
                if idea.compiled:
                    move(state, gradients.gradient, rate)
                else:
                    idea.move(state, gradients.gradients, gradients.gradient, rate)
                state.step += 1
    seconds = time.process_time() - began
    return {"first_loss": first, "val_loss": evaluate(state.model, data.val).loss, "seconds": seconds}


def parts(words: Sequence[str]) -> dict[str, float]:
    """The processor's milliseconds of what comes before and after the updates, and of their matrix products."""
    split, size = SplitConfig(split_seed=SPLIT_SEED), OURS_MODEL.context_size
    vocab, splits = Vocab.from_words(words), split_words(words, split)
    data = build_dataset(words, split, size)
    state = TrainState(OURS_MODEL, TrainConfig(), data.vocab.size)
    steps = costs.step_table(OURS_MODEL, OURS["lecture"])
    alone = sum(op.get("alone_microseconds", 0) for op in steps["ops"])

    def milliseconds(function: Callable[[], object]) -> float:
        marks = [time.process_time()]
        for _ in range(25):
            function()
            marks.append(time.process_time())
        return 1000 * statistics.median(after - before for before, after in pairwise(marks))

    def counted() -> None:
        data.train.__dict__.pop("counts", None)
        _ = data.train.counts

    return {
        "vocabulary": milliseconds(lambda: Vocab.from_words(words)),
        "split (the shuffle)": milliseconds(lambda: split_words(words, split)),
        "examples": milliseconds(lambda: build_examples(splits.train, vocab, size)),
        "distinct contexts": milliseconds(counted),
        "updates: matrix products, each alone": STEPS * alone / 1000,
        "updates: all else": STEPS * (steps["step_microseconds"] - alone) / 1000,
        "validation loss": milliseconds(lambda: evaluate(state.model, data.val)),
    }


def main() -> None:
    """Measure, print, keep."""
    torch.set_num_threads(1)
    words = read_words(BUNDLED_NAMES).words
    data = build_dataset(words, SplitConfig(split_seed=SPLIT_SEED), OURS_MODEL.context_size)
    rows: list[dict[str, Any]] = [
        {"idea": idea.title, "plan": plan, "runs": []} for idea in IDEAS for plan in idea.plans
    ]
    each = [(idea, plan) for idea in IDEAS for plan in idea.plans]
    for one in (each[0], each[-1]):
        tried(*one, data, 0)  # the libraries' first calls are nobody's
    for seed in SEEDS:
        for row, (idea, plan) in zip(rows, each, strict=True):
            row["runs"].append(tried(idea, plan, data, seed))
    for row, (idea, plan) in zip(rows, each, strict=True):
        losses = statistics.median(run["val_loss"] for run in row["runs"])
        print(f"{idea.title:48} {plan!s:40} {losses:.4f}")
    out = {"load": os.getloadavg()[0], "seeds": SEEDS, "ideas": rows, "parts": parts(words)}
    (RESULTS / "ideas.json").write_text(json.dumps(out, indent=1) + "\n")
    print(json.dumps(out["parts"], indent=1))


if __name__ == "__main__":
    main()
