"""Words guessed letter by letter: whose turn it is, which guess was right, and what that is worth."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from mmcore.dataset import Dataset, Splits, Vocab, build_examples
from mmcore.guessing import (
    WORTH,
    Game,
    Player,
    code_lengths,
    first_shares,
    gap,
    new_game,
    ranks,
    standings,
    words_to_guess,
)
from mmcore.ngram import KneserNey, NGram

VOCAB = Vocab.from_words(["abc"])
A, B, C = (VOCAB.stoi[letter] for letter in "abc")


def game(*words: str) -> Game:
    return Game(VOCAB, words, (B, 0, A, C))


def test_no_word_of_train_or_test_is_guessed_and_each_once() -> None:
    splits = Splits(("a", "ab"), ("ab", "ba", "cc", "cc", "c", "bb"), ("c",))
    assert sorted(words_to_guess(splits, 1)) == ["ba", "bb", "cc"]
    orders = {words_to_guess(splits, seed) for seed in range(20)}
    assert len(orders) > 1 and words_to_guess(splits, 3) == words_to_guess(splits, 3)
    with pytest.raises(ValueError, match="validation words must be some that occur in neither train nor test, got 0"):
        new_game(Dataset(VOCAB, 1, Splits(("a",), ("a", "b"), ("b",))), 1)


def test_a_game_on_real_names_keeps_test_words_out(dataset: Dataset) -> None:
    found = set(new_game(dataset, 1).words)
    assert found and not found & {*dataset.splits.test} and not found & {*dataset.splits.train}
    assert found < {*dataset.splits.val}


def test_a_word_is_guessed_letter_by_letter_to_its_end() -> None:
    played = game("ab", "c")
    assert not played.guess(B) and played.wrong == [B] and played.prefix == ""
    with pytest.raises(ValueError, match="guess must be a symbol not guessed yet at this place, got 2"):
        played.guess(B)
    assert not played.guess(0) and played.guess(A)
    assert (played.prefix, played.ranks, played.wrong) == ("a", [3], [])
    assert played.guess(B) and not played.guess(C) and played.guess(0)
    assert played.done == [(3, 1, 2)] and played.guessed == ("ab",) and played.prefix == ""
    assert played.guess(C) and played.guess(0) and played.over
    with pytest.raises(ValueError, match="guess must be"):
        played.guess(A)


def test_giving_up_goes_on_in_the_order_of_frequency() -> None:
    played = game("cb")
    played.guess(A)
    played.give_up()
    assert played.ranks == [4], "a was wrong, then b, the end and c"
    played.give_up()
    assert played.ranks == [4, 1] and played.prefix == "cb"


def test_the_frequent_come_first(small: Dataset) -> None:
    times = np.bincount(small.train.targets, minlength=small.vocab.size)
    assert np.diff(times[list(new_game(small, 1).frequent)]).max() <= 0


def test_a_model_guesses_the_likeliest_first_and_of_equals_the_first() -> None:
    p = np.array([[0.1, 0.2, 0.3, 0.4], [0.25] * 4, [0.5, 0.5, 0, 0]])
    assert ranks(p, np.array([1, 2, 1])).tolist() == [3, 3, 2]
    for row in p:
        assert sorted(ranks(np.tile(row, (4, 1)), np.arange(4)).tolist()) == [1, 2, 3, 4]


def test_ranks_are_told_in_a_code_that_is_one() -> None:
    """All sequences of ranks together have probability 1."""
    shares = np.array([0.5, 0.3, 0.2])
    total = sum(math.exp(-code_lengths(told, shares).sum()) for told in itertools.product((1, 2, 3), repeat=5))
    assert total == pytest.approx(1)
    first, second = code_lengths([2, 2], shares)
    assert first == pytest.approx(-math.log(0.3))
    assert second == pytest.approx(-math.log((WORTH * 0.3 + 1) / (WORTH + 1)))


def test_first_shares_are_those_of_the_bigrams_own_guesses(small: Dataset) -> None:
    bigram = NGram(small.train, 1)
    p, own = bigram.distribution(small.train.contexts), small.train.targets
    right = np.bincount(ranks(p, own) - 1, minlength=small.vocab.size)
    assert np.array_equal(bigram.right_at(), right)
    assert first_shares(bigram) == pytest.approx((right + 1) / (right + 1).sum())


@pytest.mark.parametrize("order", [0, 1])
def test_a_bigrams_distribution_has_its_loss(small: Dataset, order: int) -> None:
    model, val = NGram(small.train, order), small.val
    p = model.distribution(val.contexts)
    assert p.sum(axis=1) == pytest.approx(np.ones(len(val)))
    assert -np.log(p[np.arange(len(val)), val.targets]).mean() == pytest.approx(model.loss(val))


def test_standings_compare_on_the_same_characters(small: Dataset) -> None:
    words = words_to_guess(small.splits, 1)[:20]
    examples = build_examples(words, small.vocab, 3)
    bigram, longer = NGram(small.train, 1), KneserNey(small.train, 3)
    shares = first_shares(bigram)
    players = {
        "you": Player((1,) * len(examples)),
        "bigram": Player.model(bigram.distribution(examples.contexts), examples.targets),
        "longer": Player.model(longer.distribution(examples.contexts), examples.targets),
    }
    table = standings(players, shares).set_index("player")
    assert table.loc["you", ["first", "guesses"]].tolist() == [1, 1] and math.isnan(table.loc["you", "loss"])
    assert table.loc["bigram", "loss"] == pytest.approx(bigram.loss(examples))
    assert table.loc["longer", "loss"] == pytest.approx(longer.loss(examples))
    assert table.loc["you", "coded"] < table["coded"]["bigram"]
    more, error = gap(players["you"], players["bigram"], shares)
    assert more == pytest.approx(table["coded"]["you"] - table["coded"]["bigram"])
    differences = code_lengths(players["you"].ranks, shares) - code_lengths(players["bigram"].ranks, shares)
    assert error == pytest.approx(np.std(differences, ddof=1) / math.sqrt(len(differences)))
    assert math.isnan(gap(Player((1,)), Player((2,)), shares)[1])
