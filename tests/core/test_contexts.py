"""Compaction: distinct contexts with counts hold exactly what the examples hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmcore.contexts import ContextCounts, Ids, count_contexts, rank, share
from mmcore.corpus import Corpus
from mmcore.dataset import Dataset, Vocab, build_examples


def naive_counts(words: tuple[str, ...], context_size: int) -> Counter[tuple[str, str]]:
    """(context, next) pairs counted on strings; a line break stands for the boundary."""
    padded = [("\n" * context_size + word + "\n", len(word)) for word in words]
    return Counter((text[i : i + context_size], text[i + context_size]) for text, n in padded for i in range(n + 1))


def written_out(counts: ContextCounts) -> NDArray[np.float32]:
    return counts.following.dense()


def as_counter(counts: ContextCounts) -> Counter[tuple[tuple[int, ...], int]]:
    return Counter(
        {
            (tuple(context), int(v)): int(row[v])
            for context, row in zip(counts.contexts.tolist(), written_out(counts), strict=True)
            for v in np.flatnonzero(row)
        }
    )


@given(st.lists(st.text(alphabet="ab.\U0001f600", min_size=1, max_size=9), min_size=1, max_size=20), st.integers(1, 8))
def test_counts_are_those_of_a_counter(words: list[str], context_size: int) -> None:
    vocab = Vocab.from_words(words)
    counts = build_examples(words, vocab, context_size).counts
    expected: Counter[tuple[tuple[int, ...], int]] = Counter()
    for (context, following), n in naive_counts(tuple(words), context_size).items():
        ids = [0 if symbol == "\n" else vocab.stoi[symbol] for symbol in (*context, following)]
        expected[tuple(ids[:-1]), ids[-1]] += n
    assert as_counter(counts) == expected
    assert counts.totals.tolist() == written_out(counts).sum(axis=1).tolist()
    assert counts.examples == sum(expected.values())
    rows = counts.contexts.tolist()
    assert rows == sorted(rows), "contexts must come in lexicographic order"
    assert len(set(map(tuple, rows))) == len(rows)


@pytest.mark.parametrize(("context_size", "distinct"), [(1, 27), (2, 593), (3, 5_411), (4, 20_253)])
def test_distinct_contexts_of_the_names(names: Corpus, dataset: Dataset, context_size: int, distinct: int) -> None:
    words = dataset.splits.train
    counts = build_examples(words, dataset.vocab, context_size).counts
    assert len(counts.contexts) == distinct == len({context for context, _ in naive_counts(words, context_size)})
    assert counts.examples == 183_802


@given(st.lists(st.integers(0, 30), max_size=60))
def test_ranking_by_counting_and_by_sorting_agree(keys: list[int]) -> None:
    array = np.array(keys, dtype=np.int64)
    expected = np.unique(array, return_inverse=True)
    for bound in (31, 10_000_000):  # small enough to count, too large to
        values, ranks = rank(array, bound)
        assert values.tolist() == expected[0].tolist()
        assert ranks.tolist() == expected[1].tolist()


def test_a_large_vocabulary_and_a_long_context_do_not_overflow() -> None:
    """64 symbols of 100,000: the naive key, V to the power T, has far more than 64 bits."""
    rng = np.random.default_rng(1)
    contexts: Ids = rng.integers(0, 100_000, (50, 64))
    contexts = contexts[rng.integers(0, 50, 120)]
    counts = count_contexts(contexts, np.zeros(120, dtype=np.int64), 100_000)
    expected = Counter(map(tuple, contexts.tolist()))
    assert {tuple(row): int(n) for row, n in zip(counts.contexts.tolist(), counts.totals, strict=True)} == expected


@given(st.lists(st.integers(0, 19), max_size=40))
def test_some_rows_are_written_out_as_they_are_among_all(rows: list[int]) -> None:
    rng = np.random.default_rng(2)
    counts = count_contexts(rng.integers(0, 7, (90, 2)), rng.integers(0, 7, 90), 7)
    chosen = np.array(rows, dtype=np.int64) % len(counts.contexts)
    assert counts.following.dense(chosen).tolist() == written_out(counts)[chosen].tolist()


def test_each_example_is_counted_in_its_own_pair(dataset: Dataset) -> None:
    counts, examples = dataset.val.counts, dataset.val
    assert counts.following.columns[counts.pairs].tolist() == examples.targets.tolist()
    assert np.array_equal(np.bincount(counts.pairs), counts.following.values)


words_of_three = st.lists(st.text(alphabet="ab.é", min_size=1, max_size=6), min_size=1, max_size=12)


@given(words_of_three, words_of_three, words_of_three, st.integers(1, 5))
def test_shared_contexts_hold_each_once_and_what_follows_it_in_every_part(
    first: list[str], second: list[str], third: list[str], context_size: int
) -> None:
    vocab = Vocab.from_words([*first, *second, *third])
    counts = {str(i): build_examples(part, vocab, context_size).counts for i, part in enumerate((first, second, third))}
    shared = share(counts)
    rows = shared.contexts.tolist()
    assert rows == sorted(rows) and len(set(map(tuple, rows))) == len(rows)
    assert sorted(shared.order.tolist()) == list(range(len(rows)))
    for name, alone in counts.items():
        among_others = replace(alone, contexts=shared.contexts, following=shared.following[name])
        assert as_counter(among_others) == as_counter(alone)


def test_a_part_alone_is_shared_without_a_copy(dataset: Dataset) -> None:
    counts = dataset.val.counts
    shared = share({"val_loss": counts})
    assert shared.contexts is counts.contexts and shared.following["val_loss"] is counts.following


def test_targets_must_be_as_many_as_contexts() -> None:
    with pytest.raises(ValueError, match=r"targets must be as many as contexts \(2\), got 1"):
        count_contexts(np.zeros((2, 3), dtype=np.int64), np.zeros(1, dtype=np.int64), 5)
