"""What every view is about, as the visitor chooses it: weights of a run at one step, and an example."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
import torch
from torch import Tensor

from mmcore.checkpoint import Checkpoint
from mmcore.dataset import Dataset, Vocab, show_symbol
from mmcore.model import Model
from mmcore.store import Run
from mmcore.symbols import CHARACTERS
from ui import terms
from ui.kit import linked
from ui.kit.nouns import fit
from ui.kit.plots import SPELLED
from ui.kit.symbols import context_text, spelt
from ui.kit.text import plain
from ui.kit.theme import Theme
from ui.run import hidden_layer

POSITION = "Which character of the word is to be predicted from those before it; a dot is the boundary."
EXAMPLES = ("This example", "A batch")
MAX_TYPED = 1_000  # characters
MOST_ROWS, MOST_SEED = 4_096, 2**31 - 1  # of a batch
MAX_PARAMETERS = 5_000_000  # gradients and copies in float64 come on top, for every visitor


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One example, and the weights that it goes through."""

    run: Run
    vocab: Vocab
    dataset: Dataset
    checkpoints: list[Checkpoint]
    model: Model
    val_loss: float
    context: list[int]
    target: int
    theme: Theme

    @property
    def hidden_sizes(self) -> tuple[int, ...]:
        """Of a perceptron whose derivatives are written out; none of any other model."""
        return hidden_layer.sizes(self.model)

    @property
    def example(self) -> tuple[Tensor, Tensor]:
        """A batch of one: contexts (1, T) and targets (1,)."""
        return torch.tensor([self.context]), torch.tensor([self.target])


def choose_example(vocab: Vocab, dataset: Dataset, context_size: int) -> tuple[list[int], int]:
    """The context and the target at a position of a word, both as the visitor chooses; a wrong word ends the script."""
    known = "emma" if vocab.spells("emma") else dataset.splits.train[0]
    word = st.text_input(
        fit("Word", vocab.tokens),
        linked.keep("word", "hood_word", known, spelt(vocab, MAX_TYPED), typed=True),
        key="hood_word",
        persist_state="session",
        width=110 if vocab.tokens == CHARACTERS else 320,
        max_chars=MAX_TYPED,
        help=fit("Any word.", vocab.tokens),
    ).strip()
    word = vocab.typed(word)
    try:
        titles = example_titles(word, vocab, context_size)
    except ValueError as error:
        st.error(plain(error), icon=":material/error:")
        terms.stop()
    key, one = f"hood_at_{word}_{context_size}", linked.whole(1, len(titles))
    first = min(3, len(titles) - 1)
    shown = linked.keep("position", key, first, lambda *said: one(*said) - 1, lambda at: f"{at + 1}")
    position = st.selectbox(
        "Position",
        range(len(titles)),
        shown,
        key=key,
        format_func=lambda i: f"{i + 1}: {titles[i]}",
        width=170 if vocab.tokens == CHARACTERS else 400,
        help=fit(POSITION, vocab.tokens),
    )
    return example(word, position, vocab, context_size)


def example_titles(word: str, vocab: Vocab, context_size: int) -> list[str]:
    """What each position of a word asks, ``..e → m``, the end of the word last; of many boundaries one is enough."""
    ids = [0] * context_size + vocab.encode(word) + [0]
    first = 0 if context_size <= SPELLED else context_size - 1
    return [
        f"{context_text(ids[max(first, at) : end], vocab)} → {show_symbol(vocab.symbols[ids[end]])}"
        for at, end in enumerate(range(context_size, len(ids)))
    ]


def example(word: str, position: int, vocab: Vocab, context_size: int) -> tuple[list[int], int]:
    """The context before a position (from 0) of a word, and the id that stands there."""
    ids = [0] * context_size + vocab.encode(word) + [0]
    return ids[position : position + context_size], ids[position + context_size]


def choose_examples(subject: Subject, key: str) -> tuple[Tensor, Tensor]:
    """The example, or a batch of train examples: contexts (B, T) and targets (B,)."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shown = linked.keep("examples", f"{key}_which", EXAMPLES[0], linked.one_of(EXAMPLES))
        which = st.segmented_control(
            "Examples",
            EXAMPLES,
            default=shown,
            required=True,
            key=f"{key}_which",
            help="The one chosen above, or train examples drawn at random.",
        )
        if which == EXAMPLES[0]:
            return subject.example
        size = linked.keep("batch", f"{key}_rows", 32, linked.whole(1, MOST_ROWS))
        lecture = "The lecture takes 32."
        rows = st.number_input("Batch size", 1, MOST_ROWS, size, key=f"{key}_rows", width=140, help=lecture)
        drawn = linked.keep("batch_seed", f"{key}_seed", 0, linked.whole(0, MOST_SEED))
        seed = st.number_input("Batch seed", 0, MOST_SEED, drawn, key=f"{key}_seed", width=140, help="Which batch.")
    contexts, targets = subject.dataset.train.drawn(rows, seed)
    return torch.from_numpy(contexts), torch.from_numpy(targets)
