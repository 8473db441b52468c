"""The network's forward pass, initialisation and loss, against transcriptions that share no code with it."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmcore.architectures import model_config
from mmcore.architectures.interface import ModelConfig
from mmcore.checkpoint import Checkpoint, restore, weights_of
from mmcore.dataset import Dataset
from mmcore.model import MLP, cross_entropy, dropout_mask
from mmcore.trace import shifted

CONFIGS = [
    model_config(),
    model_config(init="lecture"),
    model_config(context_size=2, embedding_dim=4, hidden_sizes=(16,), direct=True),
    model_config(context_size=5, embedding_dim=3, hidden_sizes=(16, 8, 4), activation="relu"),
    model_config(context_size=1, embedding_dim=7, hidden_sizes=(12, 12), direct=True, init="lecture"),
    model_config(context_size=4, embedding_dim=5, hidden_sizes=(), direct=True),
]


def paper_logits(model: MLP, contexts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Equation 1 of Bengio et al. (2003), y = b + W·x + U·tanh(d + H·x), one example at a time, in NumPy."""
    p = {name: tensor.detach().double().numpy() for name, tensor in model.named_parameters()}
    config, rows = model.config, []
    for context in contexts:
        x = np.concatenate([p["C"][symbol] for symbol in context])
        h = x
        for layer in range(1, len(config.hidden_sizes) + 1):
            z = p[f"b{layer}"] + p[f"W{layer}"].T @ h
            h = np.tanh(z) if config.activation == "tanh" else np.maximum(z, 0)
        output = len(config.hidden_sizes) + 1
        y = p[f"b{output}"].copy()
        if config.hidden_sizes:
            y += p[f"W{output}"].T @ h
        if config.direct:
            y += p["W"].T @ x
        rows.append(y)
    return np.array(rows)


@pytest.mark.parametrize("config", CONFIGS)
def test_forward_is_the_papers_formula(config: ModelConfig) -> None:
    model = MLP(config, 9, seed=3, dtype=torch.float64)
    with torch.no_grad():  # biases too must count, so they may not be zero
        model.flat.add_(torch.randn(len(model.flat), generator=torch.Generator().manual_seed(1)) * 0.1)
        contexts = torch.randint(9, (20, config.context_size), generator=torch.Generator().manual_seed(2))
        logits = model(contexts)
    assert logits.shape == (20, 9)
    np.testing.assert_allclose(logits.numpy(), paper_logits(model, contexts.numpy()), rtol=0, atol=1e-12)


def test_an_embedding_row_is_one_hot_times_the_table() -> None:
    model = MLP(model_config(), 27)
    one_hot = torch.nn.functional.one_hot(torch.tensor([5, 13, 1]), 27).float()
    assert torch.equal(one_hot @ model.C.detach(), model.C.detach()[[5, 13, 1]])


def test_lecture_initialisation_is_the_lectures_own_draw() -> None:
    g = torch.Generator().manual_seed(2147483647)
    lecture = {
        "C": torch.randn((27, 10), generator=g),
        "W1": torch.randn((30, 200), generator=g),
        "b1": torch.randn(200, generator=g),
        "W2": torch.randn((200, 27), generator=g),
        "b2": torch.randn(27, generator=g),
    }
    model = MLP(model_config(init="lecture"), 27, seed=2147483647)
    assert set(dict(model.named_parameters())) == set(lecture)
    for name, tensor in lecture.items():
        assert torch.equal(model.get_parameter(name), tensor), name


@pytest.mark.parametrize("config", [config for config in CONFIGS if config.init == "scaled"])
@pytest.mark.parametrize("seed", range(4))
def test_scaled_initialisation_starts_at_ln_v(dataset: Dataset, config: ModelConfig, seed: int) -> None:
    model = MLP(config.replace(context_size=3), 27, seed=seed)
    with torch.no_grad():
        logits = model(torch.from_numpy(dataset.val.contexts[:4_000]))
    loss = cross_entropy(logits, torch.from_numpy(dataset.val.targets[:4_000])).item()
    assert abs(loss - math.log(27)) < 0.05


def test_scaled_initialisation_keeps_the_signal_through_layers() -> None:
    model = MLP(model_config(hidden_sizes=(300, 300)), 27, seed=0)
    assert model.W1.std().item() == pytest.approx(5 / 3 / math.sqrt(30), rel=0.05)
    assert model.W2.std().item() == pytest.approx(5 / 3 / math.sqrt(300), rel=0.05)
    assert model.W3.std().item() < 0.2 / math.sqrt(300)
    assert not model.b1.any() and not model.b3.any()
    relu = MLP(model_config(hidden_sizes=(300,), activation="relu"), 27, seed=0)
    assert relu.W1.std().item() == pytest.approx(math.sqrt(2) / math.sqrt(30), rel=0.05)


