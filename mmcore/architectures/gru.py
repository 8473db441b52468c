"""Gated recurrent unit: a recurrent network that learns what to keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .interface import Parameters, Shapes, Stage, Stages
from .lm_head import head_shapes
from .sequence import SequenceConfig, gate_weights
from .settings import CONTEXT_SIZE, DROPOUT, EMBEDDING_DIM, HIDDEN_SIZE, STATE_DROPOUT

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from .prefix_tree import Levels


@dataclass(frozen=True, kw_only=True)
class GRUConfig(SequenceConfig):
    """``h_t = z ⊙ h_{t-1} + (1 − z) ⊙ n``, ``n = tanh(x_t W_in + b_in + r ⊙ (h_{t-1} W_hn + b_hn))``.

    The gates r and z are sigmoids of x and h, likewise; ``W_ir, W_iz, W_in`` are the columns of ``W_ih``.
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
            "W_ih": (D, 3 * H),
            "b_ih": (3 * H,),
            "W_hh": (H, 3 * H),
            "b_hh": (3 * H,),
            **head_shapes(H, vocab_size),
        }

    def states(self, p: Parameters, levels: Levels, training: Generator | None = None) -> Tensor:
        import torch

        from .layers import dropout
        from .prefix_tree import rows

        inputs = p["C"] @ p["W_ih"] + p["b_ih"]  # (V, 3H): there are no others
        h, states = inputs.new_zeros(1, p["W_hh"].shape[0]), []
        for characters, parents in levels:
            h = rows(h, parents)
            xr, xz, xn = rows(inputs, characters).chunk(3, 1)
            hr, hz, hn = (h @ p["W_hh"] + p["b_hh"]).chunk(3, 1)
            r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
            h = z * h + (1 - z) * dropout(torch.tanh(xn + r * hn), self.state_dropout, training)  # (n, H)
            states.append(h)
        return dropout(torch.cat(states), self.dropout, training)

    def state_stages(self, p: Parameters, rows: Tensor) -> Stages:
        import torch

        W_ih, b_ih, W_hh, b_hh = (p[name].chunk(3, -1) for name in ("W_ih", "b_ih", "W_hh", "b_hh"))
        h, steps = rows.new_zeros(self.hidden_size), []
        for x in rows:
            xr, xz, xn = (x @ W + b for W, b in zip(W_ih, b_ih, strict=True))
            hr, hz, hn = (h @ W + b for W, b in zip(W_hh, b_hh, strict=True))
            r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
            n = torch.tanh(xn + r * hn)
            h = z * h + (1 - z) * n
            steps.append((r, z, n, h))
        of_r, of_z, of_n = gate_weights("rzn", W_ih=W_ih, b_ih=b_ih, W_hh=W_hh, b_hh=b_hh)
        resets, updates, candidates, states = zip(*steps, strict=True)
        title = "Reset gate, what n sees of the state"
        formula = r"r_t = \sigma(\text{rows}_t W_{ir} + b_{ir} + h_{t-1} W_{hr} + b_{hr})"
        yield Stage("r", title, formula, "L, H", resets, "gate", of_r)
        title = "Update gate, what stays of the state"
        formula = r"z_t = \sigma(\text{rows}_t W_{iz} + b_{iz} + h_{t-1} W_{hz} + b_{hz})"
        yield Stage("z", title, formula, "L, H", updates, "gate", of_z)
        formula = r"n_t = \tanh(\text{rows}_t W_{in} + b_{in} + r_t \odot m_t)"
        formula += "\n" + r"m_t = h_{t-1} W_{hn} + b_{hn}"
        yield Stage("n", "Candidate for a new state", formula, "L, H", candidates, "candidate", of_n)
        formula = r"h_t = z_t \odot h_{t-1} + (1 - z_t) \odot n_t"
        yield Stage("h", "State after each character", formula, "L, H", states, "state")
        return h

    def plain_states(self) -> list[str]:
        return [
            f"h = torch.zeros({self.hidden_size})",
            "for x in p['C'][word]:",
            "    xr, xz, xn = (x @ p['W_ih'] + p['b_ih']).chunk(3)",
            "    hr, hz, hn = (h @ p['W_hh'] + p['b_hh']).chunk(3)",
            "    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)",
            "    h = z * h + (1 - z) * torch.tanh(xn + r * hn)",
        ]
