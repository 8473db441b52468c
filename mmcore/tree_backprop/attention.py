"""Causal self-attention in a prefix tree, and its gradients.

Every prefix i looks at what it continues and at itself: pairs (i, j), P of them, none of them masked or padded.
For each head, of d numbers::

    score_ij = q_i · k_j / √d        w_i· = softmax(score_i·)        y_i = Σ_j w_ij v_j

Backward, from the gradient dy::

    dw_ij = dy_i · v_j        dscore_ij = w_ij (dw_ij − Σ_j w_ij dw_ij)
    dq_i  = Σ_j dscore_ij k_j / √d        dk_j = Σ_i dscore_ij q_i / √d        dv_j = Σ_i w_ij dy_i
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..architectures.prefix_tree import Tree


class Pairs:
    """Every prefix of a tree with each that it continues and itself, prefix by prefix.

    Attributes
    ----------
    own, other : (P,), the prefixes i and j of each pair
    shapes : of each level, how many prefixes it has, and how many pairs each of them
    """

    def __init__(self, tree: Tree) -> None:
        above, found = tree.characters.new_zeros(1, 0), []
        for begin, (parents, own) in zip(tree.begins, tree.split(tree.parents, torch.arange(len(tree))), strict=True):
            above = torch.cat([above.index_select(0, parents - begin), own[:, None]], 1)
            found.append(above)
        self.shapes = [(n, count) for n, count in (above.shape for above in found)]
        self.other = torch.cat([above.view(-1) for above in found])
        counts = torch.cat([torch.full((n,), count) for n, count in self.shapes])
        self.own = torch.repeat_interleave(counts, output_size=len(self.other))
        self._all, self._starts = torch.arange(len(self.other)), counts.cumsum(0) - counts

    def total(self, x: Tensor) -> Tensor:
        """Sums (M, K) of x (P, K) over the pairs of each prefix."""
        return torch.embedding_bag(x, self._all, self._starts, False, 0)[0]

    def levels(self, *tensors: Tensor) -> list[tuple[Tensor, ...]]:
        """Tensors (P, K), as (n, count, K) for each level."""
        sizes = [n * count for n, count in self.shapes]
        cut = [[part.view(*s, -1) for part, s in zip(x.split(sizes), self.shapes, strict=True)] for x in tensors]
        return list(zip(*cut, strict=True))


class Attention:
    """From queries, keys and values (M, 3D), side by side, to what each prefix takes from those it looks at (M, D)."""

    def __init__(self, heads: int, like: Tensor) -> None:
        self.heads, size = heads, like.shape[1] // heads
        self.scale = size**-0.5
        self.spread = torch.eye(heads, dtype=like.dtype).repeat_interleave(size, 1)  # (heads, D), ones where a head is
        self.pairs: Pairs  # of the batch, before each pass

    def forward(self, qkv: Tensor) -> Tensor:
        D = qkv.shape[1] // 3
        self.q = (qkv[:, :D] * self.scale).index_select(0, self.pairs.own)  # (P, D)
        self.kv = qkv[:, D:].index_select(0, self.pairs.other)  # (P, 2D)
        k, v = self.kv.split(D, 1)
        scores = self.pairs.levels(self._dot(self.q, k))
        self.weights = torch.cat([level.softmax(1).flatten(0, 1) for (level,) in scores])  # (P, heads)
        return self.pairs.total(self._times(v, self.weights))

    def backward(self, dy: Tensor) -> Tensor:
        D, pairs = dy.shape[1], self.pairs
        k, v = self.kv.split(D, 1)
        dy = dy.index_select(0, pairs.own)  # (P, D)
        levels = pairs.levels(self._dot(dy, v), self.weights)
        dscores = torch.cat([torch._softmax_backward_data(d, w, 1, d.dtype).flatten(0, 1) for d, w in levels])
        dq = pairs.total(self._times(k, dscores)).mul_(self.scale)
        dkv = torch.cat([self._times(self.q, dscores), self._times(dy, self.weights)], 1)
        dkv = dy.new_zeros(len(dq), 2 * D).index_add_(0, pairs.other, dkv)
        return torch.cat([dq, dkv], 1)

    def _dot(self, a: Tensor, b: Tensor) -> Tensor:
        """The inner products (P, heads) of the heads' parts of rows (P, D)."""
        return (a * b).view(len(a), self.heads, -1).sum(2)

    def _times(self, x: Tensor, each: Tensor) -> Tensor:
        """Rows (P, D), each head's part times its number (P, heads)."""
        return (each @ self.spread).mul_(x)
