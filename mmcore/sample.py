"""From a model to words: the next-character distribution, and drawing from it again and again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .dataset import Splits, Vocab
from .fields import require
from .model import Model

MAX_LENGTH = 100
CUT = "…"  # stands where a word was cut
MAX_SAMPLES = 10_000


@dataclass(frozen=True)
class Sample:
    """A sampled word; ``ended`` is false where the length cap cut it before the model drew the boundary."""

    word: str
    ended: bool


class Overflown(ValueError):
    """A model whose scores are no finite numbers any more: nothing can be drawn from it."""


def probabilities(logits: Tensor, temperature: float = 1.0, top_k: int | None = None) -> Tensor:
    """What is drawn from: softmax of (B, V) ``logits / temperature`` over the ``top_k`` largest.

    Temperature 0 puts everything on the largest logit (argmax). Raises ``ValueError`` out of range, and
    :class:`Overflown` where a logit is no finite number.
    """
    require(0 <= temperature <= 100, "temperature", "from 0 to 100", temperature)
    require(top_k is None or top_k >= 1, "top_k", "at least 1", top_k)
    if not logits.isfinite().all():
        raise Overflown("logits must be finite numbers, got others: the model's weights have grown too large")
    if top_k is not None and top_k < logits.shape[1]:
        kept = logits.topk(top_k, dim=1)
        logits = torch.full_like(logits, -torch.inf).scatter(1, kept.indices, kept.values)
    if temperature == 0:
        return torch.zeros_like(logits).scatter(1, logits.argmax(1, keepdim=True), 1.0)
    # Subtracting the maximum first keeps a tiny temperature from overflowing to infinity; float64, because in
    # float32 a temperature may round to 0, and 0 / 0 is not a number.
    return torch.softmax((logits - logits.amax(1, keepdim=True)).double() / temperature, 1).to(logits.dtype)


def context_of(vocab: Vocab, prefix: str, context_size: int) -> list[int]:
    """The ids of the last ``context_size`` characters of a prefix, boundaries before its start."""
    return ([0] * context_size + vocab.encode(prefix))[-context_size:]


@torch.no_grad()
def next_distribution(
    model: Model, vocab: Vocab, prefix: str = "", *, temperature: float = 1.0, top_k: int | None = None
) -> pd.DataFrame:
    """Columns ``symbol, probability``, one row per symbol of the vocabulary, in its order, after a typed prefix."""
    context = torch.tensor([context_of(vocab, vocab.typed(prefix), model.config.context_size)])
    p = probabilities(model(context), temperature, top_k)[0]
    return pd.DataFrame({"symbol": vocab.symbols, "probability": p.double().numpy()})


def draw(p: Tensor, generator: torch.Generator) -> Tensor:
    """An id (B,) for each row of probabilities (B, V)."""
    return torch.multinomial(p, 1, generator=generator)[:, 0]


def draw_symbol(distribution: pd.DataFrame, generator: torch.Generator) -> str:
    """A symbol of a :func:`next_distribution`; one after the other, they write the word that :func:`generate` does."""
    p = torch.from_numpy(distribution["probability"].to_numpy(np.float32, copy=True))
    return str(distribution["symbol"][draw(p[None], generator).item()])


@torch.no_grad()
def generate(
    model: Model,
    vocab: Vocab,
    n: int,
    *,
    sample_seed: int = 0,
    temperature: float = 1.0,
    top_k: int | None = None,
    prefix: str = "",
    max_length: int = MAX_LENGTH,
) -> list[Sample]:
    """Draw ``n`` words, all at once, one character at a time until the boundary or ``max_length``.

    The same arguments give the same words. ``max_length`` counts the prefix, which is cleaned as the corpus was.
    """
    require(1 <= n <= MAX_SAMPLES, "n", f"from 1 to {MAX_SAMPLES:,}", n)
    require(1 <= max_length <= 1_000, "max_length", "from 1 to 1,000", max_length)
    require(0 <= sample_seed < 2**63, "sample_seed", f"from 0 to {2**63 - 1:,}", sample_seed)
    prefix = vocab.typed(prefix)
    start = vocab.encode(prefix)
    require(len(start) <= max_length, "prefix", f"at most max_length ({max_length}) {vocab.noun}s", prefix)
    generator = torch.Generator().manual_seed(sample_seed)
    contexts = torch.tensor([context_of(vocab, prefix, model.config.context_size)]).repeat(n, 1)  # (n, T)
    written, running = [list(start) for _ in range(n)], torch.arange(n)
    for _ in range(max_length - len(start) + 1):
        p = probabilities(model(contexts[running]), temperature, top_k)
        drawn = draw(p, generator)
        running, drawn = running[drawn != 0], drawn[drawn != 0]
        if not len(running):
            break
        contexts[running] = torch.cat([contexts[running, 1:], drawn[:, None]], 1)
        for row, symbol in zip(running.tolist(), drawn.tolist(), strict=True):
            written[row].append(symbol)
    cut = set(running.tolist())
    return [Sample(vocab.decode(ids[:max_length]), row not in cut) for row, ids in enumerate(written)]


def drawn_words(model: Model, vocab: Vocab, n: int, sample_seed: int) -> list[str]:
    """``n`` words for a glance at a model in training, :data:`CUT` after one too long; none from an overflown one."""
    try:
        return [s.word + CUT * (not s.ended) for s in generate(model, vocab, n, sample_seed=sample_seed)]
    except Overflown:
        return []


def label(word: str, splits: Splits) -> str:
    """Where a word occurs: ``train``, ``val``, ``test`` (the first of them that holds it) or ``new``."""
    return labels([word], splits)[0]


def labels(words: list[str], splits: Splits) -> list[str]:
    """:func:`label` for many words, looking the splits through once."""
    known: dict[str, str] = {}
    for name, part in splits.items():
        for word in part:
            known.setdefault(word, name)
    return [known.get(word, "new") for word in words]
