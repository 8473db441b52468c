"""The baselines, against counting with dictionaries."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from mmcore.data import Dataset, build_examples
from mmcore.ngram import NGram, baselines, uniform_loss


def naive_loss(train: tuple[str, ...], words: tuple[str, ...], order: int, vocab_size: int) -> float:
    """Add-one smoothing, as in the lecture; a line break stands for the boundary."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for word in train:
        text = "\n" + word + "\n"
        for before, after in pairwise(text):
            table[before if order else ""][after] += 1
    total, n = 0.0, 0
    for word in words:
        text = "\n" + word + "\n"
        for before, after in pairwise(text):
            row = table[before if order else ""]
            total -= math.log((row[after] + 1) / (row.total() + vocab_size))
            n += 1
    return total / n


def test_knowing_nothing_costs_ln_v() -> None:
    assert uniform_loss(27) == pytest.approx(3.2958, abs=5e-5)


@pytest.mark.parametrize("order", [0, 1])
def test_count_models_are_the_naive_ones(dataset: Dataset, order: int) -> None:
    model = NGram(dataset.train, order)
    for part, words in ((dataset.train, dataset.splits.train), (dataset.val, dataset.splits.val)):
        assert model.loss(part) == pytest.approx(naive_loss(dataset.splits.train, words, order, 27), abs=1e-9)


def test_the_baselines_table(dataset: Dataset) -> None:
    table = baselines(dataset).set_index("model")
    assert list(table.index) == ["uniform", "unigram", "bigram"]
    assert list(table.columns) == ["train_loss", "val_loss"]
    assert table["val_loss"].tolist() == pytest.approx([3.295837, 2.826731, 2.471552], abs=1e-6)
    assert table["train_loss"].tolist() == pytest.approx([3.295837, 2.822350, 2.453258], abs=1e-6)


def test_the_context_size_does_not_matter_to_a_baseline(small: Dataset) -> None:
    losses = [
        NGram(build_examples(small.splits.train, small.vocab, size), 1).loss(
            build_examples(small.splits.val, small.vocab, size)
        )
        for size in (1, 5)
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-12)


def test_impossible_settings_are_refused(small: Dataset) -> None:
    with pytest.raises(ValueError, match=r"order must be 0 \(unigram\) or 1 \(bigram\), got 2"):
        NGram(small.train, 2)
    with pytest.raises(ValueError, match="smoothing must be above 0"):
        NGram(small.train, 1, smoothing=0.0)
