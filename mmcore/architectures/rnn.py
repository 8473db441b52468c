"""Simple recurrent network: one hidden state, updated with every character."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .interface import Parameters, Shapes, Stage, Stages
from .sequence import SequenceConfig, head
from .settings import CONTEXT_SIZE, DROPOUT, EMBEDDING_DIM, HIDDEN_SIZE

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from .prefix_tree import Levels


@dataclass(frozen=True, kw_only=True)
class RNNConfig(SequenceConfig):
    """``h_t = tanh(x_t W_x + h_{t-1} W_h + b)``.

    J. Elman, "Finding Structure in Time", Cognitive Science 14 (1990); for language T. Mikolov et al., "Recurrent
    neural network based language model", Interspeech 2010.
    """

    title = "RNN"

    architecture: str = "rnn"
    context_size: int = CONTEXT_SIZE.field(16)
    embedding_dim: int = EMBEDDING_DIM.field(32)
    hidden_size: int = HIDDEN_SIZE.field(128)
    dropout: float = DROPOUT.field(0.0)  # of what the output sees, not of the next step (Zaremba et al. 2014)

    def shapes(self, vocab_size: int) -> Shapes:
        D, H = self.embedding_dim, self.hidden_size
        return {"C": (vocab_size, D), "Wx": (D, H), "bx": (H,), "Wh": (H, H), **head(H, vocab_size)}

    def states(self, p: Parameters, levels: Levels, training: Generator | None = None) -> Tensor:
        import torch

        from .layers import dropout
        from .prefix_tree import rows

        inputs = p["C"] @ p["Wx"] + p["bx"]  # (V, H): there are no others
        h, states = inputs.new_zeros(1, p["Wh"].shape[0]), []
        for characters, parents in levels:
            h = torch.tanh(rows(inputs, characters) + rows(h, parents) @ p["Wh"])  # (n, H)
            states.append(h)
        return dropout(torch.cat(states), self.dropout, training)

    def reading(self, p: Parameters, rows: Tensor) -> Stages:
        import torch

        h, states = rows.new_zeros(self.hidden_size), []
        for x in rows:
            h = torch.tanh(x @ p["Wx"] + p["bx"] + h @ p["Wh"])
            states.append(h)
        formula = r"h_t = \tanh(\text{rows}_t W_x + b_x + h_{t-1} W_h)"
        weights = {"Wx": ("D, H", p["Wx"]), "bx": ("H", p["bx"]), "Wh": ("H, H", p["Wh"])}
        yield Stage("h", "State after each character", formula, "L, H", states, "state", weights)
        return h

    def plain_reading(self) -> list[str]:
        return [
            f"h = torch.zeros({self.hidden_size})",
            "for x in p['C'][word]:",
            "    h = torch.tanh(x @ p['Wx'] + p['bx'] + h @ p['Wh'])",
        ]
