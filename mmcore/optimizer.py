"""One parameter update, by SGD or AdamW."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .train_state import TrainState

# Of Adam (Kingma & Ba 2015). Shorter memories than usual: runs here are short, and long ones lose nothing by it.
BETA1, BETA2, EPSILON = 0.85, 0.97, 1e-8

Update = Callable[[TrainState, Tensor, float], None]


@torch.inference_mode()
def update(state: TrainState, gradient: Tensor, learning_rate: float) -> None:
    """One parameter update, in place: SGD, or AdamW (Loshchilov & Hutter 2019). Biases do not decay."""
    flat, config = state.model.flat, state.config
    if config.weight_decay:
        flat[: state.model.decayed].mul_(1 - learning_rate * config.weight_decay)
    if state.moments is None:
        flat.add_(gradient, alpha=-learning_rate)
        return
    mean, square = state.moments
    correction1, correction2 = 1 - BETA1 ** (state.step + 1), 1 - BETA2 ** (state.step + 1)
    mean.lerp_(gradient, 1 - BETA1)
    square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
    scale = square.sqrt().div_(math.sqrt(correction2)).add_(EPSILON)
    flat.addcdiv_(mean, scale, value=-learning_rate / correction1)
