"""The MLP's gradients, derived by hand, in as few passes over memory as we know how.

With ``p = softmax(logits)`` and the target distribution ``q`` (one-hot for a single character)::

    loss     = − mean over rows of  Σ_v q_v · log p_v
    dlogits  = (p − q) / B                        the softmax and the logarithm cancel
    dW_out   = hᵀ · dlogits        db_out = Σ_rows dlogits
    dh       = dlogits · W_outᵀ
    dz       = dh ⊙ (1 − h²)                      the derivative of tanh, from its own output
    dW_l     = inputᵀ · dz         db_l = Σ_rows dz               dinput = dz · W_lᵀ

The first layer never sees its input ``x``, the embeddings side by side: ``x · W1`` is a sum of T rows,
one per position, of the table ``F_t = C · W1_t`` (V, H), because ``x`` only takes V values at each
position. Its gradient is the same sum in reverse (the chain rule through a table of V rows, not B)::

    dF_t[c]  = Σ of the rows of dz whose character at position t is c
    dW1_t    = Cᵀ · dF_t           dC = Σ_t dF_t · W1_tᵀ

Direct connections W are a first layer in this sense too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from .architectures.interface import ModelConfig
from .architectures.layers import dropout_mask, tanh_
from .architectures.mlp import MLPConfig
from .architectures.prefix_tree import Batch, Tree
from .model import Model, cross_entropy, views
from .tree_backprop import TreeBackprop

if TYPE_CHECKING:
    from typing_extensions import TypeIs


def _relu_backward(grad: Tensor, h: Tensor) -> Tensor:
    return torch.ops.aten.threshold_backward(grad, h, 0)  # type: ignore[no-any-return]


# In place, and the derivative from the activation's own output: 1 − h² for tanh, h > 0 for ReLU.
ACTIVATE: dict[str, Callable[[Tensor], Tensor]] = {"tanh": tanh_, "relu": Tensor.relu_}
ACTIVATE_BACKWARD: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "tanh": torch.ops.aten.tanh_backward,
    "relu": _relu_backward,
}


class _Lookup:
    """``x · W`` for the concatenated embeddings x of a batch of contexts, as a sum of table rows."""

    def __init__(self, C: Tensor, W: Tensor, dC: Tensor, dW: Tensor) -> None:
        (V, D), K = C.shape, W.shape[1]
        self.C, self.dC = C, dC  # (V, D)
        self.W, self.dW = W.view(-1, D, K), dW.view(-1, D, K)  # (T, D, K)
        self.F = torch.empty(len(self.W), V, K, dtype=C.dtype)  # (T, V, K)
        self.dF = torch.empty_like(self.F)

    def forward(self, rows: Tensor, bags: Tensor) -> Tensor:
        """(B, K), for ``rows`` (B·T,): the place of each context character in the flattened table."""
        torch.matmul(self.C, self.W, out=self.F)
        return torch.embedding_bag(self.F.view(-1, self.F.shape[2]), rows, bags, False, 0)[0]

    def backward(self, contexts: Tensor, d: Tensor) -> None:
        """Write dW and add to dC, for the gradient ``d`` (B, K) of the result."""
        self.dF.zero_()
        for position, dF in enumerate(self.dF):
            dF.index_add_(0, contexts[:, position], d)
        torch.matmul(self.C.T, self.dF, out=self.dW)
        self.dC.add_(torch.matmul(self.dF, self.W.transpose(1, 2)).sum(0))


class Backprop:
    """Loss and gradients of an MLP without normalisation, for batches of one size, into buffers made once.

    ``gradient`` has the layout of ``model.flat``; ``gradients`` names its parts.
    """

    def __init__(self, model: Model, batch_size: int) -> None:
        if not self.handles(model.config):
            raise ValueError(f"model must be an MLP of tanh or ReLU without normalisation, got {model.config}")
        config, dtype = model.config, model.flat.dtype
        self.config: MLPConfig = config
        self.gradient = torch.zeros_like(model.flat)
        self.gradients = views(self.gradient, config.shapes(model.vocab_size))
        self._p = model.tensors
        self._first = self._lookup("W1") if config.hidden_sizes else None
        self._direct = self._lookup("W") if config.direct else None
        self._h = [torch.empty(batch_size, size, dtype=dtype) for size in config.hidden_sizes]
        self._dh = [torch.empty_like(h) for h in self._h]
        self._offsets = torch.arange(config.context_size) * model.vocab_size
        self._bags = torch.arange(batch_size) * config.context_size

    @staticmethod
    def handles(config: ModelConfig) -> TypeIs[MLPConfig]:
        """Whether these gradients are derived here."""
        return isinstance(config, MLPConfig) and config.normalisation == "none" and config.activation in ACTIVATE

    def _lookup(self, name: str) -> _Lookup:
        return _Lookup(self._p["C"], self._p[name], self.gradients["C"], self.gradients[name])

    @torch.inference_mode()
    def __call__(self, contexts: Batch, targets: Tensor, dropout: torch.Generator | None = None) -> float:
        """The mean loss of a batch in nats per character; afterwards ``gradient`` holds its derivatives.

        Parameters
        ----------
        contexts : (B, T) ids
        targets : (B,) ids or (B, V) distributions
        dropout : generator of the masks; without one nothing is dropped
        """
        assert isinstance(contexts, Tensor), "an MLP reads contexts, not prefixes of words"
        rate = self.config.dropout
        masks = [dropout_mask(h, rate, dropout) if dropout is not None and rate else None for h in self._h]
        rows = (contexts + self._offsets).view(-1)
        inputs = self._hidden(rows, masks)
        loss, dlogits = loss_and_dlogits(self._logits(rows, inputs), targets)
        self._backward(contexts, inputs, masks, dlogits)
        return loss

    def _hidden(self, rows: Tensor, masks: list[Tensor | None]) -> list[Tensor]:
        """What each hidden layer hands on, dropout included."""
        p, outputs = self._p, list[Tensor]()
        for layer, (h, mask) in enumerate(zip(self._h, masks, strict=True), start=1):
            if layer == 1 and self._first is not None:
                torch.add(self._first.forward(rows, self._bags), p["b1"], out=h)
            else:
                torch.addmm(p[f"b{layer}"], outputs[-1], p[f"W{layer}"], out=h)
            ACTIVATE[self.config.activation](h)
            outputs.append(h if mask is None else h * mask)
        return outputs

    def _logits(self, rows: Tensor, inputs: list[Tensor]) -> Tensor:
        """Logits as (V, B): with few symbols and many rows, matrix products are quicker this way round."""
        output = self.config.output
        logits = self._p[f"b{output}"][:, None]
        if inputs:
            logits = torch.addmm(logits, self._p[f"W{output}"].T, inputs[-1].T)
        if self._direct is not None:
            logits = logits + self._direct.forward(rows, self._bags).T
        return logits

    def _backward(self, contexts: Tensor, inputs: list[Tensor], masks: list[Tensor | None], dlogits: Tensor) -> None:
        p, g, output = self._p, self.gradients, self.config.output
        g["C"].zero_()
        torch.sum(dlogits, 1, out=g[f"b{output}"])
        if self._direct is not None:
            self._direct.backward(contexts, dlogits.T)
        d = dlogits.T  # the gradient at the output of the layer at hand: (B, V), then (B, H)
        for layer in range(len(self._h), 0, -1):
            h, dh, mask = self._h[layer - 1], self._dh[layer - 1], masks[layer - 1]
            g[f"W{layer + 1}"].copy_(torch.mm(d.T, inputs[layer - 1]).T)
            torch.mm(d, p[f"W{layer + 1}"].T, out=dh)
            if mask is not None:
                dh.mul_(mask)
            d = ACTIVATE_BACKWARD[self.config.activation](dh, h)
            torch.sum(d, 0, out=g[f"b{layer}"])
        if self._first is not None:
            self._first.backward(contexts, d)


class Autograd:
    """The same by automatic differentiation: the reference, and the engine of every other model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.gradient = torch.zeros_like(model.flat)
        self.gradients = views(self.gradient, model.config.shapes(model.vocab_size))

    def __call__(self, contexts: Batch, targets: Tensor, dropout: torch.Generator | None = None) -> float:
        """See :meth:`Backprop.__call__`; or prefixes of words, for models that read from left to right."""
        self.gradient.zero_()
        for name, parameter in self.model.named_parameters():
            parameter.grad = self.gradients[name]  # backward() adds to it in place
        assert not isinstance(contexts, Tree), "automatic differentiation goes level by level"
        if isinstance(contexts, list):
            logits = self.model.level_logits(contexts, dropout)
        else:
            logits = self.model(contexts, dropout)
        loss = cross_entropy(logits, targets)
        loss.backward()
        return loss.item()


