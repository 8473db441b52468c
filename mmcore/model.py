"""A model: one architecture's forward pass over its named tensors, which are views of one flat tensor.

Shape letters, here and everywhere: B batch, T context_size, L length of a word and its boundary, D embedding_dim,
H hidden size, V vocab_size, N examples, M distinct contexts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .architectures.interface import ModelConfig, Stage, is_statistic, is_weight, starts_at_one
from .architectures.layers import dropout_mask as dropout_mask
from .architectures.prefix_tree import Levels
from .architectures.sequence import SequenceConfig


class Model(nn.Module):
    """A model of any architecture: ``model(contexts (B, T)) -> logits (B, V)``.

    What is computed is the config's :meth:`~ModelConfig.logits`; here are the numbers it computes with. All
    parameters are views of one flat tensor, ``flat``: weights first, then biases and gains, running statistics
    last. So an optimiser is a handful of operations and a copy is one; and statistics, whose gradient is always 0,
    go with the parameters wherever those are stored, copied or put back.

    Parameters
    ----------
    config : ModelConfig
    vocab_size : int
        V, boundary included.
    seed : int or None
        Of the initialisation; see :func:`initialise`. None leaves every number 0, for weights that come from elsewhere.
    """

    def __init__(
        self, config: ModelConfig, vocab_size: int, seed: int | None = 0, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.config, self.vocab_size = config, vocab_size
        shapes = config.shapes(vocab_size)
        self.flat = torch.zeros(sum(map(math.prod, shapes.values())), dtype=dtype)
        self.decayed = sum(math.prod(shape) for shape in shapes.values() if is_weight(shape))
        for name, view in views(self.flat, shapes).items():
            if is_statistic(name):
                # .data has a version of its own: to autograd, updating statistics must not change the weights.
                self.register_buffer(name, view.data)
            else:
                self.register_parameter(name, nn.Parameter(view))
        if seed is not None:
            initialise(self, Generator().manual_seed(seed))

    def copy(self, dtype: torch.dtype | None = None) -> Model:
        """A model with the same numbers in a flat tensor of its own, in another precision if one is given."""
        twin = Model(self.config, self.vocab_size, seed=None, dtype=dtype or self.flat.dtype)
        twin.flat.copy_(self.flat)
        return twin

    def __deepcopy__(self, memo: dict[int, object]) -> Model:
        return self.copy()  # copying member by member would part ``flat`` and the parameters

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Parameters and statistics by name, in the order of the forward pass, detached from autograd."""
        state = self.state_dict()
        return {name: state[name] for name in self.config.shapes(self.vocab_size)}

    def forward(self, contexts: Tensor, training: Generator | None = None) -> Tensor:
        """Logits (B, V) for contexts (B, T).

        A generator means training: units are dropped by draws from it, and batch normalisation normalises by the
        batch and updates its statistics. Without one, nothing is drawn and nothing changes.
        """
        return self.config.logits(self._named(), contexts, training)

    def level_logits(self, levels: Levels, training: Generator | None = None, ends: Tensor | None = None) -> Tensor:
        """Logits (M, V) after prefixes of words, or some of them, for models that read from left to right."""
        if not isinstance(self.config, SequenceConfig):
            raise ValueError(f"architecture must read from left to right, got {self.config.architecture}")
        return self.config.level_logits(self._named(), levels, training, ends)

    def forward_stages(self, ids: Tensor) -> Iterator[Stage]:
        """What :meth:`forward` does with one context, ids (T,), step by step: its config's ``forward_stages``."""
        return self.config.forward_stages(self._named(), ids)

    def _named(self) -> dict[str, Tensor]:
        return dict(self.named_parameters()) | dict(self.named_buffers())


MLP = Model  # the name from when there was one architecture


def views(flat: Tensor, shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """A flat tensor seen as named ones: weights first, statistics last, else in the given order."""
    parts, start = {}, 0
    for name in sorted(shapes, key=lambda name: (is_statistic(name), not is_weight(shapes[name]))):
        size = math.prod(shapes[name])
        parts[name] = flat[start : start + size].view(shapes[name])
        start += size
    return {name: parts[name] for name in shapes}


@torch.no_grad()
def initialise(model: Model, generator: Generator) -> None:
    """Draw the first weights, tensor after tensor in the order of the forward pass.

    ``lecture``: every tensor from N(0, 1), as in the lecture's loop (with its seed, its very numbers).
    ``scaled``: weights from N(0, spread²), see :meth:`ModelConfig.spread`, biases 0: the first loss is close to ln V
    (He et al. 2015; the gain of tanh is 5/3). Families without the choice are scaled.
    """
    everything = getattr(model.config, "init", "scaled") == "lecture"
    for name, tensor in model.tensors.items():
        if starts_at_one(name):
            tensor.fill_(1)
        elif is_weight(tuple(tensor.shape)) or (everything and not is_statistic(name)):
            spread = 1.0 if everything else model.config.spread(name, tuple(tensor.shape))
            tensor.normal_(generator=generator).mul_(spread)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean negative log-likelihood in nats per character; the one loss function.

    ``targets`` are ids (B,) or distributions over the vocabulary (B, V); a distribution times a number counts that
    often. Stable for any finite logits: log-sum-exp subtracts the row's maximum first.
    """
    return F.cross_entropy(logits, targets)
