"""Scoring a word and auditing samples, against plain computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmcore.architectures import model_config
from mmcore.dataset import Dataset, Vocab
from mmcore.evaluation import word_losses
from mmcore.model import MLP
from mmcore.scoring import (
    character_distribution,
    length_distribution,
    nearest_word,
    novelty_by_temperature,
    percentile,
    score_word,
    total_variation,
)


@pytest.fixture(scope="module")
def model() -> MLP:
    return MLP(model_config(hidden_sizes=(20,), init="lecture"), 27, 4)


def test_a_word_is_scored_letter_by_letter(model: MLP, dataset: Dataset) -> None:
    score = score_word(model, dataset.vocab, "mia")
    p = model(torch.tensor([[0, 0, 0], [0, 0, 13], [0, 13, 9], [13, 9, 1]])).detach().double().softmax(1)
    ids = [13, 9, 1, 0]
    assert score["symbol"].tolist() == ["m", "i", "a", ""]
    assert score["context"].tolist() == ["...", "..m", ".mi", "mia"]
    assert score["probability"].tolist() == pytest.approx([p[row, i].item() for row, i in enumerate(ids)], rel=1e-5)
    assert score["surprisal"].tolist() == pytest.approx([-math.log(p[row, i]) for row, i in enumerate(ids)], rel=1e-5)
    assert score["expected"].tolist() == [dataset.vocab.symbols[int(i)] for i in p.argmax(1)]
    assert score["rank"].tolist() == [int((p[row] > p[row, i]).sum()) + 1 for row, i in enumerate(ids)]


def test_the_empty_word_has_one_letter_to_score_its_end(model: MLP, dataset: Dataset) -> None:
    score = score_word(model, dataset.vocab, "")
    assert score["symbol"].tolist() == [""] and score["context"].tolist() == ["..."]
    with pytest.raises(ValueError, match="must be in the vocabulary"):
        score_word(model, dataset.vocab, "zoë")


def test_the_percentile_is_the_share_of_words_that_surprise_more(model: MLP, small: Dataset) -> None:
    sums, counts = word_losses(model, small.val)
    order = np.argsort(sums / counts)
    for place in (0, len(order) // 2, len(order) - 1):
        word = small.val.words[order[place]]
        expected = 100 * (1 - (place + 0.5) / len(order))
        assert percentile(score_word(model, small.vocab, word), *word_losses(model, small.val)) == pytest.approx(
            expected, abs=4
        )


def naive_distance(a: str, b: str) -> int:
    if not a or not b:
        return len(a) + len(b)
    change = naive_distance(a[1:], b[1:]) + (a[0] != b[0])
    return min(change, naive_distance(a[1:], b) + 1, naive_distance(a, b[1:]) + 1)


@given(st.lists(st.text("abü", min_size=1, max_size=5), min_size=1, max_size=5), st.text("abü", max_size=5))
def test_the_nearest_word_is_the_first_at_the_smallest_distance_of_the_recursion(words: list[str], word: str) -> None:
    distances = [naive_distance(word, other) for other in words]
    assert nearest_word(word, words) == (words[int(np.argmin(distances))], min(distances))


def test_novelty_adds_up_and_the_coldest_repeats_itself(model: MLP, small: Dataset) -> None:
    table = novelty_by_temperature(model, small.vocab, small.splits, 50, temperatures=(0, 1.0))
    assert (table["new"] + table["train"] + table["held_out"]).tolist() == pytest.approx([1, 1])
    assert table["distinct"][0] == pytest.approx(0.02) and table["distinct"][1] > 0.5


def test_distributions_are_shares_of_words_and_letters() -> None:
    vocab = Vocab(("", "a", "b"))
    lengths = length_distribution(["a", "ab"], ["ab", "bb", "aab", "b"])
    assert lengths["samples"].tolist() == [0, 0.5, 0.5, 0] and lengths["corpus"].tolist() == [0, 0.25, 0.5, 0.25]
    assert total_variation(lengths) == pytest.approx(0.25)
    letters = character_distribution(["ab"], ["aaab"], vocab)
    assert letters["symbol"].tolist() == ["a", "b"]
    assert letters["samples"].tolist() == [0.5, 0.5] and letters["corpus"].tolist() == [0.75, 0.25]
