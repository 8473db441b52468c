"""Transformer: every character looks at those before it, and takes from them what it needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..fields import Whole, require
from .interface import Parameters, Shapes, Stage, Stages
from .lm_head import head_shapes
from .sequence import SequenceConfig
from .settings import CONTEXT_SIZE, DROPOUT, EMBEDDING_DIM

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from .prefix_tree import Levels


LAYERS = Whole(
    title="Layers",
    help="How many blocks follow one another: each is an attention layer, then a feed-forward layer.",
    unit="layers",
    low=1,
    high=12,
    stops=(1, 2, 3, 4),
    summary="{value} layers",
)
HEADS = Whole(
    title="Heads",
    help="How many attention patterns a layer computes in parallel, each on its own part of the embedding dimension.",
    unit="heads",
    low=1,
    high=32,
    stops=(1, 2, 4, 8),
    summary="{value} heads",
)


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(SequenceConfig):
    """A small decoder: causal self-attention and a GELU layer, each added to the stream after normalising it.

    A. Vaswani et al., "Attention Is All You Need", NIPS 2017; normalisation first, as in Radford et al., "Language
    Models are Unsupervised Multitask Learners" (2019). Positions are counted from the boundary that begins the word.
    """

    title = "Transformer"

    architecture: str = "transformer"
    context_size: int = CONTEXT_SIZE.field(16)
    embedding_dim: int = EMBEDDING_DIM.field(64)
    layers: int = LAYERS.field(4)
    heads: int = HEADS.field(4)
    dropout: float = DROPOUT.field(0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = self.embedding_dim % self.heads == 0
        require(fits, "embedding_dim", f"a multiple of heads ({self.heads})", self.embedding_dim)

    def shapes(self, vocab_size: int) -> Shapes:
        D = self.embedding_dim
        shapes: Shapes = {"C": (vocab_size, D), "wpe": (self.context_size, D)}  # characters and positions
        for n in range(1, self.layers + 1):
            shapes |= {f"ln1_gain{n}": (D,), f"ln1_bias{n}": (D,), f"W_attn{n}": (D, 3 * D), f"b_attn{n}": (3 * D,)}
            shapes |= {f"W_attn_proj{n}": (D, D), f"b_attn_proj{n}": (D,), f"ln2_gain{n}": (D,), f"ln2_bias{n}": (D,)}
            shapes |= {f"W_fc{n}": (D, 4 * D), f"b_fc{n}": (4 * D,)}
            shapes |= {f"W_mlp_proj{n}": (4 * D, D), f"b_mlp_proj{n}": (D,)}
        return shapes | {"lnf_gain": (D,), "lnf_bias": (D,)} | head_shapes(D, vocab_size)

    def spread(self, name: str, shape: tuple[int, ...]) -> float:
        if name in ("C", "wpe"):
            return 0.5  # together about 0.7, so that what the layers add counts from the start
        adds = name.startswith(("W_attn_proj", "W_mlp_proj"))  # 2 · layers of these add to the stream
        return super().spread(name, shape) / (math.sqrt(2 * self.layers) if adds else 1)

    def states(self, p: Parameters, levels: Levels, training: Generator | None = None) -> Tensor:
        import torch

        from .layers import activate, attend, dropout, layer_norm
        from .prefix_tree import rows

        depths = torch.cat([torch.full_like(parents, depth) for depth, (_, parents) in enumerate(levels)])
        h = rows(p["C"], torch.cat([characters for characters, _ in levels])) + rows(p["wpe"], depths)  # (M, D)
        for n in range(1, self.layers + 1):
            x = layer_norm(h) * p[f"ln1_gain{n}"] + p[f"ln1_bias{n}"]
            mixed = attend(x @ p[f"W_attn{n}"] + p[f"b_attn{n}"], self.heads, levels)
            h = h + dropout(mixed @ p[f"W_attn_proj{n}"] + p[f"b_attn_proj{n}"], self.dropout, training)
            x = layer_norm(h) * p[f"ln2_gain{n}"] + p[f"ln2_bias{n}"]
            x = activate("gelu", x @ p[f"W_fc{n}"] + p[f"b_fc{n}"]) @ p[f"W_mlp_proj{n}"] + p[f"b_mlp_proj{n}"]
            h = h + dropout(x, self.dropout, training)
        return layer_norm(h) * p["lnf_gain"] + p["lnf_bias"]

    def activations(self, length: float, *, training: bool) -> float:
        made = super().activations(length, training=training)
        if not training:
            return made / self.layers  # the others' are forgotten
        pairs = length * (length + 1) / 2  # of places, one of which attends to the other
        return made + self.layers * pairs * 2 * self.embedding_dim

    def state_stages(self, p: Parameters, rows: Tensor) -> Stages:
        from .layers import layer_norm

        s = rows + p["wpe"][: len(rows)]
        formula, weights = r"s_0 = \text{rows} + \text{wpe}_{1 \dots L}", {"wpe": ("place, D", p["wpe"])}
        yield Stage("s0", "Residual stream, with positions", formula, "L, D", s, "place", weights)
        for n in range(1, self.layers + 1):
            s = yield from self._attention(p, n, s)
            s = yield from self._feed_forward(p, n, s)
        h = layer_norm(s[-1]) * p["lnf_gain"] + p["lnf_bias"]
        formula = r"h_L = \text{norm}(s_{N,L}) \text{, of the last of } N \text{ layers}"
        weights = {"lnf_gain": ("D", p["lnf_gain"]), "lnf_bias": ("D", p["lnf_bias"])}
        yield Stage("h", "Last of the stream, normalised", formula, "D", h, "normalised", weights)
        return h

    def plain_states(self) -> list[str]:
        return [
            "F, L = torch.nn.functional, len(word)",
            "s = p['C'][word] + p['wpe'][:L]",
            f"for n in range(1, {self.layers + 1}):",
            "    x = F.layer_norm(s, s.shape[-1:]) * p[f'ln1_gain{n}'] + p[f'ln1_bias{n}']",
            "    qkv = x @ p[f'W_attn{n}'] + p[f'b_attn{n}']",
            f"    q, k, v = qkv.view(L, 3, {self.heads}, -1).permute(1, 2, 0, 3)",
            "    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1).flatten(1)",
            "    s = s + mixed @ p[f'W_attn_proj{n}'] + p[f'b_attn_proj{n}']",
            "    x = F.layer_norm(s, s.shape[-1:]) * p[f'ln2_gain{n}'] + p[f'ln2_bias{n}']",
            "    s = s + F.gelu(x @ p[f'W_fc{n}'] + p[f'b_fc{n}']) @ p[f'W_mlp_proj{n}'] + p[f'b_mlp_proj{n}']",
            "h = F.layer_norm(s[-1], s.shape[-1:]) * p['lnf_gain'] + p['lnf_bias']",
        ]

    def _attention(self, p: Parameters, n: int, s: Tensor) -> Stages:
        import torch

        from .layers import layer_norm

        x = layer_norm(s) * p[f"ln1_gain{n}"] + p[f"ln1_bias{n}"]
        q, k, v = (x @ p[f"W_attn{n}"] + p[f"b_attn{n}"]).unflatten(1, (3, self.heads, -1)).permute(1, 2, 0, 3)
        scores = q @ k.mT / math.sqrt(self.embedding_dim // self.heads)  # (heads, L, L)
        future = torch.ones(len(s), len(s), dtype=torch.bool).triu(1)
        attention = scores.masked_fill(future, -math.inf).softmax(2)
        formula = r"\text{attention}_n = \text{softmax}\Big(\frac{q k^\top}{\sqrt{D / \text{heads}}}\Big)"
        formula += "\n" + r"q, k, v = \text{norm}(s_{n-1}) W_\text{attn} + b_\text{attn}"
        letters = {f"W_attn{n}": "D, 3D", f"b_attn{n}": "3D", f"ln1_gain{n}": "D", f"ln1_bias{n}": "D"}
        weights = {name: (letter, p[name]) for name, letter in letters.items()}
        title = f"Attention weights of layer {n}"
        yield Stage(f"attention{n}", title, formula, "heads, L, L", attention, "attention", weights)
        mixed = (attention @ v).transpose(0, 1).flatten(1)
        formula = r"\text{mixed}_n = \text{attention}_n\,v \text{, head beside head}"
        yield Stage(f"mixed{n}", f"Heads of layer {n}, concatenated", formula, "L, D", mixed, "mixed")
        s = s + mixed @ p[f"W_attn_proj{n}"] + p[f"b_attn_proj{n}"]
        formula = r"a_n = s_{n-1} + \text{mixed}_n W_\text{attn\_proj} + b_\text{attn\_proj}"
        weights = {f"W_attn_proj{n}": ("D, D", p[f"W_attn_proj{n}"]), f"b_attn_proj{n}": ("D", p[f"b_attn_proj{n}"])}
        yield Stage(f"a{n}", f"Residual stream after attention {n}", formula, "L, D", s, "stream", weights)
        return s

    def _feed_forward(self, p: Parameters, n: int, s: Tensor) -> Stages:
        from .layers import activate, layer_norm

        x = layer_norm(s) * p[f"ln2_gain{n}"] + p[f"ln2_bias{n}"]
        up = activate("gelu", x @ p[f"W_fc{n}"] + p[f"b_fc{n}"])
        formula = r"\text{up}_n = \text{GELU}(\text{norm}(a_n) W_\text{fc} + b_\text{fc})"
        letters = {f"W_fc{n}": "D, 4D", f"b_fc{n}": "4D", f"ln2_gain{n}": "D", f"ln2_bias{n}": "D"}
        weights = {name: (letter, p[name]) for name, letter in letters.items()}
        yield Stage(f"up{n}", f"Feed-forward layer {n}, GELU", formula, "L, 4D", up, "gelu", weights)
        s = s + up @ p[f"W_mlp_proj{n}"] + p[f"b_mlp_proj{n}"]
        formula = r"s_n = a_n + \text{up}_n W_\text{mlp\_proj} + b_\text{mlp\_proj}"
        weights = {f"W_mlp_proj{n}": ("4D, D", p[f"W_mlp_proj{n}"]), f"b_mlp_proj{n}": ("D", p[f"b_mlp_proj{n}"])}
        yield Stage(f"s{n}", f"Residual stream after layer {n}", formula, "L, D", s, "stream", weights)
        return s
