"""Where batches come from: examples, distinct contexts, or whole words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .architectures.prefix_tree import Levels, prefixes
from .contexts import ContextCounts, by_prefix
from .dataset import Examples

DENSE = 2**20  # cells of a table of targets that is kept whole: 4 MB, and a tenth of the time a batch


class Sampler(Protocol):
    """Draws batches: contexts (B, T) or prefixes of words, with targets as ids (B,) or distributions (B, V)."""

    def __call__(self, generator: torch.Generator) -> tuple[Tensor | Levels, Tensor]: ...


class ExampleSampler:
    """Examples drawn uniformly with replacement, as in the lecture."""

    def __init__(self, examples: Examples, batch_size: int) -> None:
        self.contexts, self.targets = torch.from_numpy(examples.contexts), torch.from_numpy(examples.targets)
        self.batch_size = batch_size

    def __call__(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(self.targets), (self.batch_size,), generator=generator)
        return self.contexts[rows], self.targets[rows]


class _Targets:
    """What follows each distinct context, as distributions (B, V) that are written out for one batch at a time.

    After row M - 1 comes one of zeros, for what is no context.
    """

    def __init__(self, counts: ContextCounts) -> None:
        shares = counts.shares
        self.shares = replace(shares, starts=np.append(shares.starts, shares.starts[-1]))
        small = len(self.shares) * self.shares.width <= DENSE
        self.table = torch.from_numpy(self.shares.dense()) if small else None

    def __call__(self, rows: Tensor) -> Tensor:
        if self.table is not None:
            return self.table.index_select(0, rows)
        return torch.from_numpy(self.shares.dense(rows.numpy()))


class ContextSampler:
    """Distinct contexts drawn in proportion to their counts; the target is all that follows them.

    The expected gradient is that of examples, with less variance: the average over next characters is
    taken exactly instead of by drawing one (Rao–Blackwell). Draws are systematic, one random offset and
    B equally spaced places in the sorted examples, which spreads a batch over the whole corpus.
    """

    def __init__(self, examples: Examples, batch_size: int) -> None:
        counts = examples.counts
        self.contexts = torch.from_numpy(counts.contexts)
        self.targets = _Targets(counts)
        # Context of each example in the order of the contexts: drawing an example is drawing in proportion to counts.
        self.owner = torch.from_numpy(np.repeat(np.arange(len(counts.totals)), counts.totals.astype(np.int64)))
        self.spacing = counts.examples / batch_size
        self.points = torch.arange(batch_size, dtype=torch.float64) * self.spacing

    def __call__(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        offset = torch.rand(1, generator=generator, dtype=torch.float64) * self.spacing
        places = (self.points + offset).long().clamp_(max=len(self.owner) - 1)  # a sum of doubles may reach the end
        rows = self.owner[places]
        return self.contexts.index_select(0, rows), self.targets(rows)


class WordSampler:
    """Whole words, for models that read from left to right, each prefix of a word read once.

    Words are drawn one from each of B equal parts of the sorted list. What follows each of their prefixes is predicted,
    and as with :class:`ContextSampler` the target of one is all that follows it in train, not only in the word drawn.
    The loss is a ratio estimate, summed loss over the number of characters drawn, which varies: the expected gradient
    is that of examples only nearly, the more so the larger the batch. What of a word does not fit into the context is
    drawn by itself: a context with a target at its end only.
    """

    def __init__(self, examples: Examples, batch_size: int) -> None:
        counts, T = examples.counts, examples.contexts.shape[1]
        levels, ends = prefixes(torch.from_numpy(counts.contexts))
        sizes = [len(characters) for characters, _ in levels]
        self.starts = torch.tensor([0, *accumulate(sizes)])  # of each level
        self.characters = torch.cat([characters for characters, _ in levels])
        root = torch.full_like(levels[0][1], len(self.characters))  # above the first level; its own parent
        above = [parents + start for (_, parents), start in zip(levels[1:], self.starts[:-2], strict=True)]
        self.parents = torch.cat([root, *above, root[:1]])
        self.targets = _Targets(counts)
        self.contexts = torch.full_like(self.characters, len(ends))  # which each prefix is, or none
        self.contexts[ends] = torch.arange(len(ends))
        order = by_prefix(examples.contexts, examples.vocab_size)
        place = np.arange(len(examples)) - np.flatnonzero(np.diff(examples.word_index, prepend=-1))[examples.word_index]
        whole = (place == T - 1) | ((examples.targets == 0) & (place < T))  # the last of each word that fits
        rows = np.concatenate([order[whole[order]], np.flatnonzero(place >= T)])
        self.rows, self.words = ends[torch.from_numpy(counts.rows[rows])], int(whole.sum())
        self.spacing = len(rows) / batch_size
        self.points = torch.arange(batch_size, dtype=torch.float64) * self.spacing

    def __call__(self, generator: torch.Generator) -> tuple[Levels, Tensor]:
        offsets = torch.rand(len(self.points), generator=generator, dtype=torch.float64) * self.spacing
        places = (self.points + offsets).long().clamp_(max=len(self.rows) - 1)
        path = [self.rows[places]]
        for _ in range(len(self.starts) - 2):
            path.append(self.parents[path[-1]])
        nodes, which = torch.unique(torch.stack(path), return_inverse=True)
        which[1:, places >= self.words] = len(nodes)  # only their ends are predicted
        weights = torch.bincount(which.flatten(), minlength=len(nodes))[: len(nodes)]
        keep = nodes < len(self.characters)
        nodes, weights = nodes[keep], weights[keep]
        begins = torch.searchsorted(nodes, self.starts).tolist()
        parents = torch.searchsorted(nodes, self.parents[nodes])
        levels = [(self.characters[nodes[: begins[1]]], torch.zeros_like(nodes[: begins[1]]))]
        for before, begin, end in zip(begins, begins[1:], begins[2:], strict=False):
            if begin < end:
                levels.append((self.characters[nodes[begin:end]], parents[begin:end] - before))
        return levels, self.targets(self.contexts[nodes]) * (weights * len(nodes) / weights.sum())[:, None]


SAMPLERS: dict[str, Callable[[Examples, int], Sampler]] = {
    "examples": ExampleSampler,
    "contexts": ContextSampler,
    "words": WordSampler,
}