def test_the_seed_decides_the_first_weights() -> None:
    first, again, other = (MLP(model_config(), 27, seed=seed).flat for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("config", CONFIGS)
def test_parameters_are_views_of_one_flat_tensor(config: ModelConfig) -> None:
    model = MLP(config, 9)
    parameters = dict(model.named_parameters())
    assert {name: tuple(tensor.shape) for name, tensor in parameters.items()} == config.shapes(9)
    assert len(model.flat) == config.parameters(9) == sum(tensor.numel() for tensor in parameters.values())
    with torch.no_grad():
        model.flat.copy_(torch.arange(len(model.flat)))
    numbers = torch.cat([tensor.detach().flatten() for tensor in parameters.values()])
    assert torch.equal(numbers.sort().values, model.flat), "every number belongs to exactly one parameter"
    weights = torch.cat([tensor.detach().flatten() for name, tensor in parameters.items() if not name.startswith("b")])
    assert torch.equal(weights.sort().values, model.flat[: model.decayed]), "weights first, then biases"


def test_a_copied_model_still_shares_its_own_flat_tensor() -> None:
    model = MLP(model_config(), 27)
    for twin in (model.copy(), copy.deepcopy(model)):
        assert torch.equal(twin.flat, model.flat)
        with torch.no_grad():
            twin.flat.zero_()
        assert not twin.C.any()
        assert model.C.any() and model.flat.any()


def test_a_copy_in_another_precision_has_the_same_numbers() -> None:
    model = MLP(model_config(), 27)
    twin = model.copy(torch.float64)
    assert twin.flat.dtype == twin.C.dtype == torch.float64
    assert torch.equal(twin.flat.float(), model.flat)


def test_a_copy_draws_no_first_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MLP(model_config(), 27)
    kept = Checkpoint(step=1, weights=weights_of(model))
    monkeypatch.setattr("mmcore.model.initialise", lambda *_: pytest.fail("drawn and thrown away"))
    assert restore(model, kept).flat.equal(model.flat)
    assert shifted(model, "b1", [2], 1.0).tensors["b1"][2] == model.tensors["b1"][2] + 1
    assert copy.deepcopy(model).flat.equal(model.flat)


# ---- dropout


def test_dropout_keeps_the_expectation() -> None:
    like = torch.empty(400, 500)
    mask = dropout_mask(like, 0.3, torch.Generator().manual_seed(0))
    assert mask.unique().tolist() == pytest.approx([0, 1 / 0.7], rel=2e-5)  # the rate is a multiple of 2⁻¹⁶
    assert (mask == 0).float().mean().item() == pytest.approx(0.3, abs=0.005)
    assert mask.mean().item() == pytest.approx(1, abs=0.01)


def test_nothing_is_dropped_without_a_generator() -> None:
    config = model_config(dropout=0.5, hidden_sizes=(32, 32))
    model, plain = MLP(config, 27, seed=1), MLP(config.replace(dropout=0.0), 27, seed=1)
    contexts = torch.arange(15).reshape(5, 3)
    with torch.no_grad():
        assert torch.equal(model(contexts), plain(contexts))
        assert torch.equal(plain(contexts, torch.Generator()), plain(contexts))
        dropped = model(contexts, torch.Generator().manual_seed(1))
        assert not torch.equal(dropped, plain(contexts))
        assert torch.equal(dropped, model(contexts, torch.Generator().manual_seed(1)))


# ---- the loss


@given(st.integers(2, 30), st.integers(1, 20), st.integers(0, 1_000))
def test_the_loss_is_the_mean_negative_log_likelihood(vocab_size: int, batch_size: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch_size, vocab_size, generator=g, dtype=torch.float64) * 3
    targets = torch.randint(vocab_size, (batch_size,), generator=g)
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(axis=1, keepdims=True)
    expected = -np.log(p[np.arange(batch_size), targets.numpy()]).mean()
    assert cross_entropy(logits, targets).item() == pytest.approx(expected, abs=1e-10)
    one_hot = torch.nn.functional.one_hot(targets, vocab_size).double()
    assert cross_entropy(logits, one_hot).item() == pytest.approx(expected, abs=1e-10)


def test_the_loss_is_stable_for_huge_logits() -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4]])
    assert cross_entropy(logits, torch.tensor([0, 2])).item() == 0
    assert cross_entropy(logits, torch.tensor([1, 0])).item() == pytest.approx(2e4)
