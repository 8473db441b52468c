"""Reading corpora, vocabularies, splits, leakage, and the sliding window."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmcore.config import SplitConfig
from mmcore.corpus import BUNDLED_NAMES, Corpus, corpus_from_words, join, read_words
from mmcore.dataset import (
    BOUNDARY,
    Dataset,
    Vocab,
    build_dataset,
    build_examples,
    leakage,
    show_symbol,
    shuffle,
    split_words,
)

# Letters, the full stop, a space inside, an accent, and characters beyond the first 65,536.
WORDS = st.lists(st.text(alphabet="abc. é\u4e2d\U0001f600\U0010fffd", min_size=1, max_size=12), min_size=1, max_size=12)
NAMES_SHA256 = "bd02dfd33179e23ec2dd093cbd4de619834f75d660ef1ae04d3127e7a0110053"


def naive_examples(words: Sequence[str], vocab: Vocab, context_size: int) -> tuple[list[list[int]], list[int]]:
    """The lecture's loop, character by character."""
    stoi = {symbol: i for i, symbol in enumerate(vocab.symbols)}
    contexts, targets = [], []
    for word in words:
        context = [0] * context_size
        for symbol in [*word, BOUNDARY]:
            contexts.append(context)
            targets.append(stoi[symbol])
            context = [*context[1:], stoi[symbol]]
    return contexts, targets


# ---- reading


def test_the_bundled_names_are_the_documented_file(names: Corpus) -> None:
    assert names.sha256 == NAMES_SHA256 == hashlib.sha256(BUNDLED_NAMES.read_bytes()).hexdigest()
    assert len(names.words) == names.report.lines == names.report.kept == 32_257
    assert len(set(names.words)) == 29_693
    assert names.report.duplicates == 32_257 - 29_693
    assert names.report.dropped == {}
    assert sorted(names.report.characters) == sorted("abcdefghijklmnopqrstuvwxyz")
    assert sum(names.report.lengths.values()) == 32_257
    assert names.name == "names"


@pytest.mark.parametrize(
    ("raw", "words", "lines"),
    [
        (b"anna\nbob\n", ["anna", "bob"], 2),
        (b"anna\nbob", ["anna", "bob"], 2),
        (b"\xef\xbb\xbfanna\nbob\n", ["anna", "bob"], 2),
        (b"anna\r\nbob\r\n", ["anna", "bob"], 2),
        (b"anna\rbob\r", ["anna", "bob"], 2),
        (b"anna\n\n  \nbob\n\n", ["anna", "bob"], 5),
        ("  anna \n\u00a0bob\u3000\n".encode(), ["anna", "bob"], 2),
        ("jose\u0301\n".encode(), ["jos\u00e9"], 1),
        (b"mary ann\no'neil\n.dot.\n", ["mary ann", "o'neil", ".dot."], 3),
    ],
)
def test_lines_are_read_as_words(raw: bytes, words: list[str], lines: int) -> None:
    corpus = read_words(raw)
    assert list(corpus.words) == words
    assert corpus.report.lines == lines
    assert corpus.report.dropped == ({"blank": lines - len(words)} if lines > len(words) else {})


def test_lowercasing_and_deduplication_are_asked_for_and_reported() -> None:
    raw = b"Anna\nanna\nBOB\nanna\n\n"
    assert read_words(raw).words == ("Anna", "anna", "BOB", "anna")
    assert read_words(raw).report.duplicates == 1
    assert read_words(raw, lowercase=True).words == ("anna", "anna", "bob", "anna")
    cleaned = read_words(raw, lowercase=True, deduplicate=True)
    assert cleaned.words == ("anna", "bob")
    assert (cleaned.report.lines, cleaned.report.kept, cleaned.report.duplicates) == (5, 2, 2)
    assert cleaned.report.dropped == {"blank": 1, "duplicate": 2}
    assert cleaned.report.characters == {"n": 2, "a": 2, "b": 2, "o": 1}
    assert cleaned.report.lengths == {3: 1, 4: 1}


