"""What reads a context from left to right: recurrent networks and the transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..family import ModelConfig, Parameters, Shapes

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from ..layers import Levels


class SequenceConfig(ModelConfig):
    """A model with a state after every character, which gives the logits: ``W · state + b``.

    A boundary begins a word: the state after it depends on nothing before it, and no word sees another. So a state
    belongs to a beginning of a word, whichever contexts have it, and is computed once for all of them.
    """

    samplers = ("words", "examples", "contexts")
    rows_at_once = 4_096  # the more, the more begin alike

    def states(self, p: Parameters, levels: Levels, training: Generator | None = None) -> Tensor:
        """The state (M, H) after each of some beginnings, level by level; see :func:`mmcore.layers.prefixes`."""
        raise NotImplementedError

    def logits(self, p: Parameters, contexts: Tensor, training: Generator | None = None) -> Tensor:
        from ..layers import prefixes

        levels, ends = prefixes(contexts)
        return self.states(p, levels, training)[ends] @ p["W"] + p["b"]

    def level_logits(self, p: Parameters, levels: Levels, training: Generator | None = None) -> Tensor:
        """What follows each of some beginnings: scores (M, V)."""
        return self.states(p, levels, training) @ p["W"] + p["b"]

    @property
    def reuse(self) -> float:
        return 1.0 + self.context_size / 4  # words are shorter than contexts, and begin alike


def head(size: int, vocab_size: int) -> Shapes:
    """The tensors from a state to logits."""
    return {"W": (size, vocab_size), "b": (vocab_size,)}
