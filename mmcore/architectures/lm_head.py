"""The layer from a model's last vector to logits, called as in makemore and nanoGPT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .interface import Parameters, Shapes, Stage

if TYPE_CHECKING:
    from torch import Tensor


def head_shapes(size: int, vocab_size: int, *, bias: bool = True) -> Shapes:
    """The tensors of a layer from vectors of this size."""
    return {"W_lm_head": (size, vocab_size)} | ({"b_lm_head": (vocab_size,)} if bias else {})


def head_logits(p: Parameters, h: Tensor) -> Tensor:
    """Logits (…, V) of vectors (…, H)."""
    logits = h @ p["W_lm_head"]
    return logits + p["b_lm_head"] if "b_lm_head" in p else logits


def plain_head(shapes: Shapes, h: str = "h") -> str:
    """The same in plain torch, of the vector that is called ``h`` there."""
    return f"logits = {h} @ p['W_lm_head']" + (" + p['b_lm_head']" if "b_lm_head" in shapes else "")


def head_stage(p: Parameters, h: Tensor, said: str) -> Stage:
    """The last stage of a forward pass, for a vector (H,) that is called ``said`` in LaTeX."""
    formula = rf"\text{{logits}} = {said} W_\text{{lm\_head}}"
    weights = {"W_lm_head": ("H, V", p["W_lm_head"])}
    if "b_lm_head" in p:
        formula += r" + b_\text{lm\_head}"
        weights["b_lm_head"] = ("V", p["b_lm_head"])
    return Stage("logits", "Logits", formula, "V", head_logits(p, h), "logits", weights)
