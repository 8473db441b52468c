"""What the passes of all recurrent architectures have in common."""

from __future__ import annotations

from typing import Generic, TypeVar

import torch
from torch import Generator, Tensor

from ..architectures.interface import Parameters
from ..architectures.layers import dropout_mask
from ..architectures.prefix_tree import Tree
from ..architectures.sequence import SequenceConfig

# From a function's results y: sigmoid_backward(d, y, grad_input=d) is d ⊙ y ⊙ (1 − y), the other d ⊙ (1 − y²).
sigmoid_backward, tanh_backward = torch.ops.aten.sigmoid_backward.grad_input, torch.ops.aten.tanh_backward.grad_input

Config = TypeVar("Config", bound=SequenceConfig)


class Pass(Generic[Config]):
    """One architecture's way through a prefix tree and back: :meth:`forward`, then :meth:`backward` over what it kept.

    Parameters
    ----------
    p : the tensors of :meth:`ModelConfig.shapes`
    g : their gradients, which :meth:`backward` writes, those of the head excepted
    """

    def __init__(self, config: Config, p: Parameters, g: Parameters) -> None:
        self.config, self.p, self.g = config, p, g

    def forward(self, tree: Tree, training: Generator | None) -> Tensor:
        """The states (M, H), as :meth:`SequenceConfig.states` gives them."""
        raise NotImplementedError

    def backward(self, dstates: Tensor) -> None:
        """Write the gradients, for those (M, H) of the states."""
        raise NotImplementedError


class Dropout:
    """``y = x ⊙ mask``: ``dx = dy ⊙ mask``."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.generator: Generator | None = None  # None: nothing is dropped

    def forward(self, x: Tensor) -> Tensor:
        self.mask = None if self.generator is None or not self.rate else dropout_mask(x, self.rate, self.generator)
        return x if self.mask is None else x * self.mask

    def backward(self, d: Tensor) -> Tensor:
        return d if self.mask is None else d * self.mask


def table(p: Parameters) -> Tensor:
    """What each character adds to the pre-activations: a row of ``F = C · W_ih + b_ih`` (V, K)."""
    return torch.addmm(p["b_ih"], p["C"], p["W_ih"])


def table_backward(p: Parameters, g: Parameters, dtable: Tensor) -> None:
    """Write ``dW_ih = Cᵀ · dF``, ``db_ih = Σ_rows dF`` and ``dC = dF · W_ihᵀ``, for the gradient dF of a table."""
    torch.mm(p["C"].T, dtable, out=g["W_ih"])
    torch.sum(dtable, 0, out=g["b_ih"])
    torch.mm(dtable, p["W_ih"].T, out=g["C"])


def by_character(tree: Tree, d: Tensor, vocab_size: int) -> Tensor:
    """Sums (V, K) of the rows of d (M, K) whose prefix ends in the same character: the gradient of a table."""
    return d.new_zeros(vocab_size, d.shape[1]).index_add_(0, tree.characters, d)
