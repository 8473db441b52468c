"""One parameter update, by SGD or AdamW, and the learning rate that it is made with."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .config import TrainConfig
from .train_state import TrainState

# Of Adam (Kingma & Ba 2015). Shorter memories than usual: runs here are short, and long ones lose nothing by it.
BETA1, BETA2, EPSILON = 0.85, 0.97, 1e-8
WARM_UP = 0.2  # share of a one-cycle schedule spent climbing to the learning rate
STEP_AT, STEP_FACTOR = 0.5, 0.1  # the lecture: half of the updates at 0.1, half at 0.01


def learning_rate_at(config: TrainConfig, step: int) -> float:
    """The learning rate of the update after ``step`` updates.

    ``step``: a tenth of it in the second half. ``one-cycle``: linear climb, then linear descent to zero
    (Smith & Topin 2018). ``inverse-time``: ε₀ / (1 + r·t), section 3.1 of Bengio et al. (2003).
    """
    rate, done = config.learning_rate, step / config.max_steps
    if config.schedule == "step":
        return rate if done < STEP_AT else rate * STEP_FACTOR
    if config.schedule == "inverse-time":
        return rate / (1 + config.decay_rate * step)
    if config.schedule == "one-cycle":
        climb = (step + 1) / max(1, WARM_UP * config.max_steps)
        return rate * min(1.0, climb, (1 - done) / (1 - WARM_UP))
    return rate


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
