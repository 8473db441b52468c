"""Sampler, gradients and optimiser of :mod:`mmcore.training` with their compiled functions.

Their matrix products take one thread, however many PyTorch's take: the linear algebra library of NumPy and SciPy is
told so for the whole process when this is imported, as several runs may share it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController
from torch import Generator, Tensor

from .. import optimizer
from ..architectures import model_config
from ..architectures.gru import GRUConfig
from ..architectures.interface import ModelConfig
from ..architectures.layers import dropout_mask
from ..architectures.lstm import LSTMConfig
from ..architectures.prefix_tree import Batch, Tree
from ..architectures.rnn import RNNConfig
from ..architectures.transformer import TransformerConfig
from ..backprop import Backprop, Gradients, gradients_of
from ..config import TrainConfig
from ..contexts import Ids
from ..dataset import Examples, Vocab, build_examples
from ..fields import require
from ..model import Model, views
from ..optimizer import Update
from ..samplers import SAMPLERS, ContextSampler, Sampler, WordSampler
from ..train_state import TrainState
from ..tree_backprop import TreeBackprop
from . import kernels
from .kernels import Floats

ThreadpoolController().select(user_api="blas").limit(limits=1)  # Numba's, not PyTorch's
NONE, NO_ROWS, NO_IDS = np.empty(0, np.float32), np.empty((0, 0), np.float32), np.empty(0, np.int64)
NO_TABLES = np.empty((0, 0, 0), np.float32)
# Tensors in the order in which the compiled functions take them: of recurrent networks, then of transformers.
CELLS: dict[type[ModelConfig], int] = {RNNConfig: kernels.RNN, GRUConfig: kernels.GRU, LSTMConfig: kernels.LSTM}
MATRICES, ROWS = ("C", "W_ih", "W_hh", "W_lm_head"), ("b_ih", "b_hh", "b_lm_head")
ACTIVATIONS = {"tanh": kernels.TANH, "relu": kernels.RELU, "gelu": kernels.GELU}
OF_LAYER = (
    *("ln1_gain{}", "ln1_bias{}", "W_attn{}", "b_attn{}", "W_attn_proj{}", "b_attn_proj{}"),
    *("ln2_gain{}", "ln2_bias{}", "W_fc{}", "b_fc{}", "W_mlp_proj{}", "b_mlp_proj{}"),
)
ENDS = ("C", "wpe", "lnf_gain", "lnf_bias", "W_lm_head", "b_lm_head")


def parts(state: TrainState, examples: Examples, *, autograd: bool) -> tuple[Sampler, Gradients, Update]:
    """What training is made of: compiled where that is possible, else as ever.

    ``ValueError`` for examples that the model cannot read: compiled functions would not notice.
    """
    config, model = state.config, state.model
    V, T = examples.vocab_size, examples.context_size
    require(model.vocab_size == V, "vocabulary", f"of as many symbols as the model has ({model.vocab_size:,})", V)
    require(model.config.context_size == T, "contexts", f"of the model's size ({model.config.context_size})", T)
    gradients = _gradients(model, config.batch_size, autograd=autograd)
    sampler: Callable[[Examples, int], Sampler] = SAMPLERS[config.sampler]
    if config.sampler == "contexts":
        sampler = CompiledContexts
    elif config.sampler == "words" and isinstance(gradients, _CompiledTree):
        sampler = CompiledWords
    return sampler(examples, config.batch_size), gradients, update


def make_ready(config: ModelConfig) -> None:
    """Compile what such a model is trained with, or read it from the disk, so that nothing is left for later."""
    small: dict[str, Any] = {"hidden_sizes": (1,)}
    if type(config) in CELLS:
        small = {"architecture": "rnn", "hidden_size": 1}
    elif type(config) is TransformerConfig:
        small = {"architecture": "transformer", "layers": 1, "heads": 1}
    _make_ready(model_config(context_size=2, embedding_dim=1, **small))


@functools.cache
def _make_ready(model: ModelConfig) -> None:
    words = ("ab", "b")
    examples = build_examples(words, Vocab.from_words(words), model.context_size)
    config = TrainConfig(batch_size=2, sampler="words" if "words" in model.samplers else "contexts")
    state = TrainState(model, config, examples.vocab_size)
    sample, gradients, move = parts(state, examples, autograd=False)
    CompiledContexts(examples, 2)(state.generators["batches"])
    gradients(*sample(state.generators["batches"]))
    move(state, gradients.gradient, 0.01)


def _gradients(model: Model, batch_size: int, *, autograd: bool) -> Gradients:
    if not autograd and Backprop.handles(model.config):
        return CompiledBackprop(model, batch_size)
    if not autograd and type(model.config) in CELLS:
        return CompiledRecurrent(model)
    if not autograd and type(model.config) is TransformerConfig:
        return CompiledTransformer(model)
    return gradients_of(model, batch_size, autograd=autograd)


class CompiledContexts(ContextSampler):
    """The same batches as :class:`ContextSampler`, into tensors made once: each call overwrites the last one's."""

    def __init__(self, examples: Examples, batch_size: int) -> None:
        super().__init__(examples, batch_size)
        table = self.targets.table
        self._ids = torch.empty(batch_size, self.contexts.shape[1], dtype=self.contexts.dtype)
        self._q = torch.empty(0 if table is None else examples.vocab_size, batch_size).T
        tensors = self.contexts, NONE if table is None else table, self._ids, self._q.T
        self._arrays = [np.asarray(tensor) for tensor in (self.ends, self.points, *tensors)]
        self._random = torch.empty(1, dtype=torch.float64)

    def __call__(self, generator: Generator) -> tuple[Tensor, Tensor]:
        if self.targets.table is None:
            return super().__call__(generator)
        offset = self._random.uniform_(generator=generator).item() * self.spacing
        kernels.draw(*self._arrays, offset)
        return self._ids, self._q


