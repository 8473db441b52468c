"""Bigram: a table that says what follows each character."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .interface import ModelConfig, Parameters, Shapes, Stage
from .settings import INIT

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True, kw_only=True)
class BigramConfig(ModelConfig):
    """The Markov chain of Markov (1913), "An example of statistical investigation of the text Eugene Onegin".

    Trained by gradients as in the lecture series' first part: logits are the row of a (V, V) table. At its best
    it is the counting bigram, and no better.
    """

    title = "Bigram"
    context_size = 1

    architecture: str = "bigram"
    init: str = INIT.field("scaled")

    def shapes(self, vocab_size: int) -> Shapes:
        return {"W": (vocab_size, vocab_size)}

    def logits(self, p: Parameters, contexts: Tensor, training: Generator | None = None) -> Tensor:
        return p["W"][contexts[:, -1]]

    def forward_stages(self, p: Parameters, ids: Tensor) -> Iterator[Stage]:
        yield Stage("ids", "Last character as an id", r"\text{ids}", "T", ids, "ids")
        formula, weights = r"\text{logits} = W[\text{ids}_T]", {"W": ("V, V", p["W"])}
        yield Stage("logits", "Logits, a row of the table", formula, "V", p["W"][ids[-1]], "logits", weights)

    def plain_lines(self) -> list[str]:
        return ["logits = p['W'][ids[-1]]"]
