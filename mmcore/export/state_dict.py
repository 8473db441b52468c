"""PyTorch's own file of tensors."""

from __future__ import annotations

import io

import torch

from ..model import Model


def state_dict_bytes(model: Model) -> bytes:
    """A plain ``state_dict`` (``.pt``): for ``torch.load(…, weights_only=True)``."""
    buffer = io.BytesIO()
    torch.save({name: tensor.clone() for name, tensor in model.tensors.items()}, buffer)
    return buffer.getvalue()
