"""The learning-rate range test and what it suggests."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from mmcore.architectures import model_config
from mmcore.config import RunConfig, TrainConfig
from mmcore.corpus import Corpus, corpus_from_words
from mmcore.dataset import Dataset
from mmcore.finder import learning_rate_range_test, range_test_steps, request, suggest_rate
from mmcore.jobs import Withdrawn, Worker
from mmcore.presets import PRESETS
from mmcore.store import RunStore


@pytest.mark.parametrize(("name", "low", "high"), [("quick", 0.005, 0.04), ("lecture", 0.05, 0.4)])
def test_it_finds_the_rates_of_the_presets(dataset: Dataset, name: str, low: float, high: float) -> None:
    """0.02 for AdamW, 0.1 for the lecture's SGD."""
    preset = PRESETS[name]
    rates, losses = zip(*learning_rate_range_test(preset.model, preset.train, dataset), strict=True)
    assert rates[0] == pytest.approx(1e-3) and (np.diff(rates) > 0).all()
    assert low <= suggest_rate(rates, losses).rate <= high


def test_a_range_test_far_too_high_ends_by_itself(small: Dataset) -> None:
    config = TrainConfig(optimizer="sgd", batch_size=16)
    pairs = list(learning_rate_range_test(model_config(hidden_sizes=(10,)), config, small, low=0, high=5, steps=400))
    assert 10 < len(pairs) < 400
    assert np.isfinite(pairs).all()


def test_the_suggestion_is_the_left_edge_of_the_valley() -> None:
    exponents = np.linspace(-3, 0, 1_000)
    valley = np.where(exponents < -2, 2 - (exponents + 3), np.where(exponents < -1, 1.0, 1 + 2 * (exponents + 1)))
    found = suggest_rate((10**exponents).tolist(), valley.tolist())
    assert 0.009 < found.rate < 0.02
    assert found.rate <= found.lowest < 0.11
    assert found.smooth[0] == pytest.approx(2)


@pytest.mark.parametrize("updates", [100, 1_000])
def test_a_trend_is_over_rates_and_not_over_updates(updates: int) -> None:
    exponents = np.linspace(-3, 0, updates)
    found = suggest_rate((10**exponents).tolist(), np.where(exponents < -1.5, 2 - exponents, 3.6).tolist())
    assert 0.028 < found.rate < 0.036


def test_a_range_test_has_as_many_updates_as_its_time_allows(small: Dataset) -> None:
    model, config = model_config(hidden_sizes=(10,)), TrainConfig(batch_size=16)
    assert range_test_steps(1e-6, model, config, small) == 50
    assert range_test_steps(600, model, config, small) == 1_000
    some = [range_test_steps(seconds, model, config, small) for seconds in (0.01, 0.1)]
    assert 50 <= some[0] < some[1] <= 1_000


def test_bad_requests_are_refused(small: Dataset) -> None:
    with pytest.raises(ValueError, match="low must be below high"):
        next(learning_rate_range_test(model_config(), TrainConfig(), small, low=0, high=-1))
    with pytest.raises(ValueError, match="losses must be as many as rates"):
        suggest_rate([1.0], [1.0])


# ---- on a worker


@pytest.fixture
def config(tmp_path: Path, names: Corpus) -> RunConfig:
    with closing(RunStore(str(tmp_path / "runs.sqlite"))) as store:
        sha256 = store.add_corpus(corpus_from_words(names.words[:400], "some names"))
    return RunConfig(corpus_sha256=sha256, model=model_config(hidden_sizes=(10,)), train=TrainConfig(batch_size=16))


def test_a_worker_gives_the_range_test_that_anyone_gets(tmp_path: Path, config: RunConfig, small: Dataset) -> None:
    found = request(Worker(), str(tmp_path / "runs.sqlite"), config, 0.2, tmp_path / "withdrawn")
    rates, losses = zip(*learning_rate_range_test(config.model, config.train, small, steps=found.steps), strict=True)
    assert 2 <= len(found.rates) <= found.steps
    assert found.rates == list(rates)[: len(found.rates)]
    assert found.losses == list(losses)[: len(found.losses)]


def test_a_worker_ends_a_range_test_at_its_time_or_when_nobody_wants_it(tmp_path: Path, config: RunConfig) -> None:
    store_url, withdrawn = str(tmp_path / "runs.sqlite"), tmp_path / "withdrawn"
    found = request(Worker(), store_url, config, 0.0, withdrawn)
    assert (len(found.rates), len(found.losses), found.steps) == (1, 1, 50)
    withdrawn.touch()
    with pytest.raises(Withdrawn):
        request(Worker(), store_url, config, 60.0, withdrawn)
