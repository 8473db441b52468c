"""Transformer: every character looks at those before it, and takes from them what it needs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..fields import Choice, Flag, Whole, require
from .interface import Parameters, Shapes, Stage, Stages, Weights
from .lm_head import head_shapes
from .mlp import BENT
from .sequence import SequenceConfig
from .settings import ACTIVATION, CONTEXT_SIZE, DROPOUT, EMBEDDING_DIM

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
NORMALISATION = Choice(
    title="Normalisation",
    help="Of what each layer reads of the residual stream. *Layer*: subtract the mean, divide by the standard "
    "deviation, then a learned gain and bias; the logits read it so too. *RMS*: divide by the root of the mean square, "
    "nothing learned; the embeddings are normalised so as well, and what the logits read is not, as in microgpt.",
    options={"layer": "Layer", "rms": "RMS"},
    stops=("layer", "rms"),
    summary="{title} normalisation",
    usual="layer",
    more=True,
)
BIAS = Flag(
    title="Biases",
    help="Whether layers and normalisations add learned numbers to what they compute. Off in microgpt: fewer "
    "parameters.",
    stops=(True, False),
    summary="no biases",
    usual=True,
    more=True,
)

RMS = r"\text{norm}(x) = x \big/ \sqrt{\overline{x^2}}"
PLAIN = {"tanh": "torch.tanh", "relu": "torch.relu", "gelu": "F.gelu"}


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(SequenceConfig):
    """A small decoder: causal self-attention and a feed-forward layer, each adding to a stream read normalised.

    A. Vaswani et al., "Attention Is All You Need", NIPS 2017; normalisation first, as in Radford et al., "Language
    Models are Unsupervised Multitask Learners" (2019). Positions are counted from the boundary that begins the word.
    With RMS normalisation, ReLU and no biases it is A. Karpathy's microgpt (2026), tensor for tensor.
    """

    title = "Transformer"

    architecture: str = "transformer"
    context_size: int = CONTEXT_SIZE.field(16)
    embedding_dim: int = EMBEDDING_DIM.field(64)
    layers: int = LAYERS.field(4)
    heads: int = HEADS.field(4)
    normalisation: str = NORMALISATION.field("layer")
    activation: str = replace(ACTIVATION, usual="gelu").field("gelu")
    bias: bool = BIAS.field(True)
    dropout: float = DROPOUT.field(0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = self.embedding_dim % self.heads == 0
        require(fits, "embedding_dim", f"a multiple of heads ({self.heads})", self.embedding_dim)

    def shapes(self, vocab_size: int) -> Shapes:
        D = self.embedding_dim
        shapes: Shapes = {"C": (vocab_size, D), "wpe": (self.context_size, D)}  # characters and positions
        for n in range(1, self.layers + 1):
            shapes |= self._norm_shapes("ln1", n) | self._linear_shapes("attn", n, D, 3 * D)
            shapes |= self._linear_shapes("attn_proj", n, D, D) | self._norm_shapes("ln2", n)
            shapes |= self._linear_shapes("fc", n, D, 4 * D) | self._linear_shapes("mlp_proj", n, 4 * D, D)
        return shapes | self._norm_shapes("lnf", "") | head_shapes(D, vocab_size, bias=self.bias)

    def _linear_shapes(self, name: str, n: int, fan_in: int, fan_out: int) -> Shapes:
        return {f"W_{name}{n}": (fan_in, fan_out)} | ({f"b_{name}{n}": (fan_out,)} if self.bias else {})

    def _norm_shapes(self, name: str, n: int | str) -> Shapes:
        learned = () if self.normalisation == "rms" else ("gain", "bias") if self.bias else ("gain",)
        return {f"{name}_{part}{n}": (self.embedding_dim,) for part in learned}

    def spread(self, name: str, shape: tuple[int, ...]) -> float:
        if self.normalisation == "rms":
            return 0.08  # of every tensor, as in microgpt
        if name in ("C", "wpe"):
            return 0.5  # together about 0.7, so that what the layers add counts from the start
        adds = name.startswith(("W_attn_proj", "W_mlp_proj"))  # 2 · layers of these add to the stream
        return super().spread(name, shape) / (math.sqrt(2 * self.layers) if adds else 1)

    def states(self, p: Parameters, levels: Levels, training: Generator | None = None) -> Tensor:
        import torch

        from .layers import activate, attend, dropout
        from .prefix_tree import rows

        depths = torch.cat([torch.full_like(parents, depth) for depth, (_, parents) in enumerate(levels)])
        h = rows(p["C"], torch.cat([characters for characters, _ in levels])) + rows(p["wpe"], depths)  # (M, D)
        h = self._begun(h)
        for n in range(1, self.layers + 1):
            mixed = attend(self._linear(p, "attn", n, self._read(p, "ln1", n, h)), self.heads, levels)
            h = h + dropout(self._linear(p, "attn_proj", n, mixed), self.dropout, training)
            up = activate(self.activation, self._linear(p, "fc", n, self._read(p, "ln2", n, h)))
            h = h + dropout(self._linear(p, "mlp_proj", n, up), self.dropout, training)
        return h if self.normalisation == "rms" else self._read(p, "lnf", "", h)

    def _begun(self, s: Tensor) -> Tensor:
        """Embeddings as the stream begins with them."""
        from .layers import rms_norm

        return rms_norm(s) if self.normalisation == "rms" else s

    def _read(self, p: Parameters, name: str, n: int | str, s: Tensor) -> Tensor:
        """What a layer reads of the stream: normalised, with what the normalisation has learned."""
        from .layers import layer_norm, rms_norm

        if self.normalisation == "rms":
            return rms_norm(s)
        x = layer_norm(s) * p[f"{name}_gain{n}"]
        return x + p[f"{name}_bias{n}"] if self.bias else x

    def _linear(self, p: Parameters, name: str, n: int, x: Tensor) -> Tensor:
        x = x @ p[f"W_{name}{n}"]
        return x + p[f"b_{name}{n}"] if self.bias else x

    def activations(self, length: float, *, training: bool) -> float:
        made = super().activations(length, training=training)
        if not training:
            return made / self.layers  # the others' are forgotten
        pairs = length * (length + 1) / 2  # of places, one of which attends to the other
        return made + self.layers * pairs * 2 * self.embedding_dim

    def state_stages(self, p: Parameters, rows: Tensor) -> Stages:
        s = rows + p["wpe"][: len(rows)]
        rms, places = self.normalisation == "rms", {"wpe": ("place, D", p["wpe"])}
        name, said = ("places", r"\text{places}") if rms else ("s0", "s_0")
        formula = rf"{said} = \text{{rows}} + \text{{wpe}}_{{1 \dots L}}"
        title = "Rows, with positions" if rms else "Residual stream, with positions"
        yield Stage(name, title, formula, "L, D", s, "place", places)
        if rms:
            s, formula = self._begun(s), r"s_0 = \text{norm}(\text{places})" + "\n" + RMS
            yield Stage("s0", "Residual stream, normalised", formula, "L, D", s, "rms")
        for n in range(1, self.layers + 1):
            s = yield from self._attention(p, n, s)
            s = yield from self._feed_forward(p, n, s)
        if rms:
            h, formula = s[-1], r"h_L = s_{N,L} \text{, of the last of } N \text{ layers}"
            yield Stage("h", "Last of the stream", formula, "D", h, "last")
            return h
        h = self._read(p, "lnf", "", s[-1])
        formula = r"h_L = \text{norm}(s_{N,L}) \text{, of the last of } N \text{ layers}"
        yield Stage("h", "Last of the stream, normalised", formula, "D", h, "normalised", self._weights(p, "lnf", ""))
        return h

    def _weights(self, p: Parameters, norm: str, n: int | str, linear: str = "", letters: str = "") -> Weights:
        """What a stage is made with: a linear layer's tensors, and those of the normalisation it reads through."""
        found = {}
        if linear:
            found = {f"W_{linear}{n}": letters, f"b_{linear}{n}": letters.split(", ")[1]}
        found |= {f"{norm}_gain{n}": "D", f"{norm}_bias{n}": "D"}
        return {name: (letter, p[name]) for name, letter in found.items() if name in p}

    def plain_states(self) -> list[str]:
        rms, function = self.normalisation == "rms", PLAIN[self.activation]
        norm = "F.rms_norm({}, s.shape[-1:], eps=1e-5)" if rms else "F.layer_norm({}, s.shape[-1:])"
        fc, read = self._plain_linear("x", "fc"), norm.format("s")
        return [
            "F, L = torch.nn.functional, len(word)",
            "s = p['C'][word] + p['wpe'][:L]",
            *([f"s = {read}"] if rms else []),
            f"for n in range(1, {self.layers + 1}):",
            f"    x = {read}{self._plain_learned('ln1')}",
            f"    qkv = {self._plain_linear('x', 'attn')}",
            f"    q, k, v = qkv.view(L, 3, {self.heads}, -1).permute(1, 2, 0, 3)",
            "    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1).flatten(1)",
            f"    s = s + {self._plain_linear('mixed', 'attn_proj')}",
            f"    x = {read}{self._plain_learned('ln2')}",
            f"    s = s + {self._plain_linear(f'{function}({fc})', 'mlp_proj')}",
            f"h = {'s[-1]' if rms else norm.format('s[-1]') + self._plain_learned('lnf', '')}",
        ]

    def _plain_learned(self, name: str, n: str = "{n}") -> str:
        learned, f = self._norm_shapes(name, n), "f" if n else ""
        signs = {f"{name}_gain{n}": "*", f"{name}_bias{n}": "+"}
        return "".join(f" {sign} p[{f}'{tensor}']" for tensor, sign in signs.items() if tensor in learned)

    def _plain_linear(self, x: str, name: str) -> str:
        return f"{x} @ p[f'W_{name}{{n}}']" + (f" + p[f'b_{name}{{n}}']" if self.bias else "")

    def _attention(self, p: Parameters, n: int, s: Tensor) -> Stages:
        import torch

        x = self._read(p, "ln1", n, s)
        q, k, v = self._linear(p, "attn", n, x).unflatten(1, (3, self.heads, -1)).permute(1, 2, 0, 3)
        scores = q @ k.mT / math.sqrt(self.embedding_dim // self.heads)  # (heads, L, L)
        future = torch.ones(len(s), len(s), dtype=torch.bool).triu(1)
        attention = scores.masked_fill(future, -math.inf).softmax(2)
        formula = r"\text{attention}_n = \text{softmax}\Big(\frac{q k^\top}{\sqrt{D / \text{heads}}}\Big)"
        formula += "\n" + r"q, k, v = \text{norm}(s_{n-1}) W_\text{attn}" + self._said_bias("attn")
        weights = self._weights(p, "ln1", n, "attn", "D, 3D")
        title = f"Attention weights of layer {n}"
        yield Stage(f"attention{n}", title, formula, "heads, L, L", attention, "attention", weights)
        mixed = (attention @ v).transpose(0, 1).flatten(1)
        formula = r"\text{mixed}_n = \text{attention}_n\,v \text{, head beside head}"
        yield Stage(f"mixed{n}", f"Heads of layer {n}, concatenated", formula, "L, D", mixed, "mixed")
        s = s + self._linear(p, "attn_proj", n, mixed)
        formula = r"a_n = s_{n-1} + \text{mixed}_n W_\text{attn\_proj}" + self._said_bias(r"attn\_proj")
        weights = self._weights(p, "", n, "attn_proj", "D, D")
        yield Stage(f"a{n}", f"Residual stream after attention {n}", formula, "L, D", s, "stream", weights)
        return s

    def _feed_forward(self, p: Parameters, n: int, s: Tensor) -> Stages:
        from .layers import activate

        kind = self.activation
        up = activate(kind, self._linear(p, "fc", n, self._read(p, "ln2", n, s)))
        formula = rf"\text{{up}}_n = {BENT[kind]}\text{{norm}}(a_n) W_\text{{fc}}{self._said_bias('fc')})"
        title, weights = f"Feed-forward layer {n}, {ACTIVATION.said(kind)}", self._weights(p, "ln2", n, "fc", "D, 4D")
        yield Stage(f"up{n}", title, formula, "L, 4D", up, kind, weights)
        s = s + self._linear(p, "mlp_proj", n, up)
        formula = r"s_n = a_n + \text{up}_n W_\text{mlp\_proj}" + self._said_bias(r"mlp\_proj")
        weights = self._weights(p, "", n, "mlp_proj", "4D, D")
        yield Stage(f"s{n}", f"Residual stream after layer {n}", formula, "L, D", s, "stream", weights)
        return s

    def _said_bias(self, name: str) -> str:
        return rf" + b_\text{{{name}}}" if self.bias else ""
