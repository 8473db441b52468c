"""Gated recurrent unit: a recurrent network that learns what to keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..family import Parameters, Shapes
from .sequence import SequenceConfig, head

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from ..layers import Levels


@dataclass(frozen=True, kw_only=True)
class GRUConfig(SequenceConfig):
    """``h_t = z ⊙ h_{t-1} + (1 − z) ⊙ tanh(x_t W_x + r ⊙ (h_{t-1} W_h + b_h))``, gates r and z likewise of x and h.

    K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation",
    EMNLP 2014; with r after the product, as in PyTorch and cuDNN.
    """

    title = "GRU"

    architecture: str = "gru"
    context_size: int = 16
    embedding_dim: int = 32
    hidden_size: int = 128
    dropout: float = 0.0  # of what the output sees, not of what the next step does (Zaremba et al. 2014)
    state_dropout: float = 0.0  # of what a step adds to the state, so that memory itself stays (Semeniuta et al. 2016)

    def shapes(self, vocab_size: int) -> Shapes:
        D, H = self.embedding_dim, self.hidden_size  # columns of the three: r, z, candidate
        return {
            "C": (vocab_size, D),
            "Wx": (D, 3 * H),
            "bx": (3 * H,),
            "Wh": (H, 3 * H),
            "bh": (3 * H,),
            **head(H, vocab_size),
        }

    def states(self, p: Parameters, levels: Levels, training: Generator | None = None) -> Tensor:
        import torch

        from ..layers import dropout, rows

        inputs = p["C"] @ p["Wx"] + p["bx"]  # (V, 3H): there are no others
        h, states = inputs.new_zeros(1, p["Wh"].shape[0]), []
        for characters, parents in levels:
            h = rows(h, parents)
            xr, xz, xn = rows(inputs, characters).chunk(3, 1)
            hr, hz, hn = (h @ p["Wh"] + p["bh"]).chunk(3, 1)
            r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
            h = z * h + (1 - z) * dropout(torch.tanh(xn + r * hn), self.state_dropout, training)  # (n, H)
            states.append(h)
        return dropout(torch.cat(states), self.dropout, training)
