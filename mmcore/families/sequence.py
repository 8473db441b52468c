"""What reads a context from left to right: recurrent networks and the transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..family import ModelConfig, Parameters, Shapes

if TYPE_CHECKING:
    from torch import Generator, Tensor


class SequenceConfig(ModelConfig):
    """A model with a state after every character, which gives the logits: ``W · state + b``.

    A boundary begins a word: the state after it depends on nothing before it. So boundaries in front of a word
    change nothing, no word sees another, and one pass over a word gives the same predictions as one pass for each
    of its contexts, as long as the word and its boundary fit into the context.
    """

    samplers = ("words", "examples", "contexts")

    def states(self, p: Parameters, contexts: Tensor, training: Generator | None = None) -> Tensor:
        """The state (B, T, H) after each character of (B, T)."""
        raise NotImplementedError

    def logits(self, p: Parameters, contexts: Tensor, training: Generator | None = None) -> Tensor:
        letters = (contexts != 0).any(0).tolist()  # (T,)
        first = letters.index(True) if True in letters else len(letters)
        contexts = contexts[:, max(0, first - 1) :]  # boundaries before the last one change nothing
        return self.states(p, contexts, training)[:, -1] @ p["W"] + p["b"]

    def all_logits(self, p: Parameters, words: Tensor, training: Generator | None = None) -> Tensor:
        """What follows each character of (B, L): scores (B, L, V)."""
        return self.states(p, words, training) @ p["W"] + p["b"]

    @property
    def reuse(self) -> float:
        return 1.0 + self.context_size / 3  # words are shorter than contexts


def head(size: int, vocab_size: int) -> Shapes:
    """The tensors from a state to logits."""
    return {"W": (size, vocab_size), "b": (vocab_size,)}
