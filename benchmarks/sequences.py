"""An update of RNN, GRU, LSTM and transformer, each way: ``python -m benchmarks.sequences [CHECKOUT]``.

As most programs do it, with PyTorch's module on padded words, autograd and fused AdamW; our forward pass over the
prefix tree with autograd; with the gradients derived by hand; and compiled. Batches are as many whole words of one
train split. With a folder that holds an earlier version of the project (``git worktree add CHECKOUT COMMIT``), that
version takes its turns, too, in a process of its own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcore import BUNDLED_NAMES, Dataset, RunConfig, SplitConfig, TrainState, build_dataset, read_words
from mmcore.presets import PRESETS
from mmcore.training import parts_of

RESULTS = Path(__file__).parent / "results" / "sequences.json"
SEEDS = (1, 2, 3, 4, 5)
ROUNDS, UPDATES = 3, 4  # updates in a row of each way, then of the next: no way gets a quiet minute
NAMES, OWN = ("rnn", "gru", "lstm", "transformer"), ("autograd", "by hand", "compiled")
Step = Callable[[], None]
Timed = Callable[[], float]
"""An update; says how many seconds of the processor it took."""
# What an earlier version trains with, before there were `parts_of` and gradients by hand. It answers each line.
EARLIER = """
import json, os, sys, time, torch, mmcore
assert mmcore.__file__.startswith(os.getcwd()), mmcore.__file__
from mmcore import BUNDLED_NAMES, SplitConfig, TrainConfig, TrainState, build_dataset, read_words
from mmcore.architectures import read_model
from mmcore.backprop import gradients_of
from mmcore.optimizer import update
from mmcore.samplers import SAMPLERS
torch.set_num_threads(1)
model, train = json.loads(sys.argv[1])
config, train = read_model(model), TrainConfig.from_dict(train)
dataset = build_dataset(read_words(BUNDLED_NAMES), SplitConfig(), config.context_size)
state = TrainState(config, train, dataset.vocab.size)
sample = SAMPLERS[train.sampler](dataset.train, train.batch_size)
gradients = gradients_of(state.model, train.batch_size)
for _ in sys.stdin:
    began = time.thread_time()
    gradients(*sample(state.generators["batches"]), state.generators["dropout"])
    update(state, gradients.gradient, 1e-3)
    print(time.thread_time() - began, flush=True)
"""


class Padded(nn.Module):
    """The same model of PyTorch's own modules, for words (B, L) padded at their end."""

    def __init__(self, config: Any, vocab_size: int) -> None:
        super().__init__()
        transformer = config.architecture == "transformer"
        D, H = config.embedding_dim, config.embedding_dim if transformer else config.hidden_size
        self.embedding, self.head, self.dropout = nn.Embedding(vocab_size, D), nn.Linear(H, vocab_size), config.dropout
        self.places = nn.Embedding(config.context_size, D) if transformer else None
        if transformer:
            layer = nn.TransformerEncoderLayer(D, config.heads, 4 * D, config.dropout, "gelu", 1e-5, True, True)
            self.body: nn.Module = nn.TransformerEncoder(
                layer, config.layers, nn.LayerNorm(D), enable_nested_tensor=False
            )
        else:
            self.body = getattr(nn, config.architecture.upper())(D, H, batch_first=True)

    def forward(self, words: Tensor) -> Tensor:
        x, length = self.embedding(words), words.shape[1]
        if self.places is None:
            h = F.dropout(self.body(x)[0], self.dropout, self.training)
        else:
            mask = nn.Transformer.generate_square_subsequent_mask(length)
            h = self.body(x + self.places.weight[:length], mask=mask, is_causal=True)
        return self.head(h)  # type: ignore[no-any-return]


def padded_words(dataset: Dataset) -> tuple[Tensor, Tensor]:
    """The train split's words as inputs and targets (N, T), from the boundary on; -1: no target."""
    T, words = dataset.context_size, dataset.splits.train
    inputs, targets = torch.zeros(len(words), T, dtype=torch.int64), torch.full((len(words), T), -1)
    for row, word in enumerate(words):
        ids = [0, *dataset.vocab.encode(word), 0][: T + 1]
        inputs[row, : len(ids) - 1], targets[row, : len(ids) - 1] = torch.tensor(ids[:-1]), torch.tensor(ids[1:])
    return inputs, targets


