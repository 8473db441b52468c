"""The transformer's gradients, derived by hand: its layers one after another, and back in the reverse order.

What a layer adds to the stream leaves the stream's own gradient as it is: ``s' = s + f(s)`` has ``ds = ds' + df``.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ..architectures.interface import Parameters
from ..architectures.prefix_tree import Tree
from ..architectures.transformer import TransformerConfig
from .attention import Attention, Pairs
from .layers import Activation, Layer, LayerNorm, Linear, RMSNorm
from .passes import Dropout, Pass, by_character


class TransformerPass(Pass[TransformerConfig]):
    """The stream from the embeddings to what the head reads, and its gradients."""

    def __init__(self, config: TransformerConfig, p: Parameters, g: Parameters) -> None:
        super().__init__(config, p, g)
        self.attention = [Attention(config.heads, p["C"]) for _ in range(config.layers)]
        self.branches: list[list[Layer]] = []  # each is read from the stream and added to it
        self.drops: list[Dropout] = []
        for n, attention in enumerate(self.attention, start=1):
            self._branch(f"ln1_{{}}{n}", f"attn{n}", attention, f"attn_proj{n}")
            self._branch(f"ln2_{{}}{n}", f"fc{n}", Activation(config.activation), f"mlp_proj{n}")
        rms = config.normalisation == "rms"
        self.first: Layer | None = RMSNorm() if rms else None
        self.last: Layer | None = None if rms else self._norm("lnf_{}")

    def _norm(self, name: str) -> Layer:
        if self.config.normalisation == "rms":
            return RMSNorm()
        return LayerNorm(self.p, self.g, name.format("gain"), name.format("bias"))

    def _branch(self, norm: str, up: str, middle: Layer, down: str) -> None:
        linear, drop = [Linear(self.p, self.g, name) for name in (up, down)], Dropout(self.config.dropout)
        self.branches.append([self._norm(norm), linear[0], middle, linear[1], drop])
        self.drops.append(drop)

    def forward(self, tree: Tree, training: Generator | None) -> Tensor:
        self.tree, pairs = tree, Pairs(tree)
        for attention in self.attention:
            attention.pairs = pairs
        for drop in self.drops:
            drop.generator = training
        s = self.p["C"].index_select(0, tree.characters)  # (M, D)
        for level, place in zip(s.split(tree.sizes), self.p["wpe"], strict=False):
            level.add_(place)
        s = s if self.first is None else self.first.forward(s)
        for branch in self.branches:
            added = s
            for layer in branch:
                added = layer.forward(added)
            s = s + added
        return s if self.last is None else self.last.forward(s)

    def backward(self, dstates: Tensor) -> None:
        ds = dstates if self.last is None else self.last.backward(dstates)
        for branch in reversed(self.branches):
            d = ds
            for layer in reversed(branch):
                d = layer.backward(d)
            ds = ds + d
        ds = ds if self.first is None else self.first.backward(ds)
        self.g["C"].copy_(by_character(self.tree, ds, len(self.p["C"])))
        self.g["wpe"].zero_()
        for level, place in zip(ds.split(self.tree.sizes), self.g["wpe"], strict=False):
            torch.sum(level, 0, out=place)
