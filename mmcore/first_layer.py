"""The logits of an MLP for many contexts, with its first layer as tables of what each character adds at each place.

``x · W1`` for the embeddings x of a context side by side is a sum of T rows, one a position, of the tables
``F_t = C · W1_t`` (V, H). They depend on the weights alone, so they are made once for all contexts, and a context of
any length is then T additions in place of a matrix product over T·D numbers. The same up to rounding.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .architectures.layers import activate, biased, tanh_
from .architectures.mlp import MLPConfig
from .model import Model

CELLS = 2**18  # that the tables may have: 1 MB; larger ones may take longer than they save


class ByTables:
    """Gives the logits (B, V) after contexts (B, T), as the model is now; for models that are :meth:`small` enough."""

    def __init__(self, model: Model) -> None:
        assert isinstance(model.config, MLPConfig)
        self.config, self.p = model.config, model.tensors
        self.offsets = torch.arange(self.config.context_size) * model.vocab_size
        self.tables = {name: _table(self.p["C"], self.p[name]) for name in _first(self.config)}  # (T·V, H) or (T·V, V)

    @staticmethod
    def small(model: Model) -> bool:
        """Whether the model is an MLP whose tables are worth their making."""
        config, symbols = model.config, model.vocab_size
        return isinstance(config, MLPConfig) and config.tables(symbols) <= CELLS

    def __call__(self, contexts: Tensor) -> Tensor:
        p, config, h = self.p, self.config, None
        first = {
            name: F.embedding_bag(contexts + self.offsets, table, mode="sum") for name, table in self.tables.items()
        }
        for layer in range(1, config.output):
            z = first["W1"] if h is None else h @ p[f"W{layer}"]
            z = biased(config.normalisation, z, p, layer, None)
            h = tanh_(z) if config.activation == "tanh" else activate(config.activation, z)
        bias = p[f"b{config.output}"]
        logits = bias if h is None else torch.addmm(bias, h, p[f"W{config.output}"])
        return logits + first["W"] if config.direct else logits


def _first(config: MLPConfig) -> list[str]:
    """The tensors that the embeddings are multiplied by."""
    return ["W1"] * bool(config.hidden_sizes) + ["W"] * config.direct


def _table(C: Tensor, W: Tensor) -> Tensor:
    """(T·V, K): what each of V characters adds to ``x · W`` at each of T places."""
    (_, D), K = C.shape, W.shape[1]
    return torch.matmul(C, W.view(-1, D, K)).view(-1, K)
