"""Long short-term memory: a recurrent network with a cell that is only added to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..family import Parameters, Shapes
from .sequence import SequenceConfig, head

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True, kw_only=True)
class LSTMConfig(SequenceConfig):
    """``c_t = f ⊙ c_{t-1} + i ⊙ g``, ``h_t = o ⊙ tanh(c_t)``; i, f, o gates and g a candidate, of x and h.

    S. Hochreiter, J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997); the forget gate of Gers et
    al. (2000), and its bias that starts at 1 from Jozefowicz et al. (2015).
    """

    title = "LSTM"

    architecture: str = "lstm"
    context_size: int = 16
    embedding_dim: int = 32
    hidden_size: int = 128
    dropout: float = 0.0  # of what the output sees, not of what the next step does (Zaremba et al. 2014)

    def shapes(self, vocab_size: int) -> Shapes:
        D, H = self.embedding_dim, self.hidden_size  # columns of the four: i, f, o, g
        shapes = {"C": (vocab_size, D), "Wx": (D, 4 * H), "bx": (4 * H,), "Wh": (H, 4 * H)}
        return {**shapes, **head(H, vocab_size)}

    def states(self, p: Parameters, contexts: Tensor, training: Generator | None = None) -> Tensor:
        import torch

        from ..layers import dropout

        inputs = (p["C"] @ p["Wx"] + p["bx"])[contexts]  # (B, T, 4H): looked up, as there are only V of them
        goes_on = (contexts != 0)[:, :, None]  # false where a word begins
        h = c = inputs.new_zeros(len(contexts), p["Wh"].shape[0])
        states = []
        for t in range(contexts.shape[1]):
            h, c = h * goes_on[:, t], c * goes_on[:, t]
            i, f, o, g = (inputs[:, t] + h @ p["Wh"]).chunk(4, 1)
            c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)  # (B, H)
            states.append(h)
        return dropout(torch.stack(states, 1), self.dropout, training)
