"""The GRU's gradients, derived by hand.

With a character's row x of the table ``F = C · W_ih + b_ih`` (V, 3H), and the state h that a prefix continues::

    m_r, m_z, m_n = h · W_hh + b_hh
    r = σ(x_r + m_r)    z = σ(x_z + m_z)    n = tanh(x_n + r ⊙ m_n)
    h' = n + z ⊙ (h − n)

Backward, from the gradient dh' of a state, where a is what the tanh was of::

    dn = dh' ⊙ (1 − z)            da   = dx_n = dn ⊙ (1 − n²)
    dr = da ⊙ m_n                 dm_r = dx_r = dr ⊙ r ⊙ (1 − r)
    dz = dh' ⊙ (h − n)            dm_z = dx_z = dz ⊙ z ⊙ (1 − z)
                                  dm_n = da ⊙ r
    dh   = Σ over those that continue h of  dh' ⊙ z + dm · W_hhᵀ

With dropout of the state, n is dropped after the tanh, and so is dn before it.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ..architectures.gru import GRUConfig
from ..architectures.interface import Parameters
from ..architectures.layers import dropout_mask, tanh_
from ..architectures.prefix_tree import Tree
from .passes import Dropout, Pass, by_character, sigmoid_backward, table, table_backward, tanh_backward


class GRUPass(Pass[GRUConfig]):
    """States and their gradients, level by level."""

    def __init__(self, config: GRUConfig, p: Parameters, g: Parameters) -> None:
        super().__init__(config, p, g)
        self.seen = Dropout(config.dropout)  # by the head

    def forward(self, tree: Tree, training: Generator | None) -> Tensor:
        p, H = self.p, self.config.hidden_size
        rate = self.config.state_dropout if training is not None else 0.0
        inputs = table(p)
        inputs[:, : 2 * H] += p["b_hh"][: 2 * H]
        inner = torch.cat([torch.zeros_like(p["b_hh"][: 2 * H]), p["b_hh"][2 * H :]])  # is multiplied by r
        self.tree, self.gates = tree, inputs.index_select(0, tree.characters)  # (M, 3H): r, z, n
        self.states = inputs.new_zeros(len(tree) + 1, H)
        self.difference = torch.empty_like(self.states[1:])  # h − n
        self.read, products = (inputs.new_empty(len(tree.continued), size) for size in (H, 3 * H))
        self.masks, self.m = list[Tensor | None](), list[Tensor]()
        for (continued, read, product), (parents, above, rz, r, z, n, state, difference) in zip(
            tree.split_continued(tree.continued, self.read, products),
            tree.split(tree.parents, tree.above, *_columns(self.gates), self.states[1:], self.difference),
            strict=True,
        ):
            torch.index_select(self.states, 0, continued, out=read)
            torch.addmm(inner, read, p["W_hh"], out=product)
            m_rz, m_n = products.index_select(0, above).split([2 * H, H], 1)
            rz.add_(m_rz).sigmoid_()
            tanh_(n.addcmul_(r, m_n))
            mask = dropout_mask(state, rate, training) if training is not None and rate else None
            kept = n if mask is None else n * mask
            torch.sub(self.states.index_select(0, parents), kept, out=difference)
            torch.addcmul(kept, z, difference, out=state)
            self.masks.append(mask)
            self.m.append(m_n)
        self.seen.generator = training
        return self.seen.forward(self.states[1:])

    def backward(self, dstates: Tensor) -> None:
        dstates = self.seen.backward(dstates)
        p, g, tree, H, V = self.p, self.g, self.tree, self.config.hidden_size, len(self.p["C"])
        W, dh = p["W_hh"].T, torch.cat([torch.zeros_like(dstates[:1]), dstates])
        dm, da = torch.empty_like(self.gates), torch.empty_like(dstates)
        dproducts = dm.new_zeros(len(tree.continued), 3 * H)
        values = *_columns(self.gates), self.difference
        rows = tree.split(tree.parents, tree.above, *values, dh[1:], dm, *_columns(dm), da)
        of_parents = tree.split_continued(tree.continued, dproducts)
        for (continued, dproduct), level, mask, m_n in zip(
            reversed(of_parents), reversed(rows), reversed(self.masks), reversed(self.m), strict=True
        ):
            parents, above, rz, r, z, n, difference, dstate, dgates, drz, dr, dz, dm_n, dn = level
            through = dstate * z
            torch.sub(dstate, through, out=dn)
            if mask is not None:
                dn.mul_(mask)
            tanh_backward(dn, n, grad_input=dn)
            torch.mul(dn, m_n, out=dr)
            torch.mul(dstate, difference, out=dz)
            sigmoid_backward(drz, rz, grad_input=drz)
            torch.mul(dn, r, out=dm_n)
            dproducts.index_add_(0, above, dgates)
            dh.index_add_(0, parents, through)
            dh.index_add_(0, continued, dproduct @ W)
        torch.mm(self.read.T, dproducts, out=g["W_hh"])
        dtable = by_character(tree, dm, V)
        torch.sum(dtable, 0, out=g["b_hh"])
        dtable[:, 2 * H :] = by_character(tree, da, V)
        table_backward(p, g, dtable)


def _columns(gates: Tensor) -> tuple[Tensor, ...]:
    """Both gates, and each of the three parts."""
    r, z, n = gates.chunk(3, 1)
    return gates[:, : 2 * r.shape[1]], r, z, n
