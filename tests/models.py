"""Small models: one of every architecture, and those that hypothesis draws."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import strategies as st

from mmcore.architectures import model_config
from mmcore.architectures.interface import ModelConfig
from mmcore.architectures.sequence import SequenceConfig
from mmcore.fields import Choice
from mmcore.model import MLP, Model

VOCAB_SIZE = 7  # of what hypothesis draws
SMALL: dict[str, ModelConfig] = {
    "bigram": model_config(architecture="bigram"),
    "mlp": model_config(embedding_dim=4, hidden_sizes=(16, 12)),
    "mlp-batch": model_config(embedding_dim=4, hidden_sizes=(16, 12), normalisation="batch", direct=True),
    "mlp-layer": model_config(embedding_dim=4, hidden_sizes=(16,), normalisation="layer", activation="gelu"),
    "rnn": model_config(architecture="rnn", context_size=6, embedding_dim=4, hidden_size=24),
    "gru": model_config(
        architecture="gru", context_size=6, embedding_dim=4, hidden_size=16, dropout=0.2, state_dropout=0.1
    ),
    "lstm": model_config(architecture="lstm", context_size=6, embedding_dim=4, hidden_size=16),
    "wavenet": model_config(architecture="wavenet", context_size=4, embedding_dim=4, hidden_size=16),
    "transformer": model_config(
        architecture="transformer", context_size=6, embedding_dim=16, layers=2, heads=2, dropout=0.1
    ),
    "transformer-rms": model_config(
        architecture="transformer",
        context_size=6,
        embedding_dim=8,
        layers=2,
        heads=2,
        normalisation="rms",
        activation="relu",
        bias=False,
    ),
}
SEQUENCES = {name: config for name, config in SMALL.items() if isinstance(config, SequenceConfig)}
every = pytest.mark.parametrize("config", SMALL.values(), ids=SMALL)
every_sequence = pytest.mark.parametrize("config", SEQUENCES.values(), ids=SEQUENCES)


def shaken(config: ModelConfig, vocab_size: int, seed: int = 1) -> Model:
    """A model none of whose tensors is at its first value, in double precision."""
    model = Model(config, vocab_size, seed, dtype=torch.float64)
    with torch.no_grad():
        model.flat.add_(torch.rand(len(model.flat), generator=torch.Generator().manual_seed(seed)) * 0.3)
    return model


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    """Of any architecture."""
    config = draw(st.sampled_from(list(SMALL.values())))
    choices: dict[str, list[int] | list[str]] = {
        "context_size": [2, 4, 8],
        "embedding_dim": [2, 4],
        "hidden_size": [3, 8],
        "layers": [1, 3],
        "heads": [1, 2],
        "activation": ["tanh", "gelu"],
    }
    normalisation = config.settings().get("normalisation")
    if isinstance(normalisation, Choice):
        choices["normalisation"] = list(normalisation.options)
    names = [f.name for f in dataclasses.fields(config) if f.name in choices]
    return config.replace(**{name: draw(st.sampled_from(choices[name])) for name in names})


@st.composite
def mlp_configs(draw: st.DrawFn) -> ModelConfig:
    hidden = tuple(draw(st.lists(st.integers(1, 9), max_size=3)))
    return model_config(
        context_size=draw(st.integers(1, 5)),
        embedding_dim=draw(st.integers(1, 6)),
        hidden_sizes=hidden,
        activation=draw(st.sampled_from(["tanh", "relu"])),
        direct=draw(st.booleans()) or not hidden,
        dropout=draw(st.sampled_from([0.0, 0.4])),
        init=draw(st.sampled_from(["scaled", "lecture"])),
    )


def randomised(config: ModelConfig, seed: int) -> MLP:
    """A model whose biases and output weights are not near zero, so that every path carries gradient."""
    model = MLP(config, VOCAB_SIZE, seed, dtype=torch.float64)
    with torch.no_grad():
        model.flat.add_(torch.randn(len(model.flat), generator=torch.Generator().manual_seed(seed)) * 0.3)
    return model
