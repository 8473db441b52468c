"""A model in training and all that its next update depends on, so that it can be put away and continued."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .architectures.interface import ModelConfig
from .config import TrainConfig
from .model import Model

OFFSETS = {"batches": 0x5EED_0001, "dropout": 0x5EED_0002}  # from the seed of initialisation


def generator_seed(seed: int, name: str) -> int:
    """The seed of a generator that training draws from, by its name in :data:`OFFSETS`."""
    return (seed + OFFSETS[name]) % 2**63


class TrainState:
    """A model in training and all that its next update depends on, so that it can be put away and continued.

    Randomness is explicit: initialisation, batches and dropout each draw from a generator of their own.
    """

    def __init__(self, model_config: ModelConfig, config: TrainConfig, vocab_size: int) -> None:
        self.config = config
        self.model = Model(model_config, vocab_size, seed=config.seed)
        self.moments = torch.zeros(2, self.model.flat.numel()) if config.optimizer == "adamw" else None
        self.generators = {name: torch.Generator().manual_seed(generator_seed(config.seed, name)) for name in OFFSETS}
        self.step = 0
        self.best: Tensor | None = None  # flat weights with the lowest validation loss at a check
        self.best_loss, self.checks_since_best = math.inf, 0
        self.check_due = False  # whether these weights are still to be checked, because a stop came first

    @property
    def out_of_patience(self) -> bool:
        """Whether early stopping has ended the training."""
        return 0 < self.config.patience <= self.checks_since_best

    def tensors(self) -> dict[str, Tensor]:
        """Everything that changes while training, as named tensors (copies)."""
        tensors = {"flat": self.model.flat, **{f"generator.{n}": g.get_state() for n, g in self.generators.items()}}
        tensors["progress"] = torch.tensor([self.step, self.best_loss, self.checks_since_best], dtype=torch.float64)
        if self.moments is not None:
            tensors["moments"] = self.moments
        if self.best is not None:
            tensors["best"] = self.best
        if self.check_due:
            tensors["check_due"] = torch.tensor(True)
        return {name: tensor.clone() for name, tensor in tensors.items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of :meth:`tensors`, for a state with the same configs; ``ValueError`` if they do not fit."""
        optional = {"best": self.model.flat, "check_due": torch.tensor(True)}
        needed = {name: tensor for name, tensor in self.tensors().items() if name not in optional}
        needed |= {name: tensor for name, tensor in optional.items() if name in tensors}
        shapes, got = ({n: (tuple(t.shape), t.dtype) for n, t in parts.items()} for parts in (needed, tensors))
        if shapes != got:
            raise ValueError(f"training state must fit its config ({shapes}), got {got}")
        self.model.flat.copy_(tensors["flat"])
        for name, generator in self.generators.items():
            generator.set_state(tensors[f"generator.{name}"])
        step, self.best_loss, since = tensors["progress"].tolist()
        self.step, self.checks_since_best = int(step), int(since)
        self.moments = tensors["moments"].clone() if self.moments is not None else None
        self.best = tensors["best"].clone() if "best" in tensors else None
        self.check_due = "check_due" in tensors
