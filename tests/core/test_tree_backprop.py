"""The gradients derived by hand for models that read from left to right, against autograd."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcore.architectures import model_config
from mmcore.architectures.interface import ModelConfig
from mmcore.architectures.prefix_tree import Tree, prefixes
from mmcore.backprop import Autograd
from mmcore.config import SplitConfig
from mmcore.dataset import build_dataset
from mmcore.model import Model
from mmcore.samplers import SAMPLERS
from mmcore.tree_backprop import TreeBackprop
from tests.models import randomised

LETTERS = "abcdef"  # with the boundary, as many symbols as the models of tests.models have
ARCHITECTURES = ("rnn", "gru", "lstm", "transformer")
every = pytest.mark.parametrize("architecture", ARCHITECTURES)
dropped = st.sampled_from([0.0, 0.4])


def ragged_words(seed: int) -> list[str]:
    """Thirty of them, of very different lengths, many of which begin alike."""
    rng = random.Random(seed)
    return [LETTERS, *("".join(rng.choices("aab" + LETTERS, k=rng.choice([1, 1, 2, 3, 5, 9]))) for _ in range(29))]


@st.composite
def configs_of(draw: st.DrawFn, name: str, normalisation: str) -> ModelConfig:
    fields = {"architecture": name, "context_size": draw(st.integers(1, 8)), "dropout": draw(dropped)}
    if name == "transformer":
        heads = draw(st.integers(1, 3))
        fields |= {"heads": heads, "embedding_dim": heads * draw(st.integers(1, 3)), "layers": draw(st.integers(1, 3))}
        fields |= {"activation": draw(st.sampled_from(["tanh", "relu", "gelu"])), "bias": draw(st.booleans())}
        return model_config(**fields, normalisation=normalisation)
    fields |= {"embedding_dim": draw(st.integers(1, 5)), "hidden_size": draw(st.integers(1, 9))}
    return model_config(**fields, **({} if name == "rnn" else {"state_dropout": draw(dropped)}))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("kind", [*ARCHITECTURES, "transformer-rms"])
@settings(max_examples=15)
@given(st.data(), st.integers(1, 12), st.integers(0, 99))
def test_gradients_equal_autograd(kind: str, sampler: str, data: st.DataObject, size: int, seed: int) -> None:
    name, _, normalisation = kind.partition("-")
    config = data.draw(configs_of(name, normalisation or "layer"))
    model = randomised(config, seed)
    dataset = build_dataset(ragged_words(seed), SplitConfig(), config.context_size)
    sample, g = SAMPLERS[sampler](dataset.train, size), torch.Generator().manual_seed(seed)
    by_hand, automatic = TreeBackprop(model), Autograd(model)
    for _ in range(2):  # the second time over what the first left
        contexts, targets = sample(g)
        targets = targets.double() if targets.dim() == 2 else targets
        loss = automatic(contexts, targets, torch.Generator().manual_seed(seed))
        assert by_hand(contexts, targets, torch.Generator().manual_seed(seed)) == pytest.approx(loss, abs=1e-10)
        for name, gradient in automatic.gradients.items():
            assert torch.allclose(by_hand.gradients[name], gradient, rtol=0, atol=1e-10), name


@every
def test_without_a_generator_nothing_is_dropped(architecture: str) -> None:
    config = model_config(architecture=architecture, dropout=0.9)
    model, contexts = randomised(config, 1), torch.randint(7, (20, 16), generator=torch.Generator().manual_seed(1))
    by_hand, automatic = TreeBackprop(model), Autograd(model)
    assert by_hand(contexts, contexts[:, 0]) == pytest.approx(automatic(contexts, contexts[:, 0]), abs=1e-12)
    assert torch.allclose(by_hand.gradient, automatic.gradient, rtol=0, atol=1e-10)


@every
def test_single_precision_is_close_to_double(architecture: str) -> None:
    """Training is in float32, where tanh is computed in another way than in float64."""
    double = Model(model_config(architecture=architecture), 7, 2, dtype=torch.float64)
    single = double.copy(torch.float32)
    contexts = torch.randint(7, (64, 16), generator=torch.Generator().manual_seed(3))
    wide, narrow = TreeBackprop(double), TreeBackprop(single)
    assert narrow(contexts, contexts[:, 0]) == pytest.approx(wide(contexts, contexts[:, 0]), abs=1e-5)
    assert (wide.gradient - narrow.gradient).abs().max() < 1e-5


@pytest.mark.parametrize("distributions", [False, True])
def test_huge_logits_give_finite_gradients(distributions: bool) -> None:
    model = Model(model_config(architecture="rnn", hidden_size=4), 7)
    model.flat.mul_(1e4)
    contexts = torch.randint(7, (5, 16), generator=torch.Generator().manual_seed(1))
    backprop = TreeBackprop(model)
    assert backprop(contexts, torch.eye(7)[contexts[:, 0]] if distributions else contexts[:, 0]) < 1e12
    assert backprop.gradient.isfinite().all()


def test_a_tree_knows_which_prefixes_are_continued() -> None:
    """Of "ab", "ad" and "c" after their boundary: "." is continued by "a" and "c", "a" by "b" and "d"."""
    tree = Tree.of(prefixes(torch.tensor([[0, 1, 2], [0, 1, 4], [0, 0, 3]]))[0])
    assert tree.characters.tolist() == [0, 1, 3, 2, 4]
    assert tree.parents.tolist() == [0, 1, 1, 2, 2]  # rows of states; the first is before any character
    assert (tree.continued.tolist(), tree.above.tolist()) == ([0, 1, 2], [0, 1, 1, 2, 2])
    assert (tree.sizes, tree.continued_sizes) == ([1, 2, 2], [1, 1, 1])
