"""Transformer: every character looks at those before it, and takes from them what it needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..family import Parameters, Shapes
from ..fields import require
from .sequence import SequenceConfig, head

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from ..layers import Levels


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(SequenceConfig):
    """A small decoder: causal self-attention and a GELU layer, each added to the stream after normalising it.

    A. Vaswani et al., "Attention Is All You Need", NIPS 2017; normalisation first, as in Radford et al., "Language
    Models are Unsupervised Multitask Learners" (2019). Positions are counted from the boundary that begins the word.
    """

    title = "Transformer"

    architecture: str = "transformer"
    context_size: int = 16
    embedding_dim: int = 64
    layers: int = 4
    heads: int = 4
    dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = self.embedding_dim % self.heads == 0
        require(fits, "embedding_dim", f"a multiple of heads ({self.heads})", self.embedding_dim)

    def shapes(self, vocab_size: int) -> Shapes:
        D = self.embedding_dim
        shapes: Shapes = {"C": (vocab_size, D), "P": (self.context_size, D)}  # characters and positions
        for n in range(1, self.layers + 1):
            shapes |= {f"gain_attend{n}": (D,), f"b_attend{n}": (D,), f"Wqkv{n}": (D, 3 * D), f"bqkv{n}": (3 * D,)}
            shapes |= {f"Wmix{n}": (D, D), f"bmix{n}": (D,), f"gain_think{n}": (D,), f"b_think{n}": (D,)}
            shapes |= {f"Wup{n}": (D, 4 * D), f"bup{n}": (4 * D,), f"Wdown{n}": (4 * D, D), f"bdown{n}": (D,)}
        return shapes | {"gain_last": (D,), "b_last": (D,)} | head(D, vocab_size)

    def spread(self, name: str, shape: tuple[int, ...]) -> float:
        if name in ("C", "P"):
            return 0.5  # together about 0.7, so that what the layers add counts from the start
        adds = name.startswith(("Wmix", "Wdown"))  # 2 · layers of these add to the stream
        return super().spread(name, shape) / (math.sqrt(2 * self.layers) if adds else 1)

    def states(self, p: Parameters, levels: Levels, training: Generator | None = None) -> Tensor:
        import torch

        from ..layers import activate, attend, dropout, layer_norm, rows

        depths = torch.cat([torch.full_like(parents, depth) for depth, (_, parents) in enumerate(levels)])
        h = rows(p["C"], torch.cat([characters for characters, _ in levels])) + rows(p["P"], depths)  # (M, D)
        for n in range(1, self.layers + 1):
            x = layer_norm(h) * p[f"gain_attend{n}"] + p[f"b_attend{n}"]
            mixed = attend(x @ p[f"Wqkv{n}"] + p[f"bqkv{n}"], self.heads, levels)
            h = h + dropout(mixed @ p[f"Wmix{n}"] + p[f"bmix{n}"], self.dropout, training)
            x = layer_norm(h) * p[f"gain_think{n}"] + p[f"b_think{n}"]
            x = activate("gelu", x @ p[f"Wup{n}"] + p[f"bup{n}"]) @ p[f"Wdown{n}"] + p[f"bdown{n}"]
            h = h + dropout(x, self.dropout, training)
        return layer_norm(h) * p["gain_last"] + p["b_last"]
