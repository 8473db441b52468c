"""Any text as a corpus: encodings, tables, running text, what is dropped, and what cannot be one."""

from __future__ import annotations

import math
import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmcore import Vocab, corpus_from_words, reading
from mmcore.corpus import Corpus
from mmcore.encoding import ENCODINGS, decode
from mmcore.reading import Reading, check_trainable, look_at, read_corpus
from mmcore.symbols import CHARACTERS, TOKENS
from tests.bad_texts import BAD

TEXTS = Path(__file__).parent / "texts"
FUZZED = int(os.environ.get("MMCORE_FUZZED", "60"))  # texts; 10,000 for a thorough look
HANGS = 5.0 if FUZZED > 1_000 else math.inf  # seconds for one text, on a machine with nothing else to do


@pytest.mark.parametrize(
    ("file", "words", "vocabulary", "said"),
    [
        ("bom_in_middle.txt", 12, 16, "Read as UTF-8: one word a line."),
        ("nfd.txt", 20, 10, "Read as UTF-8: one word a line."),
        ("rtl30.txt", 30, 23, "Read as UTF-8: one word a line."),
        ("header.csv", 12, 16, "Read as UTF-8: a table with cells that end at commas, column “name” (1 of 2)."),
        ("tabs.tsv", 12, 16, "Read as UTF-8: a table with cells that end at tabs, column 1 of 2, without a header."),
        ("long64.txt", 24, 20, "Read as UTF-8: one word a line."),
    ],
)
def test_b2_files_of_many_kinds_are_read_and_said(file: str, words: int, vocabulary: int, said: str) -> None:
    corpus = read_corpus(TEXTS / file)
    assert (len(corpus.words), Vocab.from_words(corpus.words).size) == (words, vocabulary)
    assert corpus.report.read_as == said
    assert corpus.sha256 == corpus_from_words(corpus.words, "again").sha256


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_an_encoding_is_recognised_and_said(encoding: str) -> None:
    text = "Zoë\r\nRené\r\nŠárka – “x”\r\nanna\r\n" if encoding == "cp1252" else "Zoë\r\nРома\r\nanna\r\n"
    text = "anna\r\nzoë\r\nbo\r\n" if encoding in ("utf-16-le", "utf-16-be") else text
    text = text.replace("á", "a") if encoding == "cp1252" else text
    found = decode(text.encode(encoding))
    assert found.text.removeprefix("\ufeff") == text
    assert found.encoding == ("cp1252" if encoding == "cp1252" else encoding[:6].removesuffix("-"))
    assert bool(found.why) == (found.encoding != "utf-8")  # nothing is guessed in silence
    assert read_corpus(text.encode(encoding)).report.read_as.startswith(f"Read as {ENCODINGS[found.encoding]}")


def test_an_encoding_is_what_was_asked_for() -> None:
    assert read_corpus("é\né\n".encode("latin-1"), Reading(encoding="latin-1")).words == ("é", "é")
    assert read_corpus("é\né\n".encode(), Reading(encoding="latin-1")).words == ("ã©", "ã©")
    with pytest.raises(ValueError, match="corpus line 1 must be Windows-1252 text, got byte 0x81"):
        read_corpus(b"\x81\n", Reading(encoding="cp1252"))
    with pytest.raises(ValueError, match="corpus must be UTF-16 text throughout"):
        read_corpus(b"abc", Reading(encoding="utf-16"))


def test_a_single_broken_byte_among_utf8_is_no_other_encoding() -> None:
    with pytest.raises(ValueError, match="corpus line 3 must be UTF-8 text, got byte 0xe9"):
        read_corpus("zoë\nrené\n".encode() + b"b\xe9b\n")


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_a_corpus_gets_one_sentence(what: str) -> None:
    raw, asked, sentence = BAD[what]
    with pytest.raises(ValueError) as error:
        check_trainable(read_corpus(raw, Reading().replace(**asked)))
    assert str(error.value) == sentence


def test_options_change_and_drop_words_and_the_report_says_so() -> None:
    raw = "Élan\nfoo-bar2\nﬁx\nab\nEve\neve\n\n".encode()
    how = Reading(form="NFKC", strip_marks=True, keep="a-z", min_length=3, max_length=4, deduplicate=True)
    corpus = read_corpus(raw, how)
    assert corpus.words == ("elan", "fix", "eve")
    report = corpus.report
    assert report.dropped == {"blank": 1, "too short": 1, "too long": 1, "duplicate": 1}
    assert report.examples == {"too short": ["ab"], "too long": ["foobar"], "duplicate": ["eve"]}
    assert report.cleaned_sentence() == (
        "Cleaned: composed 1 word to Unicode NFKC; lower-cased 2 words; took the marks off the letters of 1 word; "
        "took out 2 characters that are not among those to keep (- 2)."
    )
    with pytest.raises(ValueError, match="max_length must be at least min_length"):
        Reading(min_length=5, max_length=4)


