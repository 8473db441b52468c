"""The baselines, against counting with dictionaries."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcore.config import SplitConfig
from mmcore.corpus import Corpus
from mmcore.dataset import Dataset, Vocab, build_dataset, build_examples
from mmcore.ngram import KneserNey, NGram, baselines, kneser_ney_table, uniform_loss


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


# ---- Kneser-Ney


def naive_kneser_ney(words: tuple[str, ...], order: int, symbols: str) -> Callable[[str, str], float]:
    """The formula as it is written, with strings and dictionaries; ``^`` starts a word and ``$`` ends it."""
    grams: Counter[str] = Counter()
    for word in words:
        text = "^" + word + "$"
        for end in range(1, len(text)):
            for k in range(min(order, end) + 1):
                grams[text[end - k : end + 1]] += 1

    def counted(gram: str) -> int:
        if len(gram) == order + 1 or gram[0] == "^":
            return grams[gram]
        return sum(grams[before + gram] > 0 for before in "^" + symbols)

    after: dict[str, dict[str, int]] = defaultdict(dict)
    for gram in grams:
        after[gram[:-1]][gram[-1]] = counted(gram)

    def discount(k: int) -> float:
        values = [n for context, row in after.items() if len(context) == k for n in row.values()]
        once, twice = values.count(1), values.count(2)
        return once / (once + 2 * twice) if once and twice else 0.5

    discounts = [discount(k) for k in range(order + 1)]

    def p(context: str, symbol: str) -> float:
        k = len(context)
        below = p(context[1:], symbol) if k else 1 / (len(symbols) + 1)
        row = after.get(context)
        if not row:
            return below
        total = sum(row.values())
        return (max(row.get(symbol, 0) - discounts[k], 0) + discounts[k] * len(row) * below) / total

    return lambda context, symbol: p(context[-order:] if order else "", symbol)


def test_kneser_ney_by_hand() -> None:
    """Words aa, ab, order 1. Pairs: ^a 2, aa 1, a$ 1, ab 1, b$ 1; d₁ = 4 / (4 + 2·1) = 2/3.

    Order 0 counts what stands before: a after {^, a} 2, b after {a} 1, $ after {a, b} 2; d₀ = 1 / (1 + 2·2) = 1/5.
    """
    vocab = Vocab(("", "a", "b"))
    model = KneserNey(build_examples(["aa", "ab"], vocab, 1), 1)
    p0 = {s: (n - 1 / 5) / 5 + (1 / 5) * 3 / 5 / 3 for s, n in (("a", 2), ("b", 1), ("$", 2))}
    assert sum(p0.values()) == pytest.approx(1)
    start = [2 / 3 * 1 / 2 * p0["$"], (2 - 2 / 3) / 2 + 2 / 3 * 1 / 2 * p0["a"], 2 / 3 * 1 / 2 * p0["b"]]
    after_a = [(1 - 2 / 3) / 3 + 2 / 3 * 3 / 3 * p0[s] for s in ("$", "a", "b")]
    after_b = [(1 - 2 / 3) / 1 + 2 / 3 * p0["$"], 2 / 3 * p0["a"], 2 / 3 * p0["b"]]
    found = model.distribution(np.array([[0], [1], [2]]))
    assert found == pytest.approx(np.array([start, after_a, after_b]), abs=1e-12)


@settings(max_examples=30)
@given(st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=12), st.integers(0, 4))
def test_kneser_ney_is_the_naive_formula_and_a_distribution(words: list[str], order: int) -> None:
    vocab = Vocab(("", "a", "b", "c"))
    model = KneserNey(build_examples(words, vocab, 5), order)
    naive = naive_kneser_ney(tuple(words), order, "abc")
    held_out = ["abcabc", "cc", "a"]
    examples = build_examples(held_out, vocab, 5)
    assert model.distribution(examples.contexts).sum(axis=1) == pytest.approx(1)
    expected = []
    for word in held_out:
        text = "^" + word + "$"
        expected += [naive(text[:end], text[end]) for end in range(1, len(text))]
    assert model.probability(examples.contexts, examples.targets) == pytest.approx(expected, abs=1e-12)


def test_longer_contexts_help_and_the_bigram_is_no_worse_than_add_one(names: Corpus) -> None:
    data = build_dataset(names, SplitConfig(), 5)
    table = kneser_ney_table(data.train, data.val).set_index("order")["val_loss"]
    assert table[1] == pytest.approx(2.4715, abs=1e-3)
    assert table[1] > table[2] > table[3] > table[4]


def test_impossible_orders_are_refused(small: Dataset) -> None:
    with pytest.raises(ValueError, match="order must be from 0 to 20, got -1"):
        KneserNey(small.train, -1)
    with pytest.raises(ValueError, match="context_size must be at least the order, 4, got 3"):
        KneserNey(small.train, 4)


def test_words_shorter_than_the_order_leave_its_loss_to_the_shorter_ones() -> None:
    data = build_dataset(list("abcabcaabb") * 4, SplitConfig(), 3)
    first, second, third = (KneserNey(data.train, order).loss(data.val) for order in (1, 2, 3))
    assert first < math.log(data.vocab.size)
    assert second == third
