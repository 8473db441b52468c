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
from .passes import Dropout, Pass, by_character, sigmoid_backward, table, table_backward, tanh_backward
from .tree import Tree


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
        for (continued, read, product), (parents, above, gates, state, difference) in zip(
            tree.split_continued(tree.continued, self.read, products),
            tree.split(tree.parents, tree.above, self.gates, self.states[1:], self.difference),
            strict=True,
        ):
            torch.index_select(self.states, 0, continued, out=read)
            torch.addmm(inner, read, p["W_hh"], out=product)
            m_rz, m_n = products.index_select(0, above).split([2 * H, H], 1)
            r, z, n = gates.split(H, 1)
            gates[:, : 2 * H].add_(m_rz).sigmoid_()
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
        p, tree, H = self.p, self.tree, self.config.hidden_size
        W, dh = p["W_hh"].T, torch.cat([torch.zeros_like(dstates[:1]), dstates])
        d, da = dstates.new_empty(len(tree), 4 * H), torch.empty_like(dstates)  # dm, dh' ⊙ z
        dsums = d.new_zeros(len(tree.continued), 4 * H)
        for (continued, dm_sum, dh_sum), (above, gates, difference, dstate, dlevel, dn), mask, m_n in zip(
            reversed(tree.split_continued(tree.continued, dsums[:, : 3 * H], dsums[:, 3 * H :])),
            reversed(tree.split(tree.above, self.gates, self.difference, dh[1:], d, da)),
            reversed(self.masks),
            reversed(self.m),
            strict=True,
        ):
            r, z, n = gates.split(H, 1)
            dr, dz, dm_n, dkept = dlevel.split(H, 1)
            torch.mul(dstate, z, out=dkept)
            torch.sub(dstate, dkept, out=dn)
            if mask is not None:
                dn.mul_(mask)
            tanh_backward(dn, n, grad_input=dn)
            torch.mul(dn, m_n, out=dr)
            torch.mul(dstate, difference, out=dz)
            drz = dlevel[:, : 2 * H]
            sigmoid_backward(drz, gates[:, : 2 * H], grad_input=drz)
            torch.mul(dn, r, out=dm_n)
            dsums.index_add_(0, above, dlevel)
            dh.index_add_(0, continued, dh_sum.addmm_(dm_sum, W))
        torch.mm(self.read.T, dsums[:, : 3 * H], out=self.g["W_hh"])
        dtable = by_character(tree, d[:, : 3 * H], len(p["C"]))
        torch.sum(dtable, 0, out=self.g["b_hh"])
        dtable[:, 2 * H :] = by_character(tree, da, len(p["C"]))
        table_backward(p, self.g, dtable)