def test_lowercased_words_are_composed_again() -> None:
    assert read_words("A\u030aSA\n".encode(), lowercase=True).words == ("\u00e5sa",)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"anna\n\xff\xfe\n", "corpus line 2 must be UTF-8 text, got byte 0xff"),
        (b"\xef\xbb\xbfanna\nb\xe9b\n", "corpus line 2 must be UTF-8 text, got byte 0xe9"),
        (b"anna\rbob\rb\xe9b\r", "corpus line 3 must be UTF-8 text, got byte 0xe9"),
        (b"anna\r\nbob\r\nb\xe9b\r\n", "corpus line 3 must be UTF-8 text, got byte 0xe9"),
        ("anna\n".encode("utf-16"), "corpus line 1 must be UTF-8 text, got byte 0xff"),
        (b"\x89PNG\r\n\x1a\n", "corpus must be text, got a PNG picture"),
        (b"anna\nbo\x00b\n", "corpus line 2 must be text, got control character U+0000"),
        (
            b"anna\t5\n",
            "corpus line 1 must be one word, got a tab in 'anna\\t5': save the column of words alone, one a line",
        ),
        (b"", "corpus must have at least one word, got none in 0 lines"),
        (b"\n \n", "corpus must have at least one word, got none in 2 lines"),
        (b"ok\n" + b"x" * 1_001, "corpus line 2 must have at most 1,000 characters, got 1,001"),
    ],
)
def test_what_is_not_a_list_of_words_is_refused_with_line_and_reason(raw: bytes, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        read_words(raw)
    assert str(error.value) == sentence


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(ValueError, match=r"corpus must be a readable file, got '.*' \(.+\)") as error:
            read_words(path)
        assert str(path) in str(error.value)


def test_words_in_memory_follow_the_same_rules() -> None:
    corpus = corpus_from_words(["anna", "", "jose\u0301", "anna"], "mine")
    assert (corpus.name, corpus.words) == ("mine", ("anna", "jos\u00e9", "anna"))
    assert (corpus.report.lines, corpus.report.dropped, corpus.report.duplicates) == (4, {"blank": 1}, 1)
    assert corpus.sha256 == hashlib.sha256("anna\njos\u00e9\nanna\n".encode()).hexdigest()
    with pytest.raises(ValueError, match="corpus line 1 must be text, got control character U\\+000A"):
        corpus_from_words(["an\nna"], "mine")


@given(WORDS)
def test_reading_what_was_written_changes_nothing(words: list[str]) -> None:
    filled = [word.strip() for word in words if word.strip()]
    if filled:
        assert list(read_words("".join(word + "\n" for word in filled).encode()).words) == filled


# ---- the door (B2)

PEOPLE = [
    "surado",
    "romon",
    "lizisun",
    "lugavon",
    "nikos",
    "mevin",
    "mugolas",
    "kirin",
    "rigon",
    "kulu",
    "kuge",
    "kizo",
]


def test_b2_a_bom_inside_a_file_is_taken_out_and_reported() -> None:
    raw = "".join(("\ufeff" if word == "mugolas" else "") + word + "\n" for word in PEOPLE).encode()
    corpus = read_words(raw)
    assert corpus.words == tuple(PEOPLE)
    assert Vocab.from_words(corpus.words).size == 16
    assert (corpus.report.cleaned, corpus.report.cleaned_at) == ({"U+FEFF": 1}, {"U+FEFF": 7})
    assert corpus.report.cleaned_sentence() == "Cleaned: took out U+FEFF (zero width no-break space) once, in line 7."


def test_b2_composed_letters_are_one_symbol_and_counted() -> None:
    corpus = read_words("zoe\u0301\nrene\u0301\nlore\u0301\nmile\u0301\nkuge\n".encode() * 4)
    assert corpus.words[:2] == ("zo\u00e9", "ren\u00e9")
    assert corpus.report.cleaned_sentence() == "Cleaned: composed 16 words to Unicode NFC."


@pytest.mark.parametrize(
    ("line", "word", "cleaned"),
    [
        ("mary\u00a0ann", "mary ann", {"U+00A0": 1}),
        ("a\u2009b\u3000c", "a b c", {"U+2009": 1, "U+3000": 1}),
        ("\u00a0ann\u00a0", "ann", {"U+00A0": 2}),
        ("\ufeff ann", "ann", {"U+FEFF": 1}),
        ("a\u200bn\u00adn\u2060", "ann", {"U+200B": 1, "U+00AD": 1, "U+2060": 1}),
        ("\u202b\u05d0\u05d1\u202c\u200f", "\u05d0\u05d1", {"U+202B": 1, "U+202C": 1, "U+200F": 1}),
        ("an\u200cn\u200d", "ann", {"U+200C": 1, "U+200D": 1}),  # joiners that join nothing
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", None, {}),  # Persian
        ("\U0001f469\u200d\U0001f680", None, {}),  # emoji
        ("\u2764\ufe0f\u200d\U0001f525", None, {}),
        ("\u0d28\u0d4d\u200d", None, {}),  # Malayalam: after a virama, also at the end
        ("\u0645\u200c", "\u0645", {"U+200C": 1}),
    ],
)
def test_b2_what_nobody_sees_is_cleaned_and_what_joins_stays(
    line: str, word: str | None, cleaned: dict[str, int]
) -> None:
    corpus = read_words(f"x\n{line}\n".encode())
    assert corpus.words == ("x", line if word is None else word)
    assert corpus.report.cleaned == cleaned
    assert set(corpus.report.cleaned_at.values()) <= {2}
    assert read_words("".join(w + "\n" for w in corpus.words).encode()).words == corpus.words
    assert corpus_from_words(["x", line], "mine").words == corpus.words


@pytest.mark.parametrize("line", ["anna\t5", "\tanna\tbob"])
def test_b2_a_tab_gets_a_sentence_that_names_it(line: str) -> None:
    with pytest.raises(ValueError, match=r"^corpus line 2 must be one word, got a tab in .*: save the column of words"):
        read_words(f"bob\n{line}\n".encode())
    assert read_words(b"anna\t\n\tbob\n").words == ("anna", "bob")  # around a word it is white space


@pytest.mark.parametrize(
    ("raw", "first"),
    [
        ("name,count\n" + "".join(f"{word.title()},{10 * at}\n" for at, word in enumerate(PEOPLE)), "name,count"),
        ("name;count\r\nanna;5\r\n", "name;count"),
        ('"Doe, Ann",3\n\n"Roe, Bob",4\n', '"Doe, Ann",3'),
        ("emma,olivia,ava", "emma,olivia,ava"),
    ],
)
def test_b2_a_table_is_refused_in_a_sentence_that_says_what_to_do(raw: str, first: str) -> None:
    with pytest.raises(ValueError) as error:
        read_words(raw.encode())
    mark = "semicolons" if ";" in first else "commas"
    assert str(error.value) == (
        f"corpus must have one word a line, got a table (CSV) with {mark}, its first line {first!r}: "
        "save the column of words alone, one a line"
    )


@pytest.mark.parametrize("raw", ["Paris, France\nBonn, Germany\n", "a,b\nc\n", "a,b\n", "a,b\nc,d,e\n"])
def test_b2_words_with_commas_are_no_table(raw: str) -> None:
    assert read_words(raw.encode()).words == tuple(raw.splitlines())


def test_b2_hebrew_is_read_as_it_is() -> None:
    words = ["\u05d4\u05de\u05e9\u05d1", "\u05e6\u05d3\u05dc"]
    corpus = read_words("".join(word + "\n" for word in words).encode(), lowercase=True)
    assert corpus.words == tuple(words)
    assert corpus.report.cleaned_sentence() == ""


def test_b2_what_is_typed_is_cleaned_as_the_words_were() -> None:
    vocab = Vocab.from_words(["zo\u00e9", "mary ann"])
    assert vocab.typed("zoe\u0301") == vocab.typed("ZO\u00c9\u200b") == "zo\u00e9"
    assert vocab.typed("mary\u00a0") == "mary "
    assert vocab.typed("MaryΩ") == "maryΩ"  # refused as it was typed
    assert Vocab.from_words(["Zoe"]).typed("ZOe") == "ZOe"  # these words were not lower-cased
    old = Vocab.from_words(["a\u00a0b", "e", "\u0302x"])  # of a model from before words were cleaned
    assert (old.typed("a\u00a0b"), old.typed("e\u0302")) == ("a\u00a0b", "e\u0302")


# ---- vocabulary


def test_a_vocabulary_is_the_boundary_and_the_sorted_characters() -> None:
    vocab = Vocab.from_words(["b.a", "c d"])
    assert vocab.symbols == vocab.itos == (BOUNDARY, " ", ".", "a", "b", "c", "d")
    assert vocab.size == 7
    assert vocab.stoi["."] == 2 != vocab.stoi[BOUNDARY] == 0
    assert vocab.encode("a.b") == [3, 2, 4]
    assert vocab.decode([0, 3, 2, 4, 0]) == "a.b"


def test_unknown_characters_are_named() -> None:
    with pytest.raises(ValueError) as error:
        Vocab.from_words(["abc"]).encode("aXb é")
    assert str(error.value) == "characters must be in the vocabulary (a b c), got ␣ X é in 'aXb é'"
    with pytest.raises(ValueError, match="got x y in 'xay'"):
        build_examples(["abc", "xay"], Vocab.from_words(["abc"]), 3)


@pytest.mark.parametrize("symbols", [(), ("a", "b"), (BOUNDARY, "a", "a"), ("a", BOUNDARY), (BOUNDARY, "\n")])
def test_a_vocabulary_must_start_with_the_boundary_and_have_no_symbol_twice(symbols: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="vocab must start with the boundary and have distinct symbols"):
        Vocab(symbols)


def test_the_boundary_is_drawn_apart_from_a_full_stop() -> None:
    assert [show_symbol(symbol) for symbol in (BOUNDARY, ".", " ", "a")] == [".", "“.”", "␣", "a"]


def test_b2_a_symbol_that_nobody_sees_is_drawn_as_its_code_point() -> None:
    unseen = ["\u200c", "\u200d", "\ufeff", "\u00a0", "\ufe0f", "\u3164", "\U0010fffd", "\U000e0067"]
    drawn = ["U+200C", "U+200D", "U+FEFF", "U+00A0", "U+FE0F", "U+3164", "U+10FFFD", "U+E0067"]
    assert list(map(show_symbol, unseen)) == drawn
    seen = ["\u00e9", "\u05d0", "\U0001f680", "\u0600", "\u0301"]
    assert list(map(show_symbol, seen)) == seen
    with pytest.raises(ValueError, match=r"got U\+200D in"):
        Vocab.from_words(["ab"]).encode("a\u200d")


# ---- splits


@given(st.lists(st.integers(), max_size=300), st.integers(0, 2**64))
def test_shuffling_is_that_of_the_standard_library(items: list[int], seed: int) -> None:
    expected, found = list(items), list(items)
    random.Random(seed).shuffle(expected)
    shuffle(found, seed)
    assert found == expected


@given(st.lists(st.text(st.characters(exclude_characters="\n")), max_size=20))
def test_the_characters_of_words_are_their_distinct_ones_in_order(words: list[str]) -> None:
    assert Vocab.from_words(words).symbols == (BOUNDARY, *sorted(set("".join(words))))


@pytest.mark.parametrize("seed", [0, 42, 2**40])
def test_the_split_is_the_lectures(names: Corpus, seed: int) -> None:
    words = list(names.words)
    random.Random(seed).shuffle(words)
    n1, n2 = int(0.8 * len(words)), int(0.9 * len(words))
    splits = split_words(names.words, SplitConfig(split_seed=seed))
    assert splits.train == tuple(words[:n1])
    assert splits.val == tuple(words[n1:n2])
    assert splits.test == tuple(words[n2:])


def test_split_sizes_and_leakage_at_seed_42(dataset: Dataset) -> None:
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (183_802, 22_949, 23_053)
    table = leakage(dataset.splits)
    assert list(table.columns) == ["split", "words", "in_train", "share"]
    assert table.to_dict("list") == {
        "split": ["val", "test"],
        "words": [3_226, 3_226],
        "in_train": [408, 406],
        "share": [408 / 3_226, 406 / 3_226],
    }
    assert [round(100 * share, 1) for share in table["share"]] == [12.6, 12.6]
    assert len(dataset.val_unseen.words) == 3_226 - 408
    assert not set(dataset.val_unseen.words) & set(dataset.splits.train)


def test_deduplication_before_splitting_removes_all_leakage(names: Corpus) -> None:
    splits = split_words(names.words, SplitConfig(deduplicate=True))
    assert list(leakage(splits)["in_train"]) == [0, 0]
    assert sum(len(part) for _, part in splits.items()) == 29_693
    assert not set(splits.val) & set(splits.test)


@pytest.mark.parametrize(
    ("train", "val", "n", "sizes"),
    [
        (0.8, 0.1, 10, (8, 1, 1)),
        (0.7, 0.2, 10, (7, 2, 1)),
        (0.7, 0.2, 100, (70, 20, 10)),  # (0.7 + 0.2) * 100 is 89.99999999999999
        (0.1, 0.2, 10, (1, 2, 7)),
        (0.5, 0.25, 11, (5, 3, 3)),
        (0.8, 0.1, 32_257, (25_805, 3_226, 3_226)),
    ],
)
def test_fractions_cut_where_a_reader_expects(train: float, val: float, n: int, sizes: tuple[int, int, int]) -> None:
    splits = split_words([str(i) for i in range(n)], SplitConfig(train_fraction=train, val_fraction=val))
    assert tuple(len(part) for _, part in splits.items()) == sizes


def test_a13_a_fixed_split_is_cut_as_it_says() -> None:
    words = ["d", "c", "b", "a", "a", "e"]
    splits = split_words(words, SplitConfig(fixed=(3, 2, 1)))
    assert dict(splits.items()) == {"train": ("d", "c", "b"), "val": ("a", "a"), "test": ("e",)}
    with pytest.raises(
        ValueError, match=r"^fixed split must have as many words as the corpus, got 3 \+ 2 \+ 1 of .* 5$"
    ):
        split_words(words[:5], SplitConfig(fixed=(3, 2, 1)))


def test_lists_are_joined_with_their_reports() -> None:
    first, second = read_words(b"ann\n\nbob\n", name="first"), read_words("\nb\ufeffob\nzoe\u0301\n".encode())
    both = join([first, second])
    plain = corpus_from_words(["ann", "", "bob", "", "bob", "zo\u00e9"], "first")
    assert (both.name, both.words, both.sha256) == (plain.name, plain.words, plain.sha256)
    cleaned = {"composed": 1, "cleaned": {"U+FEFF": 1}, "cleaned_at": {"U+FEFF": 5}}
    assert asdict(both.report) == asdict(plain.report) | cleaned


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^val split must have at least one word, got 0 of the corpus's 4$"):
        split_words(["a", "b", "c", "d"], SplitConfig())
    with pytest.raises(ValueError, match="split must have at least one word"):
        split_words(["a"] * 100, SplitConfig(deduplicate=True))


# ---- examples


@given(WORDS, st.integers(1, 8))
def test_examples_are_a_sliding_window(words: list[str], context_size: int) -> None:
    vocab = Vocab.from_words(words)
    examples = build_examples(words, vocab, context_size)
    contexts, targets = naive_examples(words, vocab, context_size)
    assert examples.contexts.tolist() == contexts
    assert examples.targets.tolist() == targets
    assert len(examples) == sum(len(word) + 1 for word in words)
    index = [i for i, word in enumerate(words) for _ in range(len(word) + 1)]
    assert examples.word_index.tolist() == index


def test_the_lectures_first_rows() -> None:
    vocab = Vocab.from_words(["emma"])
    examples = build_examples(["emma"], vocab, 3)
    drawn = ["".join(show_symbol(vocab.itos[i]) for i in row) for row in examples.contexts]
    assert drawn == ["...", "..e", ".em", "emm", "mma"]
    assert [show_symbol(vocab.itos[i]) for i in examples.targets] == ["e", "m", "m", "a", "."]


def test_no_words_give_no_examples() -> None:
    examples = build_examples([], Vocab.from_words(["ab"]), 3)
    assert (len(examples), examples.contexts.shape, examples.counts.examples) == (0, (0, 3), 0)


def test_drawn_examples_are_of_the_split_and_the_same_every_time(small: Dataset) -> None:
    contexts, targets = small.train.drawn(5_000)
    pairs = set(zip(map(tuple, small.train.contexts.tolist()), small.train.targets.tolist(), strict=True))
    found = set(zip(map(tuple, contexts.tolist()), targets.tolist(), strict=True))
    assert len(targets) == 5_000 and found <= pairs and len(found) > len(pairs) / 3
    assert np.array_equal(small.train.drawn(5_000)[0], contexts)
    assert not np.array_equal(small.train.drawn(5_000, seed=1)[0], contexts)


def test_a_datasets_parts_are_the_examples_of_its_splits(small: Dataset) -> None:
    for name, words in small.splits.items():
        part = getattr(small, name)
        contexts, targets = naive_examples(words, small.vocab, 3)
        assert np.array_equal(part.contexts, contexts)
        assert np.array_equal(part.targets, targets)
    seen = set(small.splits.train)
    assert small.test_unseen.words == tuple(word for word in small.splits.test if word not in seen)


def test_a_corpus_and_its_words_give_the_same_dataset(names: Corpus, small: Dataset) -> None:
    corpus = corpus_from_words(names.words[:400], "some")
    assert np.array_equal(build_dataset(corpus, SplitConfig(), 3).train.contexts, small.train.contexts)


def test_a_dataset_counts_the_bytes_of_what_has_been_made_of_it(names: Corpus) -> None:
    made = build_dataset(names.words[:100], SplitConfig(), 3)
    assert made.nbytes == 0
    train = made.train
    held = train.ids.nbytes + train.ends.nbytes
    assert made.nbytes == held > 8 * len(train)
    counts = train.counts
    rows = counts.following
    held += sum(part.nbytes for part in (counts.contexts, counts.totals, counts.keys))
    held += sum(part.nbytes for part in (rows.starts, rows.columns, rows.values))
    assert made.nbytes == held
    made_since = train.contexts.nbytes + train.targets.nbytes
    assert made.nbytes == held + made_since and made_since == 8 * 4 * len(train)


def test_the_lectures_code_can_view_the_embeddings_of_all_contexts(names: Corpus) -> None:
    """Rows lie one after the other: of columns side by side ``emb.view`` cannot be had."""
    data = build_dataset(names, SplitConfig(), 3)
    emb = torch.randn(27, 2)[torch.from_numpy(data.val.contexts)]
    assert emb.view(len(emb), -1).shape == (len(data.val), 6)