class CompiledWords:
    """The same batches as :class:`WordSampler`, as trees."""

    def __init__(self, examples: Examples, batch_size: int) -> None:
        self.plain = plain = WordSampler(examples, batch_size)
        if plain.targets.table is not None:
            paths, tree = np.ascontiguousarray(plain.paths().T) >> 1, np.zeros((len(plain.parents), 4), np.int32)
            tree[:, 0], tree[:-1, 2], tree[:-1, 3] = plain.parents, plain.characters, plain.contexts
            where = plain.points.numpy(), plain.spacing, plain.words, paths, plain.starts
            self._drawn_from = *where, tree, plain.targets.table.numpy()

    def __call__(self, generator: Generator) -> tuple[Tree, Tensor]:
        if self.plain.targets.table is None:
            levels, targets = self.plain(generator)
            return Tree.of(levels), targets
        offsets = torch.rand(len(self.plain.points), generator=generator, dtype=torch.float64).numpy()
        characters, parents, sizes, q = kernels.draw_words(offsets, *self._drawn_from)
        return Tree(torch.from_numpy(characters), torch.from_numpy(parents), sizes.tolist()), torch.from_numpy(q).T


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
        sizes = np.array([V, config.embedding_dim, *config.hidden_sizes, V])
        form = sizes, config.context_size, config.activation == "relu"
        self._fixed = model.flat.numpy(), self.gradient.numpy(), np.array(begins), *form
        self._batch: tuple[Tensor | None, Tensor | None, tuple[Any, ...]] = None, None, ()
        units = batch_size * sum(config.hidden_sizes)
        largest = max([*config.hidden_sizes[:1], V * config.direct])
        table = config.context_size * V * largest
        dropped = units if config.dropout else 0
        self._masks = torch.empty(dropped)
        self._room: list[NDArray[np.float32]] = [np.empty(n, np.float32) for n in (units, dropped, units, table, table)]
        self._room.append(np.empty((V, batch_size), np.float32))

    def __call__(self, contexts: Batch, targets: Tensor, dropout: Generator | None = None) -> float:
        """See :meth:`Backprop.__call__`."""
        assert isinstance(contexts, Tensor), "an MLP reads contexts, not prefixes of words"
        config, batch, masks = self.config, self._arrays(contexts, targets), NONE
        if dropout is not None and config.dropout:
            of_layers = self._masks.split([len(contexts) * size for size in config.hidden_sizes])
            for part in of_layers:
                part.copy_(dropout_mask(part, config.dropout, dropout))
            masks = self._masks.numpy()
        loss: float = kernels.gradient(*self._fixed, *batch, masks, *self._room)
        return loss

    def _arrays(self, contexts: Tensor, targets: Tensor) -> tuple[Any, ...]:
        """A batch as arrays: the same as before where a sampler has filled the same tensors, as they share memory."""
        if self._batch[0] is contexts and self._batch[1] is targets:
            return self._batch[2]
        size = (self._room[-1].shape[1], self.config.context_size)
        require(contexts.shape == size and len(targets) == size[0], "batch", f"of {size}", tuple(contexts.shape))
        rows = targets if targets.dim() == 1 else targets.T.contiguous()  # ids (B,) or (V, B)
        ids, q = (rows.numpy(), NO_ROWS) if targets.dim() == 1 else (NO_IDS, rows.numpy())
        arrays = contexts.numpy(), ids, q
        if rows.data_ptr() == targets.data_ptr():  # no copy
            self._batch = contexts, targets, arrays
        return arrays


