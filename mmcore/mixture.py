"""Several models as one: what each of them gives the next symbol, averaged with weights.

Averaging a neural model with a count model is section 4.2 of Bengio et al. (2003), weight ½ there; here it may be any
number of models. Everything is about ``p`` (K, N): what each of K models gives the right answer of each of N examples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64] | Sequence[float]
"""(K,), that sum to 1."""


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
