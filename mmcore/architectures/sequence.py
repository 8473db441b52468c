"""What reads a context from left to right: recurrent networks and the transformer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .interface import ModelConfig, Parameters, Stage, Stages, Weights, look_up
from .lm_head import head_logits, head_stage, plain_head

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from .prefix_tree import Levels


class SequenceConfig(ModelConfig):
    """A model with a state after every character, which gives the logits: ``state · W_lm_head``, plus a bias.

    A boundary begins a word: the state after it depends on nothing before it, and no word sees another. So a state
    belongs to a prefix of a word, whichever contexts have it, and is computed once for all of them.
    """

    samplers = ("words", "examples", "contexts")
    rows_at_once = 4_096  # the more, the more prefixes they share

    def states(self, p: Parameters, levels: Levels, training: Generator | None = None) -> Tensor:
        """The state (M, H) after each of some prefixes, level by level; see :func:`.prefix_tree.prefixes`."""
        raise NotImplementedError

    def logits(self, p: Parameters, contexts: Tensor, training: Generator | None = None) -> Tensor:
        from .prefix_tree import prefixes

        levels, ends = prefixes(contexts)
        return self.level_logits(p, levels, training, ends)

    def level_logits(
        self, p: Parameters, levels: Levels, training: Generator | None = None, ends: Tensor | None = None
    ) -> Tensor:
        """What follows each of some prefixes, or of those at some ``ends`` only: scores (M, V)."""
        states = self.states(p, levels, training)
        return head_logits(p, states if ends is None else states[ends])

    def forward_stages(self, p: Parameters, ids: Tensor) -> Iterator[Stage]:
        boundaries = (ids == 0).nonzero()[:, 0].tolist()
        rows = yield from look_up(p, ids[max(boundaries, default=0) :], "L")
        state = yield from self.state_stages(p, rows)
        yield head_stage(p, state, "h_L")

    def state_stages(self, p: Parameters, rows: Tensor) -> Stages:
        """The part of :meth:`forward_stages` that makes the last state (H,), ``h_L``, of the rows of C (L, D) read."""
        raise NotImplementedError

    def plain_lines(self) -> list[str]:
        T = self.context_size
        word = f"word = ids[{T - 1}:][-{T}:]  # from its boundary on"
        return [word, *self.plain_states(), plain_head(self.shapes(1))]

    def plain_states(self) -> list[str]:
        """Lines of plain torch from ``p`` and the ids ``word`` to the last state ``h`` (H,)."""
        raise NotImplementedError

    def activations(self, length: float, *, training: bool) -> float:
        return length * super().activations(length, training=training)

    @property
    def reuse(self) -> float:
        return 1.0 + self.context_size / 4  # words are shorter than contexts, and share prefixes


def gate_weights(gates: str, **parts: Sequence[Tensor]) -> list[Weights]:
    """What each gate, one letter each, is made with: its part of every tensor, such as ``W_ir`` of ``W_ih``."""
    letters = {"W_ih": "D, H", "W_hh": "H, H"}
    return [
        {name[:-1] + gate: (letters.get(name, "H"), part[at]) for name, part in parts.items()}
        for at, gate in enumerate(gates)
    ]
