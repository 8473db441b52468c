"""Several models as one: the loss of their mixture, and its best weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.architectures import model_config
from mmcore.config import SplitConfig, TrainConfig
from mmcore.corpus import Corpus
from mmcore.dataset import build_dataset
from mmcore.evaluation import target_probabilities
from mmcore.mixture import excess, mix, mixture_loss, mixture_weights
from mmcore.ngram import KneserNey
from mmcore.train_state import TrainState
from mmcore.training import Pace, train


def test_network_and_counts_together_beat_both(names: Corpus) -> None:
    data, wide = build_dataset(names, SplitConfig(), 3), build_dataset(names, SplitConfig(), 5)
    state = TrainState(model_config(), TrainConfig(max_steps=600), data.vocab.size)
    *_, last = train(state, data, pace=Pace(losses=False))
    assert last.step == 600
    counted = KneserNey(wide.train, 4).probability(wide.val.contexts, wide.val.targets)
    p = np.stack((target_probabilities(state.model, data.val), counted))
    grid = np.linspace(0, 1, 101)
    losses = np.array([mixture_loss(p, (weight, 1 - weight)) for weight in grid])
    assert abs(mixture_weights(p)[0] - grid[losses.argmin()]) <= 0.01
    assert losses.min() < min(losses[0], losses[-1]) - 0.01
    assert losses[-1] == pytest.approx(-np.log(p[0]).mean(), rel=1e-12), "all of the weight is the network alone"


@pytest.mark.parametrize("right", [0.0, 0.03, 0.5, 0.93, 0.97, 1.0])
def test_a7_the_best_weight_is_the_best(right: float) -> None:
    """A7: where one of the two is hardly needed, too."""
    rng = np.random.default_rng(3)
    network, counts = rng.dirichlet(np.ones(5) * 0.4, 20_000), rng.dirichlet(np.ones(5) * 0.4, 20_000)
    p = right * network + (1 - right) * counts
    drawn = (p.cumsum(axis=1) > rng.random((len(p), 1))).argmax(axis=1)
    both = np.stack([table[np.arange(len(p)), drawn] + 1e-12 for table in (network, counts)])
    best = mixture_weights(both)[0]
    lowest = min(mixture_loss(both, (weight, 1 - weight)) for weight in np.linspace(0, 1, 1_001))
    assert mixture_loss(both, (best, 1 - best)) <= lowest + 1e-6
    assert abs(best - right) < 0.02


@given(st.integers(1, 20), st.integers(1, 200), st.integers(0, 2**32 - 1), st.floats(0.01, 20))
def test_no_other_weights_have_a_loss_that_is_lower_by_a_hundred_thousandth(
    models: int, examples: int, seed: int, spread: float
) -> None:
    p = np.exp(-spread * np.random.default_rng(seed).exponential(size=(models, examples)))
    weights = mixture_weights(p)
    assert weights.min() >= 0 and weights.sum() == pytest.approx(1, abs=1e-12)
    assert 0 <= excess(p, weights) + 1e-12 < 1e-5


@given(st.integers(0, 2**32 - 1))
def test_the_excess_bounds_what_better_weights_gain(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, weights = np.exp(-rng.exponential(size=(3, 40))), rng.dirichlet(np.ones(3))
    assert mixture_loss(p, weights) - mixture_loss(p, mixture_weights(p)) <= excess(p, weights) + 1e-9


def test_copies_of_a_model_change_nothing() -> None:
    p = np.exp(-np.random.default_rng(0).exponential(size=(2, 500)))
    alone, copied = mixture_weights(p), mixture_weights(np.stack((p[0], p[1], p[1])))
    assert copied[0] == pytest.approx(alone[0], abs=0.02)
    assert mixture_loss(p, alone) == pytest.approx(mixture_loss(np.stack((p[0], p[1], p[1])), copied), abs=1e-6)


def test_a_model_that_went_astray_spoils_no_mixture() -> None:
    good = np.log(np.random.default_rng(0).dirichlet(np.ones(4), 50)[:, 0])
    astray, broken = np.full(50, -1e6), np.full(50, np.nan)
    mixed = mix(["good", "astray", "broken"], {"val_loss": np.stack((good, astray, broken))})
    assert mixed.weights == pytest.approx([1, 0, 0], abs=1e-6) and mixed.best == 0
    assert mixed.loss["val_loss"] == pytest.approx(-good.mean()) and mixed.losses["val_loss"][1] == 1e6
    alone = mix(["astray", "broken"], {"val_loss": np.stack((astray, broken))})
    assert np.isfinite(alone.loss["val_loss"]), "there is nothing better"
    assert mix(["broken", "broken too"], {"val_loss": np.stack((broken, broken))}).best in (0, 1)
