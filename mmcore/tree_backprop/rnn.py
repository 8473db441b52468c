"""The RNN's gradients, derived by hand.

With a character's row x of the table ``F = C · W_ih + b_ih`` (V, H), and the state h that a prefix continues::

    h' = tanh(x + h · W_hh)

Backward, from the gradient dh' of a state::

    da   = dh' ⊙ (1 − h'²)        of what the tanh was of, and of x
    dh   = Σ over those that continue h of  da · W_hhᵀ
    dW_hh = hᵀ · Σ over those that continue h of  da
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ..architectures.interface import Parameters
from ..architectures.layers import tanh_
from ..architectures.prefix_tree import Tree
from ..architectures.rnn import RNNConfig
from .passes import Dropout, Pass, by_character, table, table_backward, tanh_backward


class RNNPass(Pass[RNNConfig]):
    """States and their gradients, level by level."""

    def __init__(self, config: RNNConfig, p: Parameters, g: Parameters) -> None:
        super().__init__(config, p, g)
        self.seen = Dropout(config.dropout)  # by the head

    def forward(self, tree: Tree, training: Generator | None) -> Tensor:
        W, inputs = self.p["W_hh"], table(self.p)
        self.tree, self.states = tree, inputs.new_zeros(len(tree) + 1, len(W))
        torch.index_select(inputs, 0, tree.characters, out=self.states[1:])
        self.read = inputs.new_empty(len(tree.continued), len(W))
        products = torch.empty_like(self.read)
        for (continued, read, product), (above, state) in zip(
            tree.split_continued(tree.continued, self.read, products),
            tree.split(tree.above, self.states[1:]),
            strict=True,
        ):
            torch.index_select(self.states, 0, continued, out=read)
            torch.mm(read, W, out=product)
            tanh_(state.add_(products.index_select(0, above)))
        self.seen.generator = training
        return self.seen.forward(self.states[1:])

    def backward(self, dstates: Tensor) -> None:
        dstates = self.seen.backward(dstates)
        tree, W = self.tree, self.p["W_hh"].T
        dh = torch.cat([torch.zeros_like(dstates[:1]), dstates])
        dproducts = torch.zeros_like(self.read)
        for (continued, dproduct), (above, state, d) in zip(
            reversed(tree.split_continued(tree.continued, dproducts)),
            reversed(tree.split(tree.above, self.states[1:], dh[1:])),
            strict=True,
        ):
            dproducts.index_add_(0, above, tanh_backward(d, state, grad_input=d))
            dh.index_add_(0, continued, dproduct @ W)
        torch.mm(self.read.T, dproducts, out=self.g["W_hh"])
        table_backward(self.p, self.g, by_character(tree, dh[1:], len(self.p["C"])))
