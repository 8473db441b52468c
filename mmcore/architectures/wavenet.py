"""WaveNet: neighbours are fused two by two, until one vector stands for the whole context."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..fields import require
from .interface import ModelConfig, Parameters, Shapes, Stage, hidden_shapes, look_up
from .lm_head import head_logits, head_shapes, head_stage, plain_head
from .mlp import GAIN, hidden_layer, plain_layer
from .settings import ACTIVATION, CONTEXT_SIZE, DROPOUT, EMBEDDING_DIM, HIDDEN_SIZE, NORMALISATION

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True, kw_only=True)
class WaveNetConfig(ModelConfig):
    """The tree of dilated causal convolutions, without its gates and residual connections.

    A. van den Oord et al., "WaveNet: A Generative Model for Raw Audio" (2016), as in the lecture series' fifth part:
    layer after layer, ``h ← tanh(norm([h_left, h_right] W))`` halves the length, log₂ T times.
    """

    title = "WaveNet"

    architecture: str = "wavenet"
    context_size: int = CONTEXT_SIZE.field(8)
    embedding_dim: int = EMBEDDING_DIM.field(24)
    hidden_size: int = HIDDEN_SIZE.field(128)
    activation: str = ACTIVATION.field("tanh")
    normalisation: str = NORMALISATION.field("batch")
    dropout: float = DROPOUT.field(0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        power = self.context_size > 1 and self.context_size.bit_count() == 1
        require(power, "context_size", "a power of two from 2, as neighbours are fused in pairs", self.context_size)

    def shapes(self, vocab_size: int) -> Shapes:
        H, size = self.hidden_size, self.embedding_dim
        shapes: Shapes = {"C": (vocab_size, size)}
        for layer in range(1, self.context_size.bit_length()):
            shapes |= hidden_shapes(self.normalisation, layer, 2 * size, H)
            size = H
        return shapes | head_shapes(H, vocab_size)

    def spread(self, name: str, shape: tuple[int, ...]) -> float:
        hidden = name not in ("C", "W_lm_head")
        return GAIN[self.activation] / math.sqrt(shape[0]) if hidden else super().spread(name, shape)

    def logits(self, p: Parameters, contexts: Tensor, training: Generator | None = None) -> Tensor:
        from .layers import activate, biased, dropout

        h = p["C"][contexts]  # (B, T, D)
        for layer in range(1, self.context_size.bit_length()):
            pairs = h.unflatten(1, (-1, 2)).flatten(2)  # half as many, twice as long
            z = biased(self.normalisation, pairs @ p[f"W{layer}"], p, layer, training)
            h = dropout(activate(self.activation, z), self.dropout, training)
        return head_logits(p, h[:, 0])

    def activations(self, length: float, *, training: bool) -> float:
        halved = self.context_size - 1  # the places of all layers together: T/2 + T/4 + … + 1
        made = self.context_size * self.embedding_dim + halved * self.hidden_size
        return made * (1 if self.normalisation == "none" else 2)

    def forward_stages(self, p: Parameters, ids: Tensor) -> Iterator[Stage]:
        h = yield from look_up(p, ids, "T")
        for layer in range(1, self.context_size.bit_length()):
            name, width = (f"h_{{{layer - 1},", "2H") if layer > 1 else (r"\text{rows}_{", "2D")
            said, letters = f"[{name}2t-1}}, {name}2t}}]", (f"T/{2**layer}, H", f"{width}, H")
            pairs = h.unflatten(0, (-1, 2)).flatten(1)
            h = yield from hidden_layer(p, layer, pairs, said, letters, self.normalisation, self.activation)
        yield head_stage(p, h[0], f"h_{layer}")

    def plain_lines(self) -> list[str]:
        lines = [f"h = p['C'][ids[-{self.context_size}:]]"]
        for layer in range(1, self.context_size.bit_length()):
            lines.append("h = h.view(len(h) // 2, -1)  # half as many, twice as long")
            lines += plain_layer(layer, "h", self.normalisation, self.activation)
        return [*lines, plain_head(self.shapes(1), "h[0]")]
