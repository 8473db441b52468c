"""The layer from a model's last vector to logits, called as in makemore and nanoGPT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .interface import Parameters, Shapes, Stage

if TYPE_CHECKING:
    from torch import Tensor

PLAIN = "@ p['W_lm_head'] + p['b_lm_head']"  # what follows the vector in plain torch


def head_shapes(size: int, vocab_size: int) -> Shapes:
    """The tensors of a layer from vectors of this size."""
    return {"W_lm_head": (size, vocab_size), "b_lm_head": (vocab_size,)}


def head_logits(p: Parameters, h: Tensor) -> Tensor:
    """Logits (…, V) of vectors (…, H)."""
    return h @ p["W_lm_head"] + p["b_lm_head"]


def head_stage(p: Parameters, h: Tensor, said: str) -> Stage:
    """The last stage of a forward pass, for a vector (H,) that is called ``said`` in LaTeX."""
    formula = rf"\text{{logits}} = {said} W_\text{{lm\_head}} + b_\text{{lm\_head}}"
    weights = {"W_lm_head": ("H, V", p["W_lm_head"]), "b_lm_head": ("V", p["b_lm_head"])}
    return Stage("logits", "Logits", formula, "V", head_logits(p, h), "logits", weights)