@given(st.lists(st.text("abcde", min_size=1, max_size=4), min_size=1, max_size=20), st.integers(2, 5))
def test_no_symbol_that_is_left_is_rarer_than_asked(words: list[str], least: int) -> None:
    raw = "\n".join(words).encode()
    try:
        corpus = read_corpus(raw, Reading(layout="list", min_count=least))
    except ValueError:
        left: list[str] = words  # what is left in the end, by dropping one word after the other
        while gone := [w for w in left if any("".join(left).count(c) < least for c in w)]:
            left = [word for word in left if word != gone[0]]
        assert left == []
        return
    assert min(corpus.report.characters.values()) >= least
    often = {word for word in words if all("".join(words).count(c) >= least for c in word)}
    assert set(corpus.words) <= often


def test_lines_of_which_some_have_a_comma_are_no_table() -> None:
    lines = ["paris", "lyon,fr", "oslo,no", "rome", "bern,ch", "kiev,ua", "riga,lv", "prag,cz", "wien", "bonn"]
    assert read_corpus("\n".join(lines).encode()).words == tuple(lines)


def test_running_text_becomes_words_or_sentences() -> None:
    raw = "It’s late.\nShe said: “Go!” He\nwent on — 3 km.\n\nनमस्ते दुनिया। ok\n".encode()
    words = read_corpus(raw, Reading(layout="words"))
    assert words.words == ("it’s", "late", "she", "said", "go", "he", "went", "on", "3", "km", "नमस्ते", "दुनिया", "ok")
    sentences = read_corpus(raw, Reading(layout="sentences", lowercase=False))
    assert sentences.words[:2] == ("It’s late.", "She said: “Go!”")
    assert sentences.words[2:] == ("He went on — 3 km.", "नमस्ते दुनिया।", "ok")
    assert sentences.report.read_as == "Read as UTF-8: the sentences of running text."


def test_a_table_is_read_by_name_or_number_with_or_without_a_header() -> None:
    raw = b'2,"Roe, Bob"\n3,"Doe, Ann"\n4,Eve\n'
    assert read_corpus(raw).words == ("roe, bob", "doe, ann", "eve")
    assert read_corpus(raw, Reading(header="yes")).words == ("doe, ann", "eve")
    assert read_corpus(raw, Reading(column="1")).words == ("2", "3", "4")
    assert look_at(b"name\nanna\nbo\n", Reading(layout="table", header="yes")).said.endswith("column “name” (1 of 1).")
    assert read_corpus(b"name\nanna\nbo\n", Reading(layout="table", header="yes")).words == ("anna", "bo")


PIECES = [b"a,b\n", b"\t", b"\xff\xfe", b"\xef\xbb\xbf", b"\0", b'"', b"\r", "é🙂\u200d\u0301".encode(), b"x" * 2_000]


@settings(max_examples=FUZZED)
@given(
    st.lists(st.one_of(st.binary(max_size=40), st.text(max_size=20).map(str.encode), st.sampled_from(PIECES))),
    st.integers(0, 2**32),
)
@example(["A\U00010000\u2000\u0300".encode()], 479001600)
@example(["\u00c0\U00010000\u200c\u0300".encode()], 479001600)
@example([b"\xbc"], 186)
def test_whatever_the_bytes_they_are_a_corpus_or_get_a_sentence(parts: list[bytes], seed: int) -> None:
    how, began = _any_reading(random.Random(seed)), time.monotonic()
    try:
        corpus = read_corpus(b"".join(parts), how)
    except ValueError as error:
        assert len(str(error)) < 500 and "\n" not in str(error) and time.monotonic() - began < HANGS
        return
    assert time.monotonic() - began < HANGS
    same = Reading(layout="list", lowercase=how.lowercase, form=how.form, tokens=how.tokens)
    again = read_corpus("\n".join(corpus.words).encode(), same)
    assert again.words == corpus.words
    assert len(corpus.words) + sum(corpus.report.dropped.values()) >= corpus.report.kept > 0


def _any_reading(draw: random.Random) -> Reading:
    chosen: dict[str, object] = {"keep": draw.choice(["", "", "a-zé"]), "column": draw.choice(["", "", "2"])}
    for name in ("encoding", "layout", "delimiter", "header", "form"):
        chosen[name] = draw.choice(list(Reading.settings()[name].options))  # type: ignore[attr-defined]
    chosen["tokens"] = CHARACTERS if chosen["layout"] == "words" else draw.choice(list(TOKENS))
    flags = {name: draw.random() < 0.5 for name in ("lowercase", "deduplicate", "strip_marks")}
    return Reading().replace(**chosen, **flags, min_count=draw.choice([1, 1, 2]), min_length=draw.choice([1, 2]))


def test_limits_are_said_before() -> None:
    for limit in (reading.MAX_LINES, reading.MAX_WORDS, reading.MAX_SYMBOLS):
        assert f"{limit:,}" in reading.LIMITS


def test_a_corpus_of_three_different_words_can_be_trained_on() -> None:
    check_trainable(read_corpus(b"a\nb\nc"))
    assert isinstance(read_corpus(b"a\nb"), Corpus)