def module_step(config: RunConfig, dataset: Dataset, seed: int) -> Step:
    """One update of PyTorch's module."""
    torch.manual_seed(seed)  # a program of its own, unlike the library
    inputs, targets = padded_words(dataset)
    lengths = (targets >= 0).sum(1)
    model = Padded(config.model, dataset.vocab.size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=config.train.weight_decay, fused=True)

    def step() -> None:
        rows = torch.randint(len(inputs), (config.train.batch_size,))
        longest = int(lengths[rows].max())
        logits = model(inputs[rows, :longest])
        loss = F.cross_entropy(logits.flatten(0, 1), targets[rows, :longest].flatten(), ignore_index=-1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def own_step(config: RunConfig, dataset: Dataset, seed: int, way: str) -> Step:
    """One update of training, as ``train()`` does it."""
    train = config.train.replace(seed=seed, compiled=way == "compiled")
    state = TrainState(config.model, train, dataset.vocab.size)
    sample, gradients, move = parts_of(state, dataset, autograd=way == "autograd")

    def step() -> None:
        gradients(*sample(state.generators["batches"]), state.generators["dropout"])
        move(state, gradients.gradient, 1e-3)

    return step


def configs() -> Iterator[tuple[str, RunConfig]]:
    """Each architecture's preset, and where Playground's sliders begin."""
    from benchmarks.playground import start_config

    for name in NAMES:
        preset, sha256 = PRESETS[name], "0" * 64
        yield name, RunConfig(corpus_sha256=sha256, model=preset.model, train=preset.train)
        yield f"{name}, Playground", start_config(name, sha256, 1)


def timed(step: Step) -> Timed:
    """The processor's time of this thread."""

    def run() -> float:
        began = time.thread_time()
        step()
        return time.thread_time() - began

    return run


@contextmanager
def earlier(checkout: Path, config: RunConfig, seed: int) -> Iterator[Timed]:
    """An update of an earlier version, in a process that ends with the block."""
    settings = json.dumps([config.model.to_dict(), config.train.replace(seed=seed).to_dict()])
    command = sys.executable, "-c", EARLIER, settings
    with subprocess.Popen(command, cwd=checkout, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        asked, answers = process.stdin, process.stdout

        def run() -> float:
            print(file=asked, flush=True)
            return float(answers.readline())

        yield run
        asked.close()


def measure(config: RunConfig, checkout: Path | None) -> dict[str, list[float]]:
    """Updates a second of each way, for every seed: the median of all updates but the first of each round."""
    dataset = build_dataset(read_words(BUNDLED_NAMES), SplitConfig(), config.model.context_size)
    found: dict[str, list[float]] = defaultdict(list)
    for seed in SEEDS:
        with earlier(checkout, config, seed) if checkout else nullcontext() as before:
            steps = {"before": before} if before else {}
            steps |= {"module": timed(module_step(config, dataset, seed))}
            steps |= {way: timed(own_step(config, dataset, seed, way)) for way in OWN}
            times: dict[str, list[float]] = defaultdict(list)
            for _ in range(ROUNDS):
                for name, step in steps.items():
                    step()
                    times[name] += [step() for _ in range(UPDATES)]
        for name, taken in times.items():
            found[name].append(1 / statistics.median(taken))
    return found


def main() -> None:
    """Measure, print, keep."""
    torch.set_num_threads(1)
    checkout = Path(sys.argv[1]) if sys.argv[1:] else None
    rows = []
    for name, config in configs():
        speeds = measure(config, checkout)
        rows.append({"name": name, "batch_size": config.train.batch_size, "summary": config.model.summary(), **speeds})
        middle = {way: statistics.median(speeds[way]) for way in speeds}
        print(f"{name:24}", {way: round(speed, 1) for way, speed in middle.items()}, flush=True)
    kept: dict[str, Any] = {"load": os.getloadavg()[0], "rows": rows}
    if checkout:
        asked = "git", "-C", str(checkout), "rev-parse", "--short", "HEAD"
        kept["before"] = subprocess.check_output(asked, text=True).strip()
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
