"""What a run's numbers say about it: its state before the first update, and where validation turned.

Unlike the doctor's rules these look at every run, healthy or not; the pages put them into sentences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .config import STRETCHED, RunConfig, TrainConfig
from .dataset import Dataset
from .ngram import uniform_loss
from .schedules import learning_rate_at

if TYPE_CHECKING:
    from .model import Model

SAMPLED = 2_000  # train examples that a model is looked at on
RISE = 0.01  # nats above its minimum from which validation counts as risen; less is the noise of a curve


@dataclass(frozen=True, kw_only=True)
class FirstLoss:
    """A model before its first update, on some train examples."""

    loss: float  # mean −ln p of the right answers
    uniform: float  # ln V: the loss of giving every character the same chance
    spread: float  # standard deviation of the logits around their mean, example by example
    favourite: float  # mean probability of the likeliest character
    right: float  # how often that is the right one
    examples: int  # that were looked at
    inputs: int = 0  # numbers that a logit adds up, each times a weight; 0 where more than a bias joins them
    input_size: float = math.nan  # their root mean square
    weight_size: float = math.nan  # that of the weights
    bias_size: float = math.nan  # and that of the biases

    @property
    def expected_spread(self) -> float:
        """√(n · inputs² · weights² + biases²): how far n products and a bias spread that are all independent."""
        return math.hypot(math.sqrt(self.inputs) * self.input_size * self.weight_size, self.bias_size)

    @property
    def overconfident(self) -> bool:
        """Whether the likeliest character is right less often than its probability says."""
        return self.favourite > self.right


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Where validation was lowest, and the end of the curve."""

    best_step: int
    best_val: float
    best_train: float  # at the same step
    last_step: int
    last_val: float
    last_train: float

    @property
    def overfits(self) -> bool:
        """Whether validation rose after its minimum while train went on falling."""
        return self.last_val - self.best_val > RISE and self.last_train < self.best_train


def first_model(config: RunConfig, vocab_size: int, start: bytes | None = None) -> Model:
    """The model of a run before its first update, which the seed brings back.

    Parameters
    ----------
    start : of a branch, the weights that it began with instead, as the store has them
    """
    from .checkpoint import Checkpoint, restore
    from .model import Model

    model = Model(config.model, vocab_size, seed=config.train.seed)
    return restore(model, Checkpoint(step=0, weights=start)) if start else model


def longer(train: TrainConfig, step: int, max_steps: int, *, goes_on: bool = True) -> str:
    """What training a run that has made `step` updates on to `max_steps` comes to.

    Without a saved state that it `goes_on` from, it is trained anew.
    """
    if not goes_on:
        return (
            f"{max_steps:,} steps in all, from the first one: nothing that training could go on from is stored of this "
            "run. The weights come out as those of a run of so many."
        )
    in_all, rate = f"{max_steps:,} steps in all", learning_rate_at(train.replace(max_steps=max_steps), step)
    if train.schedule in STRETCHED:
        return (
            f"{in_all}. The {train.schedule} schedule is stretched to them: the learning rate goes on at {rate:.3g}, "
            f"where step {step + 1:,} of {max_steps:,} has it. A new run of {max_steps:,} steps would come to other "
            "weights."
        )
    return f"{in_all}: the learning rate goes on at {rate:.3g}, and the weights come out as those of a run of so many."


def first_loss(config: RunConfig, dataset: Dataset, start: bytes | None = None) -> FirstLoss:
    """What the model of a run before its first update does on some train examples; see :func:`first_model`."""
    import torch

    from .trace import can_trace, neuron_report

    model = first_model(config, dataset.vocab.size, start)
    train = dataset.train
    contexts, right = train.drawn(SAMPLED) if len(train) > SAMPLED else (train.contexts, train.targets)
    targets = torch.from_numpy(right)
    with torch.no_grad():
        logits = model(torch.from_numpy(contexts)).double()
    log_p = logits.log_softmax(1)
    best = log_p.max(1)
    found = FirstLoss(
        loss=-log_p.gather(1, targets[:, None]).mean().item(),
        uniform=uniform_loss(dataset.vocab.size),
        spread=logits.std(1, correction=0).mean().item(),
        favourite=best.values.exp().mean().item(),
        right=(best.indices == targets).double().mean().item(),
        examples=len(targets),
    )
    layers = len(getattr(config.model, "hidden_sizes", ()))
    if not can_trace(model) or not layers or "W" in model.tensors:  # direct connections add to the sum
        return found
    inputs = neuron_report(model, contexts, layers).outputs
    weights = model.tensors[f"W{layers + 1}"]
    size = float(np.sqrt((inputs.astype(np.float64) ** 2).mean()))
    sizes = {
        "input_size": size,
        "weight_size": weights.double().square().mean().sqrt().item(),
        "bias_size": model.tensors[f"b{layers + 1}"].double().square().mean().sqrt().item(),
    }
    return FirstLoss(**vars(found) | {"inputs": inputs.shape[1]} | sizes)


def turning_point(history: pd.DataFrame) -> Turn | None:
    """Where a curve's validation loss was lowest; None if fewer than three of its points were evaluated."""
    curve = history.dropna(subset=["train_loss", "val_loss"])
    if len(curve) < 3:
        return None
    best, last = curve.loc[curve["val_loss"].idxmin()], curve.iloc[-1]
    return Turn(
        best_step=int(best["step"]),
        best_val=float(best["val_loss"]),
        best_train=float(best["train_loss"]),
        last_step=int(last["step"]),
        last_val=float(last["val_loss"]),
        last_train=float(last["train_loss"]),
    )
