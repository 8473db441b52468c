"""A run's start and the turn of its curve, on hand-made curves and on every architecture."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from mmcore import ARCHITECTURES, RunConfig, TrainConfig
from mmcore.architectures import model_config
from mmcore.corpus import Corpus
from mmcore.dataset import Dataset, build_dataset
from mmcore.diagnosis import first_loss, first_model, turning_point
from mmcore.evaluation import evaluate
from mmcore.presets import PRESETS, preset_for


def curve(val: list[float | None], train: list[float]) -> pd.DataFrame:
    steps = [10 * i for i in range(len(val))]
    return pd.DataFrame({"step": steps, "train_loss": train, "val_loss": val}, dtype="float64")


@pytest.mark.parametrize(
    ("val", "train", "best_step", "overfits"),
    [
        ([3.0, 2.0, 2.5], [3.0, 1.9, 1.0], 10, True),
        ([3.0, 2.0, 2.005], [3.0, 1.9, 1.0], 10, False),  # within the noise of a curve
        ([3.0, 2.0, 2.5], [3.0, 1.9, 2.1], 10, False),  # train rose too
        ([3.0, 2.5, 2.0], [3.0, 2.4, 1.9], 20, False),
        ([3.0, 2.0, None, 2.5], [3.0, 1.9, 1.5, 1.0], 10, True),
    ],
)
def test_overfitting_is_validation_rising_while_train_falls(
    val: list[float | None], train: list[float], best_step: int, overfits: bool
) -> None:
    turn = turning_point(curve(val, train))
    assert turn is not None
    assert (turn.best_step, turn.overfits) == (best_step, overfits)
    assert (turn.best_val, turn.last_val, turn.last_train) == (min(v for v in val if v), val[-1], train[-1])


def test_too_few_points_have_no_turn() -> None:
    assert turning_point(curve([3.0, 2.0], [3.0, 2.0])) is None
    assert turning_point(curve([3.0, None, 2.0], [3.0, 2.5, 2.0])) is None


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_scaled_start_is_calm_in_every_architecture(names: Corpus, architecture: str) -> None:
    model, train = model_config(architecture=architecture), PRESETS[preset_for(architecture)].train
    config = RunConfig(corpus_sha256="0" * 64, model=model, train=train)
    data = build_dataset(names.words[:400], config.split, model.context_size)
    start = first_loss(config, data)
    assert start.uniform == math.log(data.vocab.size)
    assert start.loss == pytest.approx(start.uniform, abs=0.05)
    assert start.spread < 0.3 and start.favourite < 3 / data.vocab.size
    assert (start.inputs > 0) == (architecture == "mlp"), "only there the last layer is a plain sum of units"


def test_a_wild_start_is_explained_by_its_weights(dataset: Dataset) -> None:
    config = RunConfig(corpus_sha256="0" * 64, model=model_config(init="lecture"))
    start = first_loss(config, dataset)
    exact = evaluate(first_model(config, dataset.vocab.size), dataset.train).loss
    assert exact > 15 and start.loss == pytest.approx(exact, rel=0.05)
    assert start.expected_spread == pytest.approx(start.spread, rel=0.2)
    assert start.favourite > 0.8 > 0.1 > start.right
    direct = config.replace(model=model_config(init="lecture", direct=True))
    assert first_loss(direct, dataset).inputs == 0, "the direct connections add to the sum"
    scaled = config.replace(model=model_config())
    assert first_loss(scaled, dataset).expected_spread < 0.01 * start.expected_spread


@pytest.mark.parametrize("hidden", [1, 8, 200])
def test_a10_the_expected_spread_counts_the_biases(dataset: Dataset, hidden: int) -> None:
    """With few units most of the spread is the biases'; over many draws of them the formula is right in the mean."""
    expected, found = [], []
    for seed in range(40):
        config = RunConfig(
            corpus_sha256="0" * 64,
            model=model_config(hidden_sizes=(hidden,), init="lecture"),
            train=TrainConfig(seed=seed),
        )
        start = first_loss(config, dataset)
        assert start.bias_size > 0.5
        expected.append(start.expected_spread**2)
        found.append(start.spread**2)
    assert sum(found) / 40 == pytest.approx(sum(expected) / 40, rel=0.1)


def test_a10_a_start_is_looked_at_on_all_examples_where_there_are_few(names: Corpus) -> None:
    config = RunConfig(corpus_sha256="0" * 64, model=model_config(init="lecture"))
    few = build_dataset(names.words[:150], config.split, 3)
    start = first_loss(config, few)
    assert start.examples == len(few.train) < 2_000
    assert start.loss == pytest.approx(evaluate(first_model(config, few.vocab.size), few.train).loss, abs=1e-5)
