"""A model's numbers alone: PyTorch's own file of tensors, and NumPy's."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..model import Model

if TYPE_CHECKING:
    from .artifact import Artifact


def state_dict_bytes(model: Model) -> bytes:
    """A plain ``state_dict`` (``.pt``): for ``torch.load(…, weights_only=True)``."""
    buffer = io.BytesIO()
    torch.save({name: tensor.clone() for name, tensor in model.tensors.items()}, buffer)
    return buffer.getvalue()


def npz_bytes(artifact: Artifact) -> bytes:
    """The tensors by name, and ``vocab``, the symbols by id: for ``numpy.load``, without pickles."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in artifact.model.tensors.items()}
    np.savez(buffer, allow_pickle=False, **arrays, vocab=np.array(artifact.vocab.symbols, dtype=np.str_))
    return buffer.getvalue()
