"""Each prefix of some words read once: a tree of prefixes, level by level, for models that read from left to right."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate, pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

Levels = list[tuple[Tensor, Tensor]]
"""Prefixes of words by their length: of each its last character, and which of the level before it continues."""


def prefixes(contexts: Tensor) -> tuple[Levels, Tensor]:
    """What a model that reads from left to right has to read for some contexts (B, T), each prefix once.

    A boundary begins a word, so what stands before the last one is left out. Many contexts share prefixes: 50,832
    prefixes stand for the 183,802 contexts of the names' train split, 16 characters each.

    Returns
    -------
    levels : characters (n,) and parents (n,) for each length; the parents of the first level are 0
    ends : (B,), which prefix each context is, counted through all levels
    """
    length = contexts.shape[1] - torch.where(contexts == 0, torch.arange(contexts.shape[1]), 0).amax(1)
    levels: Levels = []
    ends, node, symbols, seen = torch.zeros_like(length), torch.zeros_like(length), contexts.max() + 1, 0
    for place in range(int(length.max())):
        rows = (length > place).nonzero()[:, 0]
        characters = contexts[rows, place - length[rows]]
        keys, node[rows] = torch.unique(node[rows] * symbols + characters, return_inverse=True)
        levels.append((keys % symbols, keys // symbols))
        last = rows[length[rows] == place + 1]
        ends[last] = node[last] + seen
        seen += len(keys)
    return levels, ends


def rows(table: Tensor, places: Tensor) -> Tensor:
    """Some rows of a table; unlike with ``table[places]``, repeated rows cost nothing extra in the gradient."""
    return F.embedding(places, table)


class Tree:
    """A batch's M prefixes of words, its levels laid end to end, and the K places where they are continued.

    A state belongs to each prefix, and one to what is before the first character: M + 1 rows, that one first. What a
    model does with the state that a prefix continues, it does once for all that continue it: K rows, not M.

    Attributes
    ----------
    characters : (M,), the last of each prefix
    parents : (M,), the row of the state that each continues
    continued : (K,), the rows that are continued, in the order of ``parents``
    above : (M,), which of ``continued`` is each one's parent
    sizes, continued_sizes : how many of them belong to each level
    begins : the row of the first state that each level may continue
    """

    def __init__(self, characters: Tensor, parents: Tensor, sizes: list[int]) -> None:
        self.characters, self.parents, self.sizes = characters, parents, sizes
        self.begins = _begins(sizes)

    @classmethod
    def of(cls, levels: Levels) -> Tree:
        """The tree of some prefixes by their length."""
        sizes = [len(characters) for characters, _ in levels]
        parents = [parents + begin for (_, parents), begin in zip(levels, _begins(sizes), strict=True)]
        return cls(torch.cat([characters for characters, _ in levels]), torch.cat(parents), sizes)

    def __len__(self) -> int:
        return len(self.characters)

    @cached_property
    def _continued(self) -> tuple[Tensor, Tensor]:
        """Those that continue the same prefix are neighbours."""
        continued, above = torch.unique_consecutive(self.parents, return_inverse=True)
        return continued, above

    @property
    def continued(self) -> Tensor:
        """(K,)."""
        return self._continued[0]

    @property
    def above(self) -> Tensor:
        """(M,)."""
        return self._continued[1]

    @cached_property
    def continued_sizes(self) -> list[int]:
        """How many of ``continued`` belong to each level."""
        last = [end - 1 for end in accumulate(self.sizes)]
        ends = [-1, *self.above[torch.tensor(last)].tolist()]
        return [end - begin for begin, end in pairwise(ends)]

    def split(self, *rows: Tensor) -> list[tuple[Tensor, ...]]:
        """Tensors of M rows, cut into levels: what each level has of all of them."""
        return list(zip(*(tensor.split(self.sizes) for tensor in rows), strict=True))

    def split_continued(self, *rows: Tensor) -> list[tuple[Tensor, ...]]:
        """Tensors of K rows, cut likewise."""
        return list(zip(*(tensor.split(self.continued_sizes) for tensor in rows), strict=True))


def _begins(sizes: list[int]) -> list[int]:
    """The row of the first state that each level may continue."""
    return [0, *accumulate(sizes[:-2], initial=1)][: len(sizes)]


Batch = Tensor | Levels | Tree
"""What a model reads: contexts (B, T); or, if it reads from left to right, prefixes of words."""
