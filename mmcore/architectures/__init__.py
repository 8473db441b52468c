"""The architectures, in the order the lecture series meets them. A new one is a file here and a line below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..fields import choice
from .bigram import BigramConfig
from .gru import GRUConfig
from .interface import ModelConfig as ModelConfig
from .lstm import LSTMConfig
from .mlp import MLPConfig
from .rnn import RNNConfig
from .transformer import TransformerConfig
from .wavenet import WaveNetConfig

DEFAULT = MLPConfig.architecture  # also of files from before there were others

ARCHITECTURES: dict[str, type[ModelConfig]] = {
    config.architecture: config
    for config in (BigramConfig, MLPConfig, RNNConfig, GRUConfig, LSTMConfig, WaveNetConfig, TransformerConfig)
}


def architecture_of(fields: Mapping[str, Any]) -> type[ModelConfig]:
    """The config class that some fields name, an MLP's if they name none; ``ValueError`` if there is none so called."""
    name = fields.get("architecture", DEFAULT)
    choice("architecture", name, tuple(ARCHITECTURES))
    return ARCHITECTURES[name]


def model_config(**fields: Any) -> ModelConfig:
    """A model's config from some of its fields; the others have the defaults of its architecture."""
    return architecture_of(fields)(**fields)


def read_model(values: Mapping[str, Any]) -> ModelConfig:
    """The inverse of :meth:`ModelConfig.to_dict`, for any architecture; unknown fields are errors."""
    known = architecture_of(values) if isinstance(values, Mapping) else MLPConfig
    return known.from_dict(values)
