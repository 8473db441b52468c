"""Three ways to the same loss: the lecture's loop, what a competent user writes, and ours.

Each gets words in memory and the split seed, and hands back trained weights and an exact validation loss. Its
clock runs over everything in between: dataset, allocation, training, final validation pass. Steps are fixed
beforehand; they, and all settings, were tuned on init seeds 11–14 and split seeds 7 and 8.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcore import (
    ModelConfig,
    Pace,
    SplitConfig,
    TrainConfig,
    TrainState,
    Vocab,
    build_dataset,
    evaluate,
    split_words,
    train,
)

CONTEXT, DIM, HIDDEN = 3, 10, 200


@dataclass(frozen=True)
class Result:
    """What one contestant did with one seed."""

    name: str
    seed: int
    steps: int
    val_loss: float
    seconds: float  # all of it
    dataset_seconds: float
    training_seconds: float


def pairs(words: Sequence[str], vocab: Vocab) -> tuple[Tensor, Tensor]:
    """Context → target pairs with the lecture's loop over characters."""
    contexts, targets = [], []
    for word in words:
        context = [0] * CONTEXT
        for target in [*vocab.encode(word), 0]:
            contexts.append(context)
            targets.append(target)
            context = [*context[1:], target]
    return torch.tensor(contexts), torch.tensor(targets)


def lecture(words: Sequence[str], seed: int, split_seed: int, steps: int, full: int = 200_000) -> Result:
    """The lecture's loop: 200,000 updates of 32 examples, rate 0.1 in the first half, then 0.01."""
    began = time.perf_counter()
    vocab = Vocab.from_words(words)
    shuffled = list(words)
    random.Random(split_seed).shuffle(shuffled)
    n1, n2 = int(0.8 * len(shuffled)), int(0.9 * len(shuffled))
    (X, Y), (X_val, Y_val), _ = pairs(shuffled[:n1], vocab), pairs(shuffled[n1:n2], vocab), pairs(shuffled[n2:], vocab)
    built = time.perf_counter()
    g = torch.Generator().manual_seed(seed)
    shapes = ((vocab.size, DIM), (CONTEXT * DIM, HIDDEN), (HIDDEN,), (HIDDEN, vocab.size), (vocab.size,))
    parameters = C, W1, b1, W2, b2 = [torch.randn(shape, generator=g, requires_grad=True) for shape in shapes]
    curve = []
    for step in range(steps):
        rows = torch.randint(0, X.shape[0], (32,), generator=g)
        h = torch.tanh(C[X[rows]].view(-1, CONTEXT * DIM) @ W1 + b1)
        loss = F.cross_entropy(h @ W2 + b2, Y[rows])
        for p in parameters:
            p.grad = None
        loss.backward()
        rate = 0.1 if step < full / 2 else 0.01
        for p in parameters:
            p.data -= rate * p.grad
        curve.append(loss.log10().item())
    trained = time.perf_counter()
    with torch.no_grad():
        h = torch.tanh(C[X_val].view(-1, CONTEXT * DIM) @ W1 + b1)
        val_loss = F.cross_entropy(h @ W2 + b2, Y_val).item()
    ended = time.perf_counter()
    return Result("lecture", seed, steps, val_loss, ended - began, built - began, trained - built)


class Net(nn.Module):
    """The same model as torch's own modules make it."""

    def __init__(self, vocab_size: int, dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, dim)
        self.hidden = nn.Linear(CONTEXT * dim, HIDDEN)
        self.output = nn.Linear(HIDDEN, vocab_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(torch.tanh(self.hidden(self.embedding(x).flatten(1))))  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What tuning may choose."""

    steps: int
    batch_size: int
    learning_rate: float
    dim: int


def competent(words: Sequence[str], seed: int, split_seed: int, settings: Settings, *, loop: bool = True) -> Result:
    """Autograd, fused AdamW and a one-cycle schedule on ordinary examples.

    With ``loop`` the dataset is built as in the lecture; without, it is handed our vectorised one.
    """
    began = time.perf_counter()
    if loop:
        vocab = Vocab.from_words(words)
        splits = split_words(words, SplitConfig(split_seed=split_seed))
        (X, Y), (X_val, Y_val) = pairs(splits.train, vocab), pairs(splits.val, vocab)
    else:
        data = build_dataset(words, SplitConfig(split_seed=split_seed), CONTEXT)
        vocab = data.vocab
        X, Y, X_val, Y_val = map(
            torch.from_numpy, (data.train.contexts, data.train.targets, data.val.contexts, data.val.targets)
        )
    built = time.perf_counter()
    torch.manual_seed(seed)  # a program of its own, unlike the library
    model = Net(vocab.size, settings.dim)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, settings.steps, pct_start=0.1, cycle_momentum=False
    )
    for _ in range(settings.steps):
        rows = torch.randint(0, len(Y), (settings.batch_size,))
        loss = F.cross_entropy(model(X[rows]), Y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    trained = time.perf_counter()
    with torch.no_grad():
        val_loss = F.cross_entropy(model(X_val), Y_val).item()
    ended = time.perf_counter()
    name = "competent" if loop else "competent, our dataset"
    return Result(name, seed, settings.steps, val_loss, ended - began, built - began, trained - built)


def ours(words: Sequence[str], seed: int, split_seed: int, model: ModelConfig, config: TrainConfig) -> Result:
    """This project's library, as anyone calls it; compiled where the config says so."""
    began = time.perf_counter()
    data = build_dataset(words, SplitConfig(split_seed=split_seed), model.context_size)
    _ = data.train.counts
    built = time.perf_counter()
    state = TrainState(model, config.replace(seed=seed), data.vocab.size)
    for _step in train(state, data, pace=Pace(every=config.max_steps, losses=False)):
        pass
    trained = time.perf_counter()
    val_loss = evaluate(state.model, data.val).loss
    ended = time.perf_counter()
    name = "ours, compiled" if config.compiled else "ours"
    return Result(name, seed, state.step, val_loss, ended - began, built - began, trained - built)
