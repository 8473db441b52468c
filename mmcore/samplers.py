"""Where batches come from: examples, distinct contexts, or whole words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .architectures.prefix_tree import Batch, Levels, prefixes
from .contexts import ContextCounts, Ids, by_prefix
from .dataset import Examples

DENSE = 2**21  # cells of a table of targets that is kept whole: 8 MB, and a tenth of the time a batch


class Sampler(Protocol):
    """Draws batches: contexts (B, T) or prefixes of words, with targets as ids (B,) or distributions (B, V)."""

    def __call__(self, generator: torch.Generator) -> tuple[Batch, Tensor]: ...


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
        # Where the examples of each context end, in the order of the contexts: drawing one is drawing by their counts.
        self.ends = torch.from_numpy(counts.totals.cumsum().astype(np.int64))
        self.spacing = counts.examples / batch_size
        self.points = torch.arange(batch_size, dtype=torch.float64) * self.spacing

    def __call__(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        offset = torch.rand(1, generator=generator, dtype=torch.float64) * self.spacing
        places = (self.points + offset).long()
        rows = torch.searchsorted(self.ends, places, right=True).clamp_(max=len(self.ends) - 1)  # rounding reaches N
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
        counts, T = examples.counts, examples.context_size
        levels, ends = prefixes(torch.from_numpy(counts.contexts))
        sizes = [len(characters) for characters, _ in levels]
        self.starts = np.array([0, *accumulate(sizes)])  # of each level
        self.characters = np.concatenate([characters for characters, _ in levels])
        root = np.full(sizes[0], len(self.characters))  # above the first level; its own parent
        above = [parents.numpy() + start for (_, parents), start in zip(levels[1:], self.starts[:-2], strict=True)]
        self.parents = np.concatenate([root, *above, root[:1]])
        self.targets = _Targets(counts)
        self.contexts = np.full(len(self.characters), len(ends))  # which each prefix is, or none
        self.contexts[ends] = np.arange(len(ends))
        order = by_prefix(examples.contexts, examples.vocab_size)
        place = np.arange(len(examples)) - np.flatnonzero(np.diff(examples.word_index, prepend=-1))[examples.word_index]
        whole = (place == T - 1) | ((examples.targets == 0) & (place < T))  # the last of each word that fits
        rows = np.concatenate([order[whole[order]], np.flatnonzero(place >= T)])
        self.rows, self.words = ends.numpy()[counts.rows[rows]], int(whole.sum())
        self.found = np.zeros_like(self.parents)
        self.spacing = len(rows) / batch_size
        self.points = torch.arange(batch_size, dtype=torch.float64) * self.spacing

    def __call__(self, generator: torch.Generator) -> tuple[Levels, Tensor]:
        nodes, weights = self._prefixes(self._places(generator))
        self.found[nodes] = np.arange(len(nodes))
        levels = self._levels(nodes, self.found[self.parents[nodes]])
        scale = torch.from_numpy(weights) * len(nodes) / int(weights.sum())
        return levels, self.targets(torch.from_numpy(self.contexts[nodes])) * scale[:, None]

    def _levels(self, nodes: Ids, above: Ids) -> Levels:
        """Some prefixes in the order of the tree, and the places of their parents among them; 0 on the first level."""
        begins = np.searchsorted(nodes, self.starts).tolist()
        characters, levels = torch.from_numpy(self.characters[nodes]), list[tuple[Tensor, Tensor]]()
        for before, begin, end in zip([0, *begins], begins, begins[1:], strict=False):
            if begin < end:
                levels.append((characters[begin:end], torch.from_numpy(above[begin:end] - before)))
        return levels

    def _places(self, generator: torch.Generator) -> Ids:
        """Which rows are drawn."""
        offsets = torch.rand(len(self.points), generator=generator, dtype=torch.float64) * self.spacing
        places: Ids = (self.points + offsets).long().clamp_(max=len(self.rows) - 1).numpy()
        return places

    @cached_property
    def _paths(self) -> NDArray[np.int32]:
        return self.paths()

    def paths(self) -> NDArray[np.int32]:
        """Of every row drawn from, each prefix of it, last to first: doubled, plus 1 where it is not predicted."""
        paths = np.empty((len(self.starts) - 1, len(self.rows)), dtype=np.int32)
        nodes, unseen = self.rows, np.arange(len(self.rows)) >= self.words  # of these only the ends are predicted
        for place, path in enumerate(paths):
            path[:] = nodes * 2 + (unseen if place else 0)
            nodes = self.parents[nodes]
        return paths

    def _prefixes(self, places: Ids) -> tuple[Ids, Ids]:
        """Every prefix of some rows, in the order of the tree, and how often it is predicted."""
        keys = self._paths[:, places].ravel()
        keys.sort(kind="stable")  # long runs of them are in order already
        keys = keys[: np.searchsorted(keys, 2 * len(self.characters))]  # what is above the first level is none
        nodes = keys >> 1
        first = np.flatnonzero(np.diff(nodes, prepend=-1))
        return nodes[first].astype(np.int64), np.add.reduceat(1 - (keys & 1), first, dtype=np.int64)


SAMPLERS: dict[str, Callable[[Examples, int], Sampler]] = {
    "examples": ExampleSampler,
    "contexts": ContextSampler,
    "words": WordSampler,
}
