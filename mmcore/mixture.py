"""Several models as one: what each of them gives the next symbol, averaged with weights.

Averaging a neural model with a count model is section 4.2 of Bengio et al. (2003), weight ½ there; here it may be any
number of models. Everything is about ``p`` (K, N): what each of K models gives the right answer of each of N examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64] | Sequence[float]
"""(K,), that sum to 1."""
IMPOSSIBLE = -700.0  # the logarithm of the least probability here, which a model that went astray may go below


def mixture_loss(p: NDArray[np.float64], weights: Weights) -> float:
    """The mean negative log-likelihood of the mixture, nats per symbol."""
    return float(-np.log(np.asarray(weights) @ p).mean())


def mixture_weights(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights (K,) with the lowest loss on these examples, none below 0; :func:`excess` says how nearly.

    The loss is convex in the weights (Jelinek & Mercer 1980), so what no small step improves, nothing does: found by
    sequential least squares (Kraft 1988), from equal weights on.
    """
    from scipy.optimize import minimize

    p = p / p.max(0)  # adds the same to the loss of all weights
    equal = np.ones(len(p))
    found = minimize(
        lambda weights: mixture_loss(p, weights),
        equal / len(p),
        jac=lambda weights: -(p / (weights @ p)).mean(1),
        bounds=[(0, 1)] * len(p),
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1, "jac": lambda _: equal},
        method="SLSQP",
        options={"ftol": 1e-12},
    )
    clipped = np.clip(found.x, 0, 1)
    weights: NDArray[np.float64] = clipped / clipped.sum()
    return weights


def excess(p: NDArray[np.float64], weights: Weights) -> float:
    """By how much the loss of some weights is above the lowest, at most: log of the largest mean p_k ÷ mixture.

    For the best weights w*, with Jensen's inequality: loss(w) − loss(w*) = mean log(Σ w*_k p_k ÷ mixture)
    ≤ log Σ w*_k mean(p_k ÷ mixture).
    """
    return float(np.log((p / (np.asarray(weights) @ p)).mean(1).max()))


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """Models with their weights in a mixture, and losses by name."""

    titles: Sequence[str]
    weights: NDArray[np.float64]  # (K,), the best on validation
    losses: Mapping[str, NDArray[np.float64]]  # of each model alone (K,)
    loss: Mapping[str, float]  # of the mixture
    equal: float  # the mixture's validation loss with equal weights

    @property
    def best(self) -> int:
        """Which model has the lowest validation loss alone."""
        return int(np.fmin(self.losses["val_loss"], np.inf).argmin())


def mix(titles: Sequence[str], answers: Mapping[str, NDArray[np.float64]]) -> Mixed:
    """Models as one, by the log-probabilities (K, N) of right answers; those of ``val_loss`` choose the weights."""
    p = {name: np.exp(np.fmax(log_p, IMPOSSIBLE)) for name, log_p in answers.items()}
    weights = mixture_weights(p["val_loss"])
    return Mixed(
        titles=titles,
        weights=weights,
        losses={name: -log_p.mean(1) for name, log_p in answers.items()},
        loss={name: mixture_loss(part, weights) for name, part in p.items()},
        equal=mixture_loss(p["val_loss"], np.full(len(titles), 1 / len(titles))),
    )
