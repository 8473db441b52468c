"""Sampler, gradients and optimiser of :mod:`mmcore.training` with their compiled functions."""

from __future__ import annotations

import math

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import Generator, Tensor

from .. import optimizer
from ..architectures.layers import dropout_mask
from ..architectures.prefix_tree import Levels
from ..backprop import Backprop, Gradients, gradients_of
from ..dataset import Examples
from ..model import Model, views
from ..optimizer import Update
from ..samplers import SAMPLERS, ContextSampler, Sampler
from ..train_state import TrainState
from . import kernels

BLAS = ThreadpoolController().select(user_api="blas")  # which Numba's matrix products are, not PyTorch's
NONE = np.empty(0, np.float32)
NO_IDS = np.empty(0, np.int64)
NO_SHARES = np.empty((0, 0), np.float32)


def parts(state: TrainState, examples: Examples, *, autograd: bool) -> tuple[Sampler, Gradients, Update]:
    """What training is made of: compiled where that is possible, else as ever."""
    config, model = state.config, state.model
    BLAS.limit(limits=config.threads)  # from here on, in this process
    sampler = CompiledContexts if config.sampler == "contexts" else SAMPLERS[config.sampler]
    by_hand = Backprop.handles(model.config) and not autograd
    size = config.batch_size
    gradients = CompiledBackprop(model, size) if by_hand else gradients_of(model, size, autograd=autograd)
    return sampler(examples, size), gradients, update


class CompiledContexts(ContextSampler):
    """The same batches as :class:`ContextSampler`, into tensors made once: each call overwrites the last one's."""

    def __init__(self, examples: Examples, batch_size: int) -> None:
        super().__init__(examples, batch_size)
        table = self.targets.table
        self._ids = torch.empty(batch_size, self.contexts.shape[1], dtype=self.contexts.dtype)
        self._q = torch.empty(0 if table is None else examples.vocab_size, batch_size).T
        tensors = self.contexts, NONE if table is None else table, self._ids, self._q.T
        self._arrays = [np.asarray(tensor) for tensor in (self.owner, self.points, *tensors)]

    def __call__(self, generator: Generator) -> tuple[Tensor, Tensor]:
        if self.targets.table is None:
            return super().__call__(generator)
        offset = torch.rand(1, generator=generator, dtype=torch.float64).item() * self.spacing
        kernels.draw(*self._arrays, offset)
        return self._ids, self._q


class CompiledBackprop:
    """Loss and gradients of :class:`Backprop`, for float32, the same up to rounding, in one compiled function.

    ``gradient`` has the layout of ``model.flat``; ``gradients`` names its parts.
    """

    def __init__(self, model: Model, batch_size: int) -> None:
        if not Backprop.handles(model.config) or model.flat.dtype != torch.float32:
            raise ValueError(f"model must be an MLP of tanh or ReLU without normalisation, got {model.config}")
        config, V = model.config, model.vocab_size
        self.config = config
        self.gradient = torch.zeros_like(model.flat)
        self.gradients = views(self.gradient, config.shapes(V))
        names = ["C", *(f"{kind}{layer}" for layer in range(1, config.output + 1) for kind in "Wb"), "W"]
        begins = [self.gradients[name].storage_offset() if name in self.gradients else -1 for name in names]
        self._fixed = model.flat.numpy(), self.gradient.numpy(), np.array(begins)
        self._sizes = np.array([V, config.embedding_dim, *config.hidden_sizes, V])
        units = batch_size * sum(config.hidden_sizes)
        largest = max([*config.hidden_sizes[:1], V * config.direct])
        table = config.context_size * V * largest
        dropped = units if config.dropout else 0
        self._masks = torch.empty(dropped)
        self._room = [np.empty(n, np.float32) for n in (units, dropped, units, table, table)]
        self._room.append(np.empty((V, batch_size), np.float32))

    def __call__(self, contexts: Tensor | Levels, targets: Tensor, dropout: Generator | None = None) -> float:
        """See :meth:`Backprop.__call__`."""
        assert isinstance(contexts, Tensor), "an MLP reads contexts, not prefixes of words"
        config, masks = self.config, NONE
        if dropout is not None and config.dropout:
            of_layers = self._masks.split([len(contexts) * size for size in config.hidden_sizes])
            for part in of_layers:
                part.copy_(dropout_mask(part, config.dropout, dropout))
            masks = self._masks.numpy()
        ids, q = (targets.numpy(), NO_SHARES) if targets.dim() == 1 else (NO_IDS, targets.T.contiguous().numpy())
        form = self._sizes, config.context_size, config.activation == "relu"
        loss: float = kernels.gradient(*self._fixed, *form, contexts.numpy(), ids, q, masks, *self._room)
        return loss


def update(state: TrainState, gradient: Tensor, learning_rate: float) -> None:
    """:func:`mmcore.optimizer.update`, AdamW in one pass."""
    if state.moments is None:
        return optimizer.update(state, gradient, learning_rate)
    beta1, beta2, step = optimizer.BETA1, optimizer.BETA2, state.step + 1
    keep, rate = 1 - learning_rate * state.config.weight_decay, learning_rate / (1 - beta1**step)
    numbers = keep, beta1, beta2, 1 / math.sqrt(1 - beta2**step), optimizer.EPSILON, rate
    arrays = [tensor.numpy() for tensor in (state.model.flat, gradient, state.moments)]
    kernels.adamw(*arrays, state.model.decayed, *map(np.float32, numbers))
