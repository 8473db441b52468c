"""The character-level neural language model of Bengio et al. (2003).

Shape letters, here and everywhere: B batch, T context_size, D embedding_dim, H hidden size,
V vocab_size, N examples, M distinct contexts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ModelConfig

GAIN = {"tanh": 5 / 3, "relu": math.sqrt(2)}
ACTIVATION: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu}
OUTPUT_SCALE = 0.1  # of the usual 1/√fan_in: first logits near 0, first loss near ln V


class MLP(nn.Module):
    """Multi-layer perceptron over the concatenated embeddings of the context.

    Logits are ``b + W·x + U·tanh(d + H·x)``, equation 1 of Bengio, Ducharme, Vincent and Jauvin,
    "A Neural Probabilistic Language Model", JMLR 3 (2003): here ``x`` holds the rows of ``C`` for the
    context's characters, side by side; H, d are ``W1, b1``; U, b are ``W2, b2``; ``W`` (optional) are
    the direct connections. More hidden layers may follow the first.

    All parameters are views of one flat tensor, ``flat``, weights first and biases last, so that an
    optimiser is a handful of operations and a copy is one.

    Parameters
    ----------
    config : ModelConfig
    vocab_size : int
        V, boundary included.
    seed : int
        Of the initialisation; see :func:`initialise`.
    """

    def __init__(self, config: ModelConfig, vocab_size: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.config, self.vocab_size = config, vocab_size
        shapes = config.shapes(vocab_size)
        self.flat = torch.zeros(config.parameters(vocab_size), dtype=dtype)
        self.decayed = sum(math.prod(shapes[name]) for name in shapes if not is_bias(name))
        for name, view in views(self.flat, shapes).items():
            self.register_parameter(name, nn.Parameter(view))
        initialise(self, torch.Generator().manual_seed(seed))

    def __deepcopy__(self, memo: dict[int, object]) -> MLP:
        """A copy with a flat tensor of its own; copying member by member would part ``flat`` and the parameters."""
        twin = MLP(self.config, self.vocab_size, dtype=self.flat.dtype)
        twin.flat.copy_(self.flat)
        memo[id(self)] = twin
        return twin

    @property
    def layers(self) -> int:
        """Number of layers with a bias: the hidden ones and the output."""
        return len(self.config.hidden_sizes) + 1

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The parameters by name, in the order of the forward pass, detached from autograd."""
        parameters = dict(self.named_parameters())
        return {name: parameters[name].detach() for name in self.config.shapes(self.vocab_size)}

    def forward(self, contexts: Tensor, dropout: torch.Generator | None = None) -> Tensor:
        """Logits (B, V) for contexts (B, T). Hidden units are dropped only if a generator to draw from is given."""
        p: dict[str, Tensor] = dict(self.named_parameters())
        x = h = p["C"][contexts].flatten(1)  # (B, T·D)
        for layer in range(1, self.layers):
            h = ACTIVATION[self.config.activation](h @ p[f"W{layer}"] + p[f"b{layer}"])  # (B, H)
            if dropout is not None and self.config.dropout:
                h = h * dropout_mask(h, self.config.dropout, dropout)
        logits = p[f"b{self.layers}"]
        if self.config.hidden_sizes:
            logits = h @ p[f"W{self.layers}"] + logits
        if self.config.direct:
            logits = logits + x @ p["W"]
        return logits


def is_bias(name: str) -> bool:
    """Whether a parameter is a bias (which weight decay leaves alone)."""
    return name.startswith("b")


def views(flat: Tensor, shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """A flat tensor seen as named ones: weights first, biases last, else in the given order."""
    parts, start = {}, 0
    for name in sorted(shapes, key=is_bias):
        size = math.prod(shapes[name])
        parts[name] = flat[start : start + size].view(shapes[name])
        start += size
    return {name: parts[name] for name in shapes}


@torch.no_grad()
def initialise(model: MLP, generator: torch.Generator) -> None:
    """Draw the first weights, tensor after tensor in the order of the forward pass.

    ``lecture``: every tensor from N(0, 1), as in the lecture's loop (with its seed, its very numbers).
    ``scaled``: C from N(0, 1), hidden weights from N(0, (gain/√fan_in)²), biases 0, output weights so
    small that the first loss is close to ln V (He et al. 2015; the gain of tanh is 5/3).
    """
    for name, tensor in model.tensors.items():
        if model.config.init == "lecture" or name == "C":
            tensor.normal_(generator=generator)
        elif not is_bias(name):
            hidden = name not in ("W", f"W{model.layers}")
            gain = GAIN[model.config.activation] if hidden else OUTPUT_SCALE
            tensor.normal_(generator=generator).mul_(gain / math.sqrt(tensor.shape[0]))


def dropout_mask(like: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Zeros with probability ``rate``, else 1/(1 − rate), so that the expected activation stays the same.

    Four decisions are drawn from one random 64-bit number, three times as fast as a float each; the rate is
    rounded to a multiple of 2⁻¹⁶ for it.
    """
    dropped = round(rate * 2**16)
    bits = torch.empty((like.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None, generator=generator)
    kept = bits.view(torch.int16)[: like.numel()].view(like.shape) >= dropped - 2**15
    return kept.to(like.dtype).mul_(2**16 / (2**16 - dropped))


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean negative log-likelihood in nats per character; the one loss function.

    ``targets`` are ids (B,) or distributions over the vocabulary (B, V). Stable for any finite logits:
    log-sum-exp subtracts the row's maximum first.
    """
    return F.cross_entropy(logits, targets)
