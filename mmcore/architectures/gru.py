"""Gated recurrent unit: a recurrent network that learns what to keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .interface import Parameters, Shapes, Stage, Stages
from .sequence import SequenceConfig, gate_weights, head
from .settings import CONTEXT_SIZE, DROPOUT, EMBEDDING_DIM, HIDDEN_SIZE, STATE_DROPOUT

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from .prefix_tree import Levels


@dataclass(frozen=True, kw_only=True)
class GRUConfig(SequenceConfig):
    """``h_t = z ⊙ h_{t-1} + (1 − z) ⊙ tanh(x_t W_x + r ⊙ (h_{t-1} W_h + b_h))``, gates r and z likewise of x and h.

    K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation",
    EMNLP 2014; with r after the product, as in PyTorch and cuDNN.
    """

    title = "GRU"

    architecture: str = "gru"
    context_size: int = CONTEXT_SIZE.field(16)
    embedding_dim: int = EMBEDDING_DIM.field(32)
    hidden_size: int = HIDDEN_SIZE.field(128)
    dropout: float = DROPOUT.field(0.0)  # of what the output sees, not of the next step (Zaremba et al. 2014)
    state_dropout: float = STATE_DROPOUT.field(0.0)  # so that memory itself stays (Semeniuta et al. 2016)

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

        from .layers import dropout
        from .prefix_tree import rows

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

    def reading(self, p: Parameters, rows: Tensor) -> Stages:
        import torch

        Wx, bx, Wh, bh = (p[name].chunk(3, -1) for name in ("Wx", "bx", "Wh", "bh"))
        h, steps = rows.new_zeros(self.hidden_size), []
        for x in rows:
            xr, xz, xn = (x @ W + b for W, b in zip(Wx, bx, strict=True))
            hr, hz, hn = (h @ W + b for W, b in zip(Wh, bh, strict=True))
            r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
            n = torch.tanh(xn + r * hn)
            h = z * h + (1 - z) * n
            steps.append((r, z, n, h))
        of_r, of_z, of_n = gate_weights("rzn", Wx=Wx, bx=bx, Wh=Wh, bh=bh)
        resets, updates, candidates, states = zip(*steps, strict=True)
        title = "Reset gate, what n sees of the state"
        formula = r"r_t = \sigma(\text{rows}_t W_x^r + b_x^r + h_{t-1} W_h^r + b_h^r)"
        yield Stage("r", title, formula, "L, H", resets, "gate", of_r)
        title = "Update gate, what stays of the state"
        formula = r"z_t = \sigma(\text{rows}_t W_x^z + b_x^z + h_{t-1} W_h^z + b_h^z)"
        yield Stage("z", title, formula, "L, H", updates, "gate", of_z)
        formula = r"n_t = \tanh(\text{rows}_t W_x^n + b_x^n + r_t \odot m_t)" + "\n" + r"m_t = h_{t-1} W_h^n + b_h^n"
        yield Stage("n", "Candidate for a new state", formula, "L, H", candidates, "candidate", of_n)
        formula = r"h_t = z_t \odot h_{t-1} + (1 - z_t) \odot n_t"
        yield Stage("h", "State after each character", formula, "L, H", states, "state")
        return h

    def plain_reading(self) -> list[str]:
        return [
            f"h = torch.zeros({self.hidden_size})",
            "for x in p['C'][word]:",
            "    xr, xz, xn = (x @ p['Wx'] + p['bx']).chunk(3)",
            "    hr, hz, hn = (h @ p['Wh'] + p['bh']).chunk(3)",
            "    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)",
            "    h = z * h + (1 - z) * torch.tanh(xn + r * hn)",
        ]
