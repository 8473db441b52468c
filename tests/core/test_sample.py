"""Sampling: what is drawn from, what is drawn, and where a word is already known."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mmcore.architectures import model_config
from mmcore.config import TrainConfig
from mmcore.dataset import BOUNDARY, Dataset, Splits
from mmcore.model import MLP
from mmcore.sample import Overflown, draw_symbol, drawn_words, generate, label, labels, next_distribution, probabilities
from mmcore.train_state import TrainState
from mmcore.training import train


@pytest.fixture(scope="module")
def model(dataset: Dataset) -> MLP:
    state = TrainState(model_config(), TrainConfig(max_steps=300), dataset.vocab.size)
    for _ in train(state, dataset):
        pass
    return state.model


def distribution(model: MLP, dataset: Dataset, prefix: str = "", **options: Any) -> pd.Series:
    return next_distribution(model, dataset.vocab, prefix, **options).set_index("symbol")["probability"]


def test_nothing_is_drawn_from_a_model_whose_scores_have_overflown(model: MLP, dataset: Dataset) -> None:
    spoiled = MLP(model.config, model.vocab_size)
    spoiled.flat.fill_(3e38)
    for draw in (lambda: generate(spoiled, dataset.vocab, 2), lambda: next_distribution(spoiled, dataset.vocab)):
        with pytest.raises(Overflown, match="logits must be finite numbers, got others"):
            draw()
    assert drawn_words(spoiled, dataset.vocab, 2, 1) == []
    words = [sample.word for sample in generate(model, dataset.vocab, 3, sample_seed=1)]
    assert drawn_words(model, dataset.vocab, 3, 1) == words


def test_symbols_drawn_one_after_the_other_write_the_sampled_word(model: MLP, dataset: Dataset) -> None:
    generator, written = torch.Generator().manual_seed(3), ""
    while symbol := draw_symbol(next_distribution(model, dataset.vocab, written, temperature=1.2), generator):
        written += symbol
    assert written == generate(model, dataset.vocab, 1, sample_seed=3, temperature=1.2)[0].word != ""


# ---- the distribution


def test_the_distribution_is_the_softmax_of_the_logits(model: MLP, dataset: Dataset) -> None:
    table = next_distribution(model, dataset.vocab, "em", temperature=0.7)
    assert list(table.columns) == ["symbol", "probability"]
    assert tuple(table["symbol"]) == dataset.vocab.symbols
    with torch.no_grad():
        logits = model(torch.tensor([[0, 5, 13]]))[0].double().numpy() / 0.7
    assert table["probability"].to_numpy() == pytest.approx(np.exp(logits) / np.exp(logits).sum(), abs=1e-6)


def test_only_the_last_characters_of_a_prefix_count(model: MLP, dataset: Dataset) -> None:
    assert distribution(model, dataset, "xemma").equals(distribution(model, dataset, "mma"))
    assert not distribution(model, dataset, "a").equals(distribution(model, dataset, "aa"))


def test_top_k_leaves_the_k_most_likely(model: MLP, dataset: Dataset) -> None:
    whole, cut = distribution(model, dataset, "a"), distribution(model, dataset, "a", top_k=4)
    kept = whole.nlargest(4)
    assert set(cut[cut > 0].index) == set(kept.index)
    assert cut[kept.index].to_numpy() == pytest.approx((kept / kept.sum()).to_numpy(), abs=1e-6)
    assert distribution(model, dataset, "a", top_k=1_000).equals(whole)


def test_temperature_0_puts_everything_on_the_most_likely(model: MLP, dataset: Dataset) -> None:
    whole, cold = distribution(model, dataset, "a"), distribution(model, dataset, "a", temperature=0)
    assert cold[whole.idxmax()] == 1 == cold.sum()


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-45, 5e-324])
def test_tiny_temperatures_come_close_to_0_and_stay_numbers(temperature: float) -> None:
    p = probabilities(torch.tensor([[1.0, 3.0, 2.0], [-1e4, 1e4, 0.0]]), temperature)
    assert p.tolist() == [[0, 1, 0], [0, 1, 0]]


def test_a_high_temperature_comes_close_to_uniform() -> None:
    assert probabilities(torch.tensor([[1.0, 3.0]]), 100.0)[0].tolist() == pytest.approx([0.5, 0.5], abs=0.01)


# ---- drawing


def test_draws_follow_the_distribution(model: MLP, dataset: Dataset) -> None:
    n = 10_000
    words = [s.word for s in generate(model, dataset.vocab, n, prefix="an", max_length=3, sample_seed=7)]
    counts = Counter(word[2:] for word in words)
    expected = distribution(model, dataset, "an") * n
    frequent = expected[expected > 5]
    assert BOUNDARY in frequent.index
    chi_square = sum((counts[symbol] - e) ** 2 / e for symbol, e in frequent.items())
    # Mean k − 1, deviation √(2(k − 1)): five deviations above the mean is out of the question.
    k = len(frequent)
    assert k > 8
    assert chi_square < k + 5 * (2 * k) ** 0.5


def test_temperature_and_top_k_reach_the_draws(model: MLP, dataset: Dataset) -> None:
    top = set(distribution(model, dataset).nlargest(3).index)
    assert {s.word[:1] for s in generate(model, dataset.vocab, 300, top_k=3)} == top
    cold = {s.word for s in generate(model, dataset.vocab, 20, temperature=0)}
    assert len(cold) == 1
    prefix, written = "", cold.pop()
    while (symbol := distribution(model, dataset, prefix).idxmax()) != BOUNDARY and len(prefix) < 50:
        prefix += symbol
    assert written == prefix


def test_the_seed_decides_the_words(model: MLP, dataset: Dataset) -> None:
    first, again, other = (generate(model, dataset.vocab, 20, sample_seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_a_prefix_is_kept_and_counts_as_length(model: MLP, dataset: Dataset) -> None:
    samples = generate(model, dataset.vocab, 50, prefix="mar", max_length=6)
    assert all(s.word.startswith("mar") and len(s.word) <= 6 for s in samples)
    assert {s.ended for s in samples} == {True, False}
    for sample in samples:
        assert sample.ended or len(sample.word) == 6
    at_cap = generate(model, dataset.vocab, 200, prefix="anna", max_length=4)
    assert {s.word for s in at_cap} == {"anna"}
    ended = sum(s.ended for s in at_cap) / 200
    assert ended == pytest.approx(distribution(model, dataset, "anna")[BOUNDARY], abs=0.15), "a word may end at the cap"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n": 0}, "n must be from 1 to 10,000, got 0"),
        ({"n": 10_001}, "n must be from 1 to 10,000, got 10001"),
        ({"temperature": -0.1}, "temperature must be from 0 to 100, got -0.1"),
        ({"temperature": float("nan")}, "temperature must be from 0 to 100, got nan"),
        ({"top_k": 0}, "top_k must be at least 1, got 0"),
        ({"max_length": 0}, "max_length must be from 1 to 1,000, got 0"),
        ({"prefix": "anna", "max_length": 3}, "prefix must be at most max_length (3) characters, got 'anna'"),
        ({"prefix": "Änn"}, "characters must be in the vocabulary (a b c"),
        ({"sample_seed": -1}, "sample_seed must be from 0 to 9,223,372,036,854,775,807, got -1"),
        ({"sample_seed": 2**63}, "sample_seed must be from 0 to"),
    ],
)
def test_impossible_wishes_are_refused(model: MLP, dataset: Dataset, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        generate(model, dataset.vocab, **{"n": 1, **options})
    assert str(error.value).startswith(sentence)


def test_words_are_labelled_by_the_first_split_that_has_them() -> None:
    splits = Splits(("anna", "bob"), ("bob", "eve"), ("eve", "dan"))
    assert labels(["anna", "bob", "eve", "dan", "zoe"], splits) == ["train", "train", "val", "test", "new"]
    assert label("eve", splits) == "val"
