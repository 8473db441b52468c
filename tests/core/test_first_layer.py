"""An MLP's logits by tables: those of its forward pass."""

from __future__ import annotations

import pytest
import torch

from mmcore.architectures import model_config
from mmcore.evaluation import log_probabilities
from mmcore.first_layer import ByTables
from mmcore.model import Model

VOCAB_SIZE = 11


@pytest.mark.parametrize("normalisation", ["none", "batch", "layer"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
@pytest.mark.parametrize(("hidden_sizes", "direct"), [((6,), False), ((6, 5), True), ((), True)])
def test_the_logits_are_those_of_the_forward_pass(
    hidden_sizes: tuple[int, ...], direct: bool, activation: str, normalisation: str
) -> None:
    config = model_config(
        embedding_dim=4, hidden_sizes=hidden_sizes, direct=direct, activation=activation, normalisation=normalisation
    )
    model = Model(config, VOCAB_SIZE, seed=1, dtype=torch.float64)
    model.flat.abs_().add_(0.1)  # so that biases, gains and running statistics count
    contexts = torch.randint(VOCAB_SIZE, (50, 3), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.allclose(ByTables(model)(contexts), model(contexts), rtol=0, atol=1e-12)


def test_they_are_used_where_they_are_small_and_the_model_is_an_mlp() -> None:
    def small(**settings: object) -> bool:
        return ByTables.small(Model(model_config(**settings), VOCAB_SIZE))  # type: ignore[arg-type]

    assert small() and not small(context_size=7, hidden_sizes=(4_096,)) and not small(architecture="transformer")


def test_they_follow_the_weights() -> None:
    model = Model(model_config(), VOCAB_SIZE, seed=1)
    contexts = torch.zeros(1, 3, dtype=torch.int64).numpy()
    before = log_probabilities(model, contexts)
    model.flat.mul_(2)
    assert not torch.equal(log_probabilities(model, contexts), before)
