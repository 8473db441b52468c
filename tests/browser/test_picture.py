"""The picture of the network: its numbers are those of mmcore, and everything on it answers in the browser."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from mmcore.architectures import model_config
from mmcore.architectures.interface import ModelConfig
from mmcore.model import Model
from mmcore.trace import forward_trace, without_unit
from tests.models import SMALL, shaken
from ui import picture

if TYPE_CHECKING:
    from playwright.sync_api import Page

VOCAB_SIZE = 11
MODELS: dict[str, ModelConfig] = SMALL | {
    "mlp-relu": model_config(context_size=5, embedding_dim=3, hidden_sizes=(9,), activation="relu"),
    "mlp-lecture": model_config(context_size=2, embedding_dim=2, hidden_sizes=(30,), init="lecture"),
    "mlp-direct": model_config(context_size=4, embedding_dim=3, hidden_sizes=(), direct=True),
    "wavenet-relu": model_config(
        architecture="wavenet", context_size=8, embedding_dim=3, hidden_size=5, normalisation="layer", activation="gelu"
    ),
    "transformer-one": model_config(architecture="transformer", context_size=9, embedding_dim=12, layers=1, heads=3),
}
LOAD = """async ([source, described, flat]) => {
  window.forwardModule ??= await import(`data:text/javascript;base64,${source}`);
  const bytes = Uint8Array.from(atob(flat), (character) => character.charCodeAt(0));
  window.model = forwardModule.unpack(described, new Float32Array(bytes.buffer));
}"""
COMPUTE = """([ids, off]) => {
  const plain = (value) => value?.map ? Array.from(value, plain) : value;
  const units = Object.fromEntries(Object.entries(off).map(([name, units]) => [name, new Set(units)]));
  return Object.fromEntries(
    Object.entries(forwardModule.forward(model, ids, units)).map(([name, value]) => [name, plain(value)]));
}"""

Compute = Callable[..., dict[str, Any]]


def loaded(tab: Page, model: Model) -> Compute:
    """``forward`` of a model in the browser, on a blank page: ``compute(ids, h1=[3])``."""
    encoded = [
        base64.b64encode(part).decode() for part in ((picture.HERE / "forward.js").read_bytes(), model.flat.numpy())
    ]
    tab.evaluate(LOAD, [encoded[0], picture.described(model), encoded[1]])
    return lambda ids, **off: tab.evaluate(COMPUTE, [ids, off])


def single(config: ModelConfig, seed: int) -> Model:
    return shaken(config, VOCAB_SIZE, seed).copy(torch.float32)


def words(config: ModelConfig, seed: int, count: int = 4) -> list[list[int]]:
    """Contexts of words of random lengths, and one with no boundary at all."""
    random, size = np.random.default_rng(seed), config.context_size
    drawn = [random.integers(1, VOCAB_SIZE, size) for _ in range(count)]
    return [[0] * (size - length) + row.tolist()[:length] for row, length in zip(drawn, [size, 0, 1, 2], strict=True)]


@pytest.mark.parametrize("name", MODELS)
def test_every_number_of_the_picture_is_that_of_trace(tab: Page, name: str) -> None:
    model = single(MODELS[name], seed=len(name))
    compute = loaded(tab, model)
    for ids in words(MODELS[name], seed=7):
        made = compute(ids)
        for step in forward_trace(model, ids[-model.config.context_size :], 0).steps[:-1]:
            assert np.allclose(made[step.name], step.value, rtol=1e-5, atol=1e-5), (step.name, ids)


def test_a_unit_switched_off_says_nothing(tab: Page) -> None:
    model = single(SMALL["mlp"], seed=3)
    compute = loaded(tab, model)
    without = without_unit(without_unit(model, 1, 5), 2, 0)
    for ids in words(model.config, seed=1):
        found = compute(ids, h1=[5], h2=[0])
        assert np.allclose(found["logits"], forward_trace(without, ids, 0)["logits"], rtol=1e-5, atol=1e-5)
        assert not np.allclose(found["logits"], compute(ids)["logits"], atol=1e-3)
