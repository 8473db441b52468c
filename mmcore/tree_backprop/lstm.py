"""The LSTM's gradients, derived by hand.

With a character's row x of the table ``F = C · W_ih + b_ih`` (V, 4H), and the state h and the cell c that a prefix
continues::

    a = x + h · W_hh              four parts
    i = σ(a_i)    f = σ(a_f + 1)    o = σ(a_o)    g = tanh(a_g)
    c' = f ⊙ c + i ⊙ g            h' = o ⊙ tanh(c')

Backward, from the gradients dh' of a state and dc' of its cell in those that continue it::

    dc' += dh' ⊙ o ⊙ (1 − tanh²(c'))
    da_i = dc' ⊙ g ⊙ i ⊙ (1 − i)        da_f = dc' ⊙ c ⊙ f ⊙ (1 − f)
    da_o = dh' ⊙ tanh(c') ⊙ o ⊙ (1 − o)        da_g = dc' ⊙ i ⊙ (1 − g²)
    dc   = Σ over those that continue it of  dc' ⊙ f
    dh   = Σ over those that continue it of  da · W_hhᵀ

With dropout of the state, g is dropped after the tanh, and so is what comes back before it.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ..architectures.interface import Parameters
from ..architectures.layers import dropout_mask, tanh_
from ..architectures.lstm import LSTMConfig
from ..architectures.prefix_tree import Tree
from .passes import Dropout, Pass, by_character, sigmoid_backward, table, table_backward, tanh_backward


class LSTMPass(Pass[LSTMConfig]):
    """States and their gradients, level by level."""

    def __init__(self, config: LSTMConfig, p: Parameters, g: Parameters) -> None:
        super().__init__(config, p, g)
        self.seen = Dropout(config.dropout)  # by the head

    def forward(self, tree: Tree, training: Generator | None) -> Tensor:
        W, H = self.p["W_hh"], self.config.hidden_size
        rate = self.config.state_dropout if training is not None else 0.0
        inputs = table(self.p)
        inputs[:, H : 2 * H] += 1
        self.tree, self.gates = tree, inputs.index_select(0, tree.characters)  # (M, 4H): i, f, o, g
        self.states, self.cells = (inputs.new_zeros(len(tree) + 1, H) for _ in range(2))
        self.bent = torch.empty_like(self.states[1:])  # tanh(c)
        self.read, products = (inputs.new_empty(len(tree.continued), size) for size in (H, 4 * H))
        self.masks, self.before = list[Tensor | None](), list[Tensor]()
        of_parents = tree.split_continued(tree.continued, self.read, products)
        made = self.states[1:], self.cells[1:], self.bent
        rows = tree.split(tree.parents, tree.above, self.gates, *_columns(self.gates), *made)
        for (continued, read, product), level in zip(of_parents, rows, strict=True):
            parents, above, gates, ifo, i, f, o, g, state, cell, bent = level
            torch.index_select(self.states, 0, continued, out=read)
            torch.mm(read, W, out=product)
            gates.add_(products.index_select(0, above))
            ifo.sigmoid_()
            tanh_(g)
            mask = dropout_mask(state, rate, training) if training is not None and rate else None
            before = self.cells.index_select(0, parents)
            torch.mul(i, g if mask is None else g * mask, out=cell).addcmul_(f, before)
            torch.mul(tanh_(bent.copy_(cell)), o, out=state)
            self.masks.append(mask)
            self.before.append(before)
        self.seen.generator = training
        return self.seen.forward(self.states[1:])

    def backward(self, dstates: Tensor) -> None:
        dstates = self.seen.backward(dstates)
        p, tree, W = self.p, self.tree, self.p["W_hh"].T
        dh = torch.cat([torch.zeros_like(dstates[:1]), dstates])
        dc, da = torch.zeros_like(dh), torch.empty_like(self.gates)
        dproducts = da.new_zeros(len(tree.continued), da.shape[1])
        values = *_columns(self.gates), self.bent
        rows = tree.split(tree.parents, tree.above, *values, dh[1:], dc[1:], da, *_columns(da))
        of_parents = tree.split_continued(tree.continued, dproducts)
        for (continued, dproduct), level, mask, before in zip(
            reversed(of_parents), reversed(rows), reversed(self.masks), reversed(self.before), strict=True
        ):
            parents, above, ifo, i, f, o, g, bent, dstate, dcell, dgates, difo, di, df, do, dg = level
            torch.mul(dstate, bent, out=do)
            dcell.add_(tanh_backward(dstate.mul_(o), bent, grad_input=dstate))
            torch.mul(dcell, i, out=dg)
            torch.mul(dcell, g, out=di)
            if mask is not None:
                dg.mul_(mask)
                di.mul_(mask)
            torch.mul(dcell, before, out=df)
            dc.index_add_(0, parents, dcell * f)
            sigmoid_backward(difo, ifo, grad_input=difo)
            tanh_backward(dg, g, grad_input=dg)
            dproducts.index_add_(0, above, dgates)
            dh.index_add_(0, continued, dproduct @ W)
        torch.mm(self.read.T, dproducts, out=self.g["W_hh"])
        table_backward(p, self.g, by_character(tree, da, len(p["C"])))


def _columns(gates: Tensor) -> tuple[Tensor, ...]:
    """The three gates, and each of the four parts."""
    i, f, o, g = gates.chunk(4, 1)
    return gates[:, : 3 * i.shape[1]], i, f, o, g