class Gradients(Protocol):
    """What computes gradients: ``gradient`` has the layout of ``model.flat``, ``gradients`` names its parts."""

    gradient: Tensor
    gradients: dict[str, Tensor]

    def __call__(self, contexts: Batch, targets: Tensor, dropout: torch.Generator | None = None) -> float: ...


def gradients_of(model: Model, batch_size: int, *, autograd: bool = False) -> Gradients:
    """What computes a model's gradients: those derived by hand where there are some, else PyTorch's."""
    if not autograd and Backprop.handles(model.config):
        return Backprop(model, batch_size)
    if not autograd and TreeBackprop.handles(model.config):
        return TreeBackprop(model)
    return Autograd(model)


def loss_and_dlogits(logits: Tensor, targets: Tensor) -> tuple[float, Tensor]:
    """The mean loss of (V, B) logits and its gradient (p − q) / B, for targets (B,) ids or (B, V) distributions."""
    batch_size = logits.shape[1]
    log_p = torch.log_softmax(logits, 0)
    dlogits = log_p.exp()
    if targets.dim() == 1:
        loss = -log_p.gather(0, targets[None]).mean()
        dlogits.scatter_add_(0, targets[None], dlogits.new_full((1, batch_size), -1.0))
    else:
        loss = -(log_p * targets.T).sum() / batch_size
        dlogits.sub_(targets.T)
    return loss.item(), dlogits.div_(batch_size)
