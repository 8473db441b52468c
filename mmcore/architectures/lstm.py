"""Long short-term memory: a recurrent network with a cell that gates keep, add to and show."""

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
class LSTMConfig(SequenceConfig):
    """``c_t = f ⊙ c_{t-1} + i ⊙ g``, ``h_t = o ⊙ tanh(c_t)``; i, f, o gates and g a candidate, of x and h.

    ``W_ii, W_if, W_io, W_ig`` are the columns of ``W_ih``, in this order (PyTorch's is i, f, g, o).

    S. Hochreiter, J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997); the forget gate of Gers et
    al. (2000), and its bias that starts at 1 from Jozefowicz et al. (2015).
    """

    title = "LSTM"

    architecture: str = "lstm"
    context_size: int = CONTEXT_SIZE.field(16)
    embedding_dim: int = EMBEDDING_DIM.field(32)
    hidden_size: int = HIDDEN_SIZE.field(128)
    dropout: float = DROPOUT.field(0.0)  # of what the output sees, not of the next step (Zaremba et al. 2014)
    state_dropout: float = STATE_DROPOUT.field(0.0)  # so that memory itself stays (Semeniuta et al. 2016)

    def shapes(self, vocab_size: int) -> Shapes:
        D, H = self.embedding_dim, self.hidden_size  # columns of the four: i, f, o, g
        shapes = {"C": (vocab_size, D), "W_ih": (D, 4 * H), "b_ih": (4 * H,), "W_hh": (H, 4 * H)}
        return {**shapes, **head_shapes(H, vocab_size)}

    def states(self, p: Parameters, levels: Levels, training: Generator | None = None) -> Tensor:
        import torch

        from .layers import dropout
        from .prefix_tree import rows

        inputs = p["C"] @ p["W_ih"] + p["b_ih"]  # (V, 4H): there are no others
        h = c = inputs.new_zeros(1, p["W_hh"].shape[0])
        states = []
        for characters, parents in levels:
            i, f, o, g = (rows(inputs, characters) + rows(h, parents) @ p["W_hh"]).chunk(4, 1)
            added = dropout(torch.tanh(g), self.state_dropout, training)
            c = torch.sigmoid(f + 1) * rows(c, parents) + torch.sigmoid(i) * added
            h = torch.sigmoid(o) * torch.tanh(c)  # (n, H)
            states.append(h)
        return dropout(torch.cat(states), self.dropout, training)

    def state_stages(self, p: Parameters, rows: Tensor) -> Stages:
        import torch

        W_ih, b_ih, W_hh = (p[name].chunk(4, -1) for name in ("W_ih", "b_ih", "W_hh"))
        h = c = rows.new_zeros(self.hidden_size)
        steps = []
        for x in rows:
            i, f, o, g = (x @ W + b + h @ U for W, b, U in zip(W_ih, b_ih, W_hh, strict=True))
            i, f, o, g = torch.sigmoid(i), torch.sigmoid(f + 1), torch.sigmoid(o), torch.tanh(g)
            c = f * c + i * g
            h = o * torch.tanh(c)
            steps.append((i, f, o, g, c, h))
        of_i, of_f, of_o, of_g = gate_weights("ifog", W_ih=W_ih, b_ih=b_ih, W_hh=W_hh)
        lets_in, keeps, shows, candidates, cells, states = zip(*steps, strict=True)
        formula = rf"i_t = \sigma({gate_sum('i')})"
        yield Stage("i", "Input gate, what is let into the cell", formula, "L, H", lets_in, "gate", of_i)
        formula = rf"f_t = \sigma({gate_sum('f')} + 1)"
        yield Stage("f", "Forget gate, what stays in the cell", formula, "L, H", keeps, "gate", of_f)
        formula = rf"o_t = \sigma({gate_sum('o')})"
        yield Stage("o", "Output gate, what the cell shows", formula, "L, H", shows, "gate", of_o)
        formula = rf"g_t = \tanh({gate_sum('g')})"
        yield Stage("g", "Candidate for the cell", formula, "L, H", candidates, "candidate", of_g)
        formula = r"c_t = f_t \odot c_{t-1} + i_t \odot g_t"
        yield Stage("c", "Cell after each character", formula, "L, H", cells, "cell")
        formula = r"h_t = o_t \odot \tanh(c_t)"
        yield Stage("h", "State after each character", formula, "L, H", states, "state")
        return h

    def plain_states(self) -> list[str]:
        return [
            f"h = c = torch.zeros({self.hidden_size})",
            "for x in p['C'][word]:",
            "    i, f, o, g = (x @ p['W_ih'] + p['b_ih'] + h @ p['W_hh']).chunk(4)",
            "    c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(g)",
            "    h = torch.sigmoid(o) * torch.tanh(c)",
        ]


def gate_sum(gate: str) -> str:
    """What goes into a gate, in LaTeX."""
    return rf"\text{{rows}}_t W_{{i{gate}}} + b_{{i{gate}}} + h_{{t-1}} W_{{h{gate}}}"
