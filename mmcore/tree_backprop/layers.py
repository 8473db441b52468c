"""What a transformer is made of: each layer keeps what its way back needs, and writes the gradients of its tensors.

``forward`` maps rows (M, …) to rows; ``backward`` maps the gradient of a loss with respect to the results to the one
with respect to the inputs, by the formulas beside each layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..architectures.interface import Parameters
from ..architectures.layers import EPSILON


class Layer(Protocol):
    """There, and back over what :meth:`forward` kept."""

    def forward(self, x: Tensor) -> Tensor: ...

    def backward(self, d: Tensor) -> Tensor: ...


class Linear:
    """``y = x · W + b``: ``dW = xᵀ · dy``, ``db = Σ_rows dy``, ``dx = dy · Wᵀ``."""

    def __init__(self, p: Parameters, g: Parameters, name: str) -> None:
        self.W, self.b, self.dW, self.db = p[f"W_{name}"], p.get(f"b_{name}"), g[f"W_{name}"], g.get(f"b_{name}")

    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        return x @ self.W if self.b is None else torch.addmm(self.b, x, self.W)

    def backward(self, d: Tensor) -> Tensor:
        torch.mm(self.x.T, d, out=self.dW)
        if self.db is not None:
            torch.sum(d, 0, out=self.db)
        return d @ self.W.T


class LayerNorm:
    """``y = x̂ ⊙ gain + bias`` with x̂ the row x to mean 0 and variance 1, x divided by σ.

    ``dgain = Σ_rows dy ⊙ x̂``, ``dbias = Σ_rows dy``, and with dx̂ = dy ⊙ gain and means over the row
    ``dx = (dx̂ − mean(dx̂) − x̂ ⊙ mean(dx̂ ⊙ x̂)) / σ``: PyTorch has it in one function.
    """

    def __init__(self, p: Parameters, g: Parameters, gain: str, bias: str) -> None:
        self.gain, self.bias, self.dgain, self.dbias = p[gain], p.get(bias), g[gain], g.get(bias)

    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        y, self.mean, self.rstd = torch.native_layer_norm(x, x.shape[-1:], self.gain, self.bias, EPSILON)
        return y

    def backward(self, d: Tensor) -> Tensor:
        wanted = [True, True, self.dbias is not None]
        dx, dgain, dbias = torch.ops.aten.native_layer_norm_backward(
            d, self.x, self.x.shape[-1:], self.mean, self.rstd, self.gain, self.bias, wanted
        )
        self.dgain.copy_(dgain)
        if self.dbias is not None:
            self.dbias.copy_(dbias)
        return dx  # type: ignore[no-any-return]


class RMSNorm:
    """``y = x / ρ`` with ρ the root of the row's mean square: ``dx = (dy − y ⊙ mean(dy ⊙ y)) / ρ``."""

    def forward(self, x: Tensor) -> Tensor:
        self.inverse = x.square().mean(1, keepdim=True).add_(EPSILON).rsqrt_()
        self.y = x * self.inverse
        return self.y

    def backward(self, d: Tensor) -> Tensor:
        return torch.addcmul(d, self.y, (d * self.y).mean(1, keepdim=True), value=-1).mul_(self.inverse)


def _relu_backward(d: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return torch.ops.aten.threshold_backward(d, y, 0)  # type: ignore[no-any-return]


def _tanh_backward(d: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return torch.ops.aten.tanh_backward(d, y)  # type: ignore[no-any-return]


def _gelu_backward(d: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return torch.ops.aten.gelu_backward(d, x)  # type: ignore[no-any-return]


ACTIVATE: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor, Tensor], Tensor]]] = {
    "tanh": (torch.tanh, _tanh_backward),
    "relu": (torch.relu, _relu_backward),
    "gelu": (F.gelu, _gelu_backward),
}


class Activation:
    """``y = f(x)``: ``dx = dy ⊙ f'(x)``."""

    def __init__(self, name: str) -> None:
        self.function, self.derivative = ACTIVATE[name]

    def forward(self, x: Tensor) -> Tensor:
        self.x, self.y = x, self.function(x)
        return self.y

    def backward(self, d: Tensor) -> Tensor:
        return self.derivative(d, self.x, self.y)
