"""Simple recurrent network: one hidden state, updated with every character."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..family import Parameters, Shapes
from .sequence import SequenceConfig, head

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True, kw_only=True)
class RNNConfig(SequenceConfig):
    """``h_t = tanh(x_t W_x + h_{t-1} W_h + b)``.

    J. Elman, "Finding Structure in Time", Cognitive Science 14 (1990); for language T. Mikolov et al., "Recurrent
    neural network based language model", Interspeech 2010.
    """

    title = "RNN"

    architecture: str = "rnn"
    context_size: int = 16
    embedding_dim: int = 32
    hidden_size: int = 128
    dropout: float = 0.0  # of what the output sees, not of what the next step does (Zaremba et al. 2014)

    def shapes(self, vocab_size: int) -> Shapes:
        D, H = self.embedding_dim, self.hidden_size
        return {"C": (vocab_size, D), "Wx": (D, H), "bx": (H,), "Wh": (H, H), **head(H, vocab_size)}

    def states(self, p: Parameters, contexts: Tensor, training: Generator | None = None) -> Tensor:
        import torch

        from ..layers import dropout

        inputs = (p["C"] @ p["Wx"] + p["bx"])[contexts]  # (B, T, H): looked up, as there are only V of them
        goes_on = (contexts != 0)[:, :, None]  # false where a word begins
        h, states = torch.zeros_like(inputs[:, 0]), []
        for t in range(contexts.shape[1]):
            h = torch.tanh(inputs[:, t] + (h * goes_on[:, t]) @ p["Wh"])  # (B, H)
            states.append(h)
        return dropout(torch.stack(states, 1), self.dropout, training)
