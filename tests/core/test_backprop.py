"""The gradients derived by hand, against autograd and against finite differences."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmcore.architectures import model_config
from mmcore.architectures.interface import ModelConfig
from mmcore.backprop import Backprop
from mmcore.model import MLP, cross_entropy
from tests.models import VOCAB_SIZE, mlp_configs, randomised


def batch(config: ModelConfig, size: int, distributions: bool, seed: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    contexts = torch.randint(VOCAB_SIZE, (size, config.context_size), generator=g)
    if distributions:
        return contexts, torch.rand(size, VOCAB_SIZE, generator=g, dtype=torch.float64).softmax(1)
    return contexts, torch.randint(VOCAB_SIZE, (size,), generator=g)


def dropout_generator(config: ModelConfig, seed: int) -> torch.Generator | None:
    return torch.Generator().manual_seed(seed) if config.dropout else None


@settings(max_examples=100)
@given(mlp_configs(), st.integers(1, 12), st.booleans(), st.integers(0, 10_000))
def test_gradients_equal_autograd(config: ModelConfig, size: int, distributions: bool, seed: int) -> None:
    model = randomised(config, seed)
    contexts, targets = batch(config, size, distributions, seed)
    loss = cross_entropy(model(contexts, dropout_generator(config, seed)), targets)
    loss.backward()
    backprop = Backprop(model, size)
    for _ in range(2):  # the second time over its own buffers
        assert backprop(contexts, targets, dropout_generator(config, seed)) == pytest.approx(loss.item(), abs=1e-10)
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None
            assert torch.allclose(backprop.gradients[name], parameter.grad, rtol=0, atol=1e-10), name


@pytest.mark.parametrize(
    "config",
    [
        model_config(embedding_dim=3, hidden_sizes=(5,)),
        model_config(embedding_dim=2, hidden_sizes=(4, 3), direct=True),
        model_config(embedding_dim=2, hidden_sizes=(), direct=True),
    ],
)
def test_gradients_equal_central_differences(config: ModelConfig) -> None:
    model = randomised(config, 1)
    contexts, targets = batch(config, 6, False, 1)
    backprop = Backprop(model, 6)
    backprop(contexts, targets)
    gradient, step = backprop.gradient.clone(), 1e-5
    for i in range(len(model.flat)):
        losses = []
        for sign in (1, -2):
            model.flat[i] += sign * step
            losses.append(backprop(contexts, targets))
        model.flat[i] += step
        assert gradient[i].item() == pytest.approx((losses[0] - losses[1]) / (2 * step), abs=1e-6)


def test_the_gradient_is_laid_out_like_the_parameters() -> None:
    model = MLP(model_config(hidden_sizes=(5, 4), direct=True), VOCAB_SIZE)
    backprop = Backprop(model, 3)
    backprop.gradient.copy_(torch.arange(len(backprop.gradient)))
    model.flat.copy_(backprop.gradient)
    for name, parameter in model.named_parameters():
        assert torch.equal(backprop.gradients[name], parameter), name


def test_a_batch_leaves_the_weights_alone() -> None:
    model = MLP(model_config(dropout=0.5), VOCAB_SIZE)
    before = model.flat.clone()
    Backprop(model, 4)(*batch(model.config, 4, False, 0), torch.Generator())
    assert torch.equal(model.flat, before)


def test_single_precision_is_close_to_double() -> None:
    """Training is in float32, where tanh is computed in another way than in float64."""
    config = model_config(hidden_sizes=(64,))
    double = randomised(config, 2)
    single = MLP(config, VOCAB_SIZE)
    single.flat.copy_(double.flat)
    contexts, targets = batch(config, 32, False, 3)
    losses = [(b := Backprop(model, 32))(contexts, targets) for model in (single, double)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    b.gradient.sub_(_gradient(single, contexts, targets))
    assert b.gradient.abs().max().item() < 1e-5


def _gradient(model: MLP, contexts: Tensor, targets: Tensor) -> Tensor:
    backprop = Backprop(model, len(contexts))
    backprop(contexts, targets)
    return backprop.gradient


@pytest.mark.parametrize("distributions", [False, True])
def test_huge_logits_give_finite_gradients(distributions: bool) -> None:
    config = model_config(hidden_sizes=(), direct=True)
    model = MLP(config, VOCAB_SIZE)
    model.flat.mul_(1e4)
    contexts, targets = batch(config, 4, distributions, 0)
    backprop = Backprop(model, 4)
    assert backprop(contexts, targets.float() if distributions else targets) < 1e12
    assert backprop.gradient.isfinite().all()
