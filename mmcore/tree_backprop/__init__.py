"""Gradients of models that read from left to right, derived by hand: one pass down a prefix tree, one back up.

As for the MLP (:mod:`mmcore.backprop`), nothing is recorded for automatic differentiation, results go into tensors that
are there, and each weight's gradient is one matrix product over all levels.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ..architectures.gru import GRUConfig
from ..architectures.interface import ModelConfig
from ..architectures.lstm import LSTMConfig
from ..architectures.prefix_tree import Batch, Tree, prefixes
from ..architectures.rnn import RNNConfig
from ..architectures.transformer import TransformerConfig
from ..model import Model, views
from .gru import GRUPass
from .lstm import LSTMPass
from .rnn import RNNPass
from .transformer import TransformerPass

PASSES = {RNNConfig: RNNPass, GRUConfig: GRUPass, LSTMConfig: LSTMPass, TransformerConfig: TransformerPass}


class TreeBackprop:
    """Loss and gradients of a recurrent network or a transformer.

    ``gradient`` has the layout of ``model.flat``; ``gradients`` names its parts.
    """

    def __init__(self, model: Model) -> None:
        self.gradient = torch.zeros_like(model.flat)
        self.gradients = views(self.gradient, model.config.shapes(model.vocab_size))
        self._p = model.tensors
        self._pass = PASSES[type(model.config)](model.config, self._p, self.gradients)

    @staticmethod
    def handles(config: ModelConfig) -> bool:
        """Whether these gradients are derived here."""
        return type(config) in PASSES

    @torch.inference_mode()
    def __call__(self, contexts: Batch, targets: Tensor, dropout: Generator | None = None) -> float:
        """The mean loss in nats per character; afterwards ``gradient`` holds its derivatives.

        Parameters
        ----------
        contexts : prefixes of words, or contexts (B, T)
        targets : of each, ids or distributions over the vocabulary
        dropout : generator of the masks; without one nothing is dropped
        """
        levels, ends = prefixes(contexts) if isinstance(contexts, Tensor) else (contexts, None)
        states = self._pass.forward(levels if isinstance(levels, Tree) else Tree.of(levels), dropout)
        if ends is None:
            loss, dstates = self._head(states, targets)
        else:
            loss, dends = self._head(states.index_select(0, ends), targets)
            dstates = torch.zeros_like(states).index_add_(0, ends, dends)
        self._pass.backward(dstates)
        return loss

    def _head(self, h: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        """The loss after states (B, H), and its gradient there; writes those of the head.

        Logits are (V, B): with few symbols and many rows, matrix products are quicker this way round.
        """
        W, b = self._p["W_lm_head"], self._p.get("b_lm_head")
        logits = W.T @ h.T if b is None else torch.addmm(b[:, None], W.T, h.T)
        loss, dlogits = loss_and_dlogits(logits, targets)
        self.gradients["W_lm_head"].copy_((dlogits @ h).T)
        if b is not None:
            torch.sum(dlogits, 1, out=self.gradients["b_lm_head"])
        return loss, dlogits.T @ W.T


def loss_and_dlogits(logits: Tensor, targets: Tensor) -> tuple[float, Tensor]:
    """The mean loss of logits (V, B) and its gradient ``(Σ_v q_v · p − q) / B``.

    Targets are ids (B,) or distributions q (B, V), each times how often it counts.
    """
    log_p = torch.log_softmax(logits, 0)
    dlogits = log_p.exp()
    if targets.dim() == 1:
        loss = -log_p.gather(0, targets[None]).mean()
        dlogits.scatter_add_(0, targets[None], dlogits.new_full((1, len(targets)), -1.0))
    else:
        q = targets.T.contiguous()
        loss = -torch.dot(log_p.view(-1), q.view(-1)) / len(targets)
        dlogits.mul_(q.sum(0)).sub_(q)
    return loss.item(), dlogits.div_(len(targets))
