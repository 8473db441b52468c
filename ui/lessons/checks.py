"""What a visitor's own run says to each lesson's question: a sentence, computed when they check their answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from mmcore.dataset import show_symbol
from mmcore.ngram import uniform_loss
from ui import session
from ui.kit.text import nats
from ui.run import in_words

if TYPE_CHECKING:
    from mmcore import Artifact, Dataset, Run, Vocab

DRAWS = 5  # words at temperature 0
RATE, BATCH = 100.0, 32  # of the lesson on the update
SHIFT = 100.0  # of the logits


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The visitor's run, its weights, and its data."""

    run: Run
    artifact: Artifact
    dataset: Dataset

    @property
    def vocab(self) -> Vocab:
        """Of the run's corpus."""
        return self.artifact.vocab

    @property
    def word(self) -> str:
        """A word of the run's characters: the lecture's, or else the first it was trained on."""
        return "emma" if set("emma") <= set(self.vocab.symbols) else self.dataset.splits.train[0]


def window(found: Evidence) -> str:
    """Rows that a word becomes."""
    from mmcore.dataset import build_examples

    examples = build_examples([found.word], found.vocab, found.dataset.context_size)
    return f"{found.word} has {len(found.vocab.encode(found.word))} characters and gives {len(examples)} examples."


def lookup(found: Evidence) -> str:
    """A row of the table beside its product."""
    from mmcore import embedding

    if "C" not in found.artifact.model.tensors:
        return "This run's architecture has no table C. Choose another run."
    row = min(5, found.vocab.size - 1)
    gap = embedding.one_hot_difference(found.artifact.model.tensors["C"].numpy(), row)
    symbol = show_symbol(found.vocab.symbols[row])
    return f"In your run the one-hot vector of {symbol} times C and row {row} of C differ by at most {gap:g}."


def forward(found: Evidence) -> str:
    """The first loss beside that of equal probabilities."""
    size = found.vocab.size
    first = session.store().first_losses([found.run.id]).get(found.run.id)
    begun = f" Your run began at {nats(first)}." if first is not None else ""
    return f"Your vocabulary has {size} symbols: ln {size} = {uniform_loss(size):.4f}.{begun}"


def softmax(found: Evidence) -> str:
    """Probabilities before and after a shift of the logits."""
    logits = _logits(found)
    gap = float(np.abs(_softmax(logits) - _softmax(logits + SHIFT)).max())
    return (
        f"With {SHIFT:g} added to all {len(logits)} logits of your run, no probability changes by more than {gap:.1g}."
    )


def backward(found: Evidence) -> str:
    """The sum of the gradients of an example's logits, by automatic differentiation."""
    import torch

    from mmcore import cross_entropy

    logits = torch.from_numpy(_logits(found))[None].requires_grad_()
    cross_entropy(logits, torch.tensor([0])).backward()
    assert logits.grad is not None
    return f"Of an example of your run they add up to {abs(logits.grad.sum().item()):.1g}, which is rounding."


def update(found: Evidence) -> str:
    """What happens to a batch."""
    import torch

    from mmcore import trace

    contexts, targets = (torch.from_numpy(part) for part in found.dataset.train.drawn(BATCH))
    moved = trace.one_update(found.artifact.model, contexts, targets, RATE)
    after = f"to {nats(moved.after)}" if math.isfinite(moved.after) else "beyond every number"
    return (
        f"On {BATCH} train examples of your run the loss goes from {nats(moved.before)} {after}. "
        f"The gradient predicted a change of {nats(moved.predicted)}."
    )


def rate(found: Evidence) -> str | None:
    """The bottom of the valley of the last range test."""
    from mmcore import suggest_rate

    _, tested = st.session_state.get("range_test_result", (None, None))
    if not tested or len(tested.rates) < 2:
        return None
    lowest = suggest_rate(tested.rates, tested.losses).lowest
    return f"In your range test the smoothed loss was lowest at a rate of {lowest:.2g}."


def splits(found: Evidence) -> str:
    """Where validation was lowest, and what came after."""
    return in_words.turn_sentence(found.run) or "Too little of this run was measured. Choose a longer one."


def embeddings(found: Evidence) -> str:
    """Vowels beside vowels."""
    from mmcore import embedding

    if "C" not in found.artifact.model.tensors:
        return "This run's architecture has no table C. Choose another run."
    table, symbols = found.artifact.model.tensors["C"].numpy(), found.vocab.symbols
    near, chance = embedding.vowel_neighbours(table, symbols, 1)
    if math.isnan(near):
        return "This corpus has fewer than two vowels. Choose a run on names."
    vowels = sum(embedding.character_class(symbol) == "vowel" for symbol in symbols)
    return (
        f"In your run {round(near * vowels)} of {vowels} vowels have a vowel as nearest neighbour; "
        f"by chance it would be {chance * vowels:.1f}."
    )


def sampling(found: Evidence) -> str:
    """Some draws at temperature 0."""
    from mmcore import generate

    words = {
        sample.word
        for seed in range(DRAWS)
        for sample in generate(found.artifact.model, found.vocab, 1, temperature=0, sample_seed=seed)
    }
    return f"{DRAWS} draws of your run with {DRAWS} sample seeds: {', '.join(sorted(words)) or '(empty)'}."


def guess(found: Evidence) -> str | None:
    """What the characters of a validation word cost by their place."""
    from mmcore.breakdown import Breakdown

    kept = st.session_state.get("guessing")
    if kept is None or not kept[2].done:
        return None
    broken = Breakdown.of(found.artifact.model, found.dataset.val)
    first, end = broken.positions == 1, broken.examples.targets == 0
    parts = {"the first": first, "those between": ~first & ~end, "the end": end}
    costs = [f"{name} {broken.losses[which].mean():.2f}" for name, which in parts.items() if which.any()]
    return f"On the validation words of your run the characters cost, in nats: {', '.join(costs)}."


def microgpt(found: Evidence) -> str:
    """The size of the visitor's model beside microgpt's, and of the two ends of the experiment."""
    from mmcore.presets import PRESETS

    size = found.vocab.size
    ends = [f"{PRESETS[name].model.parameters(size):,}" for name in ("lecture", "microgpt")]
    return (
        f"With your {size} symbols the lecture's MLP has {ends[0]} parameters and microgpt {ends[1]}; your run has "
        f"{found.artifact.model.flat.numel():,} and reads {found.dataset.context_size} characters back."
    )


def _logits(found: Evidence) -> NDArray[np.float64]:
    """Of the example that a word begins with."""
    import torch

    with torch.no_grad():
        logits = found.artifact.model(torch.zeros(1, found.dataset.context_size, dtype=torch.int64))[0]
    return np.asarray(logits.double().numpy())


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


CHECKS: dict[str, Callable[[Evidence], str | None]] = {
    check.__name__: check
    for check in (
        window,
        lookup,
        forward,
        softmax,
        backward,
        update,
        rate,
        splits,
        embeddings,
        sampling,
        guess,
        microgpt,
    )
}
"""By the name of the lesson; None where the visitor has to do something first."""
