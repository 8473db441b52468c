"""The architectures, in the order the lecture series meets them. A new one is a file here and a line below."""

from __future__ import annotations

from .bigram import BigramConfig
from .gru import GRUConfig
from .interface import ModelConfig as ModelConfig
from .lstm import LSTMConfig
from .mlp import MLPConfig
from .rnn import RNNConfig
from .transformer import TransformerConfig
from .wavenet import WaveNetConfig

FAMILIES: dict[str, type[ModelConfig]] = {
    family.architecture: family
    for family in (BigramConfig, MLPConfig, RNNConfig, GRUConfig, LSTMConfig, WaveNetConfig, TransformerConfig)
}
ModelConfig.families.update(FAMILIES)