class _CompiledTree(TreeBackprop):
    """Loss and gradients for batches of words; contexts of examples take the way of :class:`TreeBackprop`."""

    def __call__(self, contexts: Batch, targets: Tensor, dropout: Generator | None = None) -> float:
        """See :meth:`TreeBackprop.__call__`."""
        if isinstance(contexts, Tensor):
            return super().__call__(contexts, targets, dropout)
        tree = contexts if isinstance(contexts, Tree) else Tree.of(contexts)
        of_prefixes = tree.characters.numpy(), tree.parents.numpy(), np.array(tree.sizes)
        return self._compiled(tree, of_prefixes, np.ascontiguousarray(targets.T.numpy()), dropout)

    def _compiled(self, tree: Tree, of_prefixes: tuple[Ids, ...], q: Floats, dropout: Generator | None) -> float:
        raise NotImplementedError


class CompiledRecurrent(_CompiledTree):
    """Loss and gradients of an RNN, GRU or LSTM for batches of words, compiled, the same up to rounding."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.config = model.config
        p = views(model.flat, model.config.shapes(model.vocab_size))
        self._arrays = []
        for of in (p, self.gradients):
            none = torch.zeros_like(of["b_ih"])  # for the bias that an architecture has once
            rows = tuple(of.get(name, none)[None].numpy() for name in ROWS)
            self._arrays.append(tuple(of[name].numpy() for name in MATRICES) + rows)

    def _compiled(self, tree: Tree, of_prefixes: tuple[Ids, ...], q: Floats, dropout: Generator | None) -> float:
        seen, dropped = self._masks(tree, dropout)
        loss: float = kernels.recurrent(CELLS[type(self.config)], *self._arrays, *of_prefixes, q, seen, dropped)
        return loss

    def _masks(self, tree: Tree, generator: Generator | None) -> list[NDArray[np.float32]]:
        """Of what the head reads, and inside the cells, drawn in the order in which the states are computed."""
        masks, H = [NO_ROWS, NO_ROWS], len(self.gradients["W_hh"])
        inside, outside = (getattr(self.config, name, 0.0) for name in ("state_dropout", "dropout"))
        if generator is not None and inside:
            levels = [dropout_mask(torch.empty(size, H), inside, generator) for size in tree.sizes]
            masks[1] = torch.cat(levels).numpy()
        if generator is not None and outside:
            masks[0] = dropout_mask(torch.empty(len(tree), H), outside, generator).numpy()
        return masks


class CompiledTransformer(_CompiledTree):
    """Loss and gradients of a transformer for batches of words, compiled, the same up to rounding."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        assert isinstance(model.config, TransformerConfig)
        self.config = config = model.config
        begins = {name: tensor.storage_offset() for name, tensor in self.gradients.items()}
        rows = [[name.format(n) for name in OF_LAYER] for n in range(1, config.layers + 1)]
        rows.append([*ENDS, *[""] * (len(OF_LAYER) - len(ENDS))])
        self._at = np.array([[begins.get(name, -1) for name in row] for row in rows])
        sizes = model.vocab_size, config.context_size, config.embedding_dim, config.heads
        self._form = *sizes, config.normalisation == "rms", ACTIVATIONS[config.activation]
        self._flat = model.flat.numpy(), self.gradient.numpy()

    def _compiled(self, tree: Tree, of_prefixes: tuple[Ids, ...], q: Floats, dropout: Generator | None) -> float:
        config, masks = self.config, NO_TABLES
        if dropout is not None and config.dropout:
            like = torch.empty(len(tree), config.embedding_dim)
            masks = np.stack([dropout_mask(like, config.dropout, dropout).numpy() for _ in range(2 * config.layers)])
        loss: float = kernels.transformer(self._form, *self._flat, self._at, *of_prefixes, q, masks)
        return loss


def update(state: TrainState, gradient: Tensor, learning_rate: float) -> None:
    """:func:`mmcore.optimizer.update`, AdamW in one pass."""
    if state.moments is None:
        return optimizer.update(state, gradient, learning_rate)
    beta1, beta2, step = optimizer.BETA1, optimizer.BETA2, state.step + 1
    keep, rate = 1.0 - learning_rate * state.config.weight_decay, learning_rate / (1 - beta1**step)
    numbers = keep, beta1, beta2, 1 / math.sqrt(1 - beta2**step), optimizer.EPSILON, rate
    arrays = state.model.flat.numpy(), gradient.numpy(), state.moments.numpy()
    kernels.adamw(*arrays, state.model.decayed, numbers)
