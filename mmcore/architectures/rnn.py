"""Simple recurrent network: one hidden state, updated with every character."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .interface import Parameters, Shapes, Stage, Stages
from .lm_head import head_shapes
from .sequence import SequenceConfig
from .settings import CONTEXT_SIZE, DROPOUT, EMBEDDING_DIM, HIDDEN_SIZE

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from .prefix_tree import Levels


@dataclass(frozen=True, kw_only=True)
class RNNConfig(SequenceConfig):
    """``h_t = tanh(x_t W_ih + b_ih + h_{t-1} W_hh)``.

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
        return {"C": (vocab_size, D), "W_ih": (D, H), "b_ih": (H,), "W_hh": (H, H), **head_shapes(H, vocab_size)}

    def states(self, p: Parameters, levels: Levels, training: Generator | None = None) -> Tensor:
        import torch

        from .layers import dropout
        from .prefix_tree import rows

        inputs = p["C"] @ p["W_ih"] + p["b_ih"]  # (V, H): there are no others
        h, states = inputs.new_zeros(1, p["W_hh"].shape[0]), []
        for characters, parents in levels:
            h = torch.tanh(rows(inputs, characters) + rows(h, parents) @ p["W_hh"])  # (n, H)
            states.append(h)
        return dropout(torch.cat(states), self.dropout, training)

    def state_stages(self, p: Parameters, rows: Tensor) -> Stages:
        import torch

        h, states = rows.new_zeros(self.hidden_size), []
        for x in rows:
            h = torch.tanh(x @ p["W_ih"] + p["b_ih"] + h @ p["W_hh"])
            states.append(h)
        formula = r"h_t = \tanh(\text{rows}_t W_{ih} + b_{ih} + h_{t-1} W_{hh})"
        weights = {"W_ih": ("D, H", p["W_ih"]), "b_ih": ("H", p["b_ih"]), "W_hh": ("H, H", p["W_hh"])}
        yield Stage("h", "State after each character", formula, "L, H", states, "state", weights)
        return h

    def plain_states(self) -> list[str]:
        return [
            f"h = torch.zeros({self.hidden_size})",
            "for x in p['C'][word]:",
            "    h = torch.tanh(x @ p['W_ih'] + p['b_ih'] + h @ p['W_hh'])",
        ]
