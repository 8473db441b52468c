"""A batch's prefix tree, its levels laid end to end, with what a pass down and back up it needs."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from ..architectures.prefix_tree import Levels


class Tree:
    """M prefixes of words, level by level, and the K places where they are continued.

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

    def __init__(self, levels: Levels) -> None:
        self.sizes = [len(characters) for characters, _ in levels]
        self.begins = [0, *accumulate(self.sizes[:-2], initial=1)][: len(levels)]
        self.characters = torch.cat([characters for characters, _ in levels])
        self.parents = torch.cat([parents + begin for (_, parents), begin in zip(levels, self.begins, strict=True)])

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
