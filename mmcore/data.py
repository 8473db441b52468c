"""From a text file to what a model is trained on: words, vocabulary, splits, context → target pairs."""

from __future__ import annotations

import hashlib
import random
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .config import SplitConfig
from .contexts import ContextCounts, Ids, count_contexts
from .fields import cut, quoted
from .text import Cleaning, code_point, is_invisible, normalised, refuse_table, tidy

BOUNDARY = ""
"""Start, end and padding symbol, id 0. The empty string: no word can contain it, so a corpus may contain "."."""

BUNDLED_NAMES = Path(__file__).resolve().parent.parent / "data" / "names.txt"


def show_symbol(symbol: str) -> str:
    """A symbol as it is drawn: the boundary as the lecture's ``.``, a real full stop and a space apart from it.

    What leaves no ink is drawn as its code point, ``U+200C``.
    """
    if len(symbol) == 1 and symbol != " " and is_invisible(symbol):
        return code_point(symbol)
    return {BOUNDARY: ".", ".": "“.”", " ": "␣"}.get(symbol, symbol)


@dataclass(frozen=True, kw_only=True)
class CorpusReport:
    """What reading a corpus found and what it did about it."""

    lines: int
    kept: int
    dropped: dict[str, int]  # reason -> lines
    duplicates: int  # words beyond the first of their kind, whether kept or dropped
    characters: dict[str, int] = field(repr=False)  # character -> occurrences, most frequent first
    lengths: dict[int, int] = field(repr=False)  # characters in a word -> words
    lowercase: bool = False  # whether words were lower-cased
    lowered: int = 0  # words that this changed
    composed: int = 0  # words that Unicode NFC changed
    cleaned: dict[str, int] = field(default_factory=dict)  # code point taken out or made a space -> how many
    cleaned_at: dict[str, int] = field(default_factory=dict)  # the same -> the first line with it

    @property
    def cleaning(self) -> dict[str, Any]:
        """What an artifact records of it; plain JSON."""
        record = {"form": "NFC", "lowercase": self.lowercase, "lowered": self.lowered, "composed": self.composed}
        return record | {"characters": self.cleaned}

    def cleaned_sentence(self) -> str:
        """What was changed in the text, in one sentence; empty if nothing was."""
        parts = [_lost(code, count, self.cleaned_at[code]) for code, count in self.cleaned.items()]
        parts += [f"composed {_words(self.composed)} to Unicode NFC"] if self.composed else []
        parts += [f"lower-cased {_words(self.lowered)}"] if self.lowered else []
        return f"Cleaned: {'; '.join(parts)}." if parts else ""


def _lost(code: str, count: int, line: int) -> str:
    character = chr(int(code[2:], 16))
    name = unicodedata.name(character, "unnamed").lower()
    times = f"{count:,} times, first in line {line:,}" if count > 1 else f"once, in line {line:,}"
    return f"{'replaced' if character.isspace() else 'took out'} {code} ({name}) {times}"


def _words(count: int) -> str:
    return "1 word" if count == 1 else f"{count:,} words"


@dataclass(frozen=True)
class Corpus:
    """A named list of words. Two corpora with the same ``sha256`` hold the same words in the same order."""

    name: str
    words: tuple[str, ...] = field(repr=False)
    report: CorpusReport

    @cached_property
    def sha256(self) -> str:
        """Hash of the words, UTF-8, a newline after each."""
        return hashlib.sha256("".join(word + "\n" for word in self.words).encode()).hexdigest()


def read_words(
    source: str | Path | bytes, *, name: str | None = None, lowercase: bool = False, deduplicate: bool = False
) -> Corpus:
    """Read one word a line: UTF-8 (CRLF accepted), Unicode NFC, outer white space and blank lines dropped.

    Characters that nobody sees are taken out, and spaces of every kind are one; the report says which.

    Raises
    ------
    ValueError
        Names the line and the reason where something is not text or has tabs, the path where there is no file,
        and what to do about a table (CSV).
    """
    if isinstance(source, bytes):
        raw, name = source, name or "uploaded"
    else:
        name = name or Path(source).stem
        try:
            raw = Path(source).read_bytes()
        except OSError as error:
            raise ValueError(f"corpus must be a readable file, got {quoted(str(source))} ({error.strerror})") from error
    lines = _lines(_decode(raw))
    if lines[-1] == "":
        lines.pop()
    return _corpus(name, lines, Cleaning(lowercase), deduplicate)


def corpus_from_words(words: Iterable[str], name: str) -> Corpus:
    """A corpus from words in memory, under the same rules as :func:`read_words`."""
    return _corpus(name, list(words), Cleaning(), deduplicate=False)


def join(corpora: Sequence[Corpus]) -> Corpus:
    """Several lists as one, named after the first; lines are counted on from one to the next."""
    words = tuple(word for corpus in corpora for word in corpus.words)
    reports = [corpus.report for corpus in corpora]

    def added(name: str) -> dict[Any, int]:
        return dict(sum((Counter(getattr(report, name)) for report in reports), Counter()))

    first: dict[str, int] = {}
    for at, report in enumerate(reports):
        before = sum(earlier.lines for earlier in reports[:at])
        first = {code: before + line for code, line in report.cleaned_at.items()} | first
    report = CorpusReport(
        lines=sum(report.lines for report in reports),
        kept=len(words),
        dropped=added("dropped"),
        duplicates=len(words) - len(set(words)),
        characters=dict(Counter(added("characters")).most_common()),
        lengths=dict(sorted(added("lengths").items())),
        lowercase=any(report.lowercase for report in reports),
        lowered=sum(report.lowered for report in reports),
        composed=sum(report.composed for report in reports),
        cleaned=added("cleaned"),
        cleaned_at=first,
    )
    return Corpus(corpora[0].name, words, report)


def _decode(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = len(_lines(raw[: error.start].decode("latin-1")))
        raise ValueError(f"corpus line {line} must be UTF-8 text, got byte 0x{raw[error.start]:02x}") from None


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _corpus(name: str, lines: list[str], cleaning: Cleaning, deduplicate: bool) -> Corpus:
    refuse_table(lines)
    words = [cleaning.word(line, number) for number, line in enumerate(lines, start=1)]
    filled = [word for word in words if word]
    kept = list(dict.fromkeys(filled)) if deduplicate else filled
    if not kept:
        raise ValueError(f"corpus must have at least one word, got none in {len(lines)} lines")
    dropped = {"blank": len(words) - len(filled), "duplicate": len(filled) - len(kept)}
    report = CorpusReport(
        lines=len(lines),
        kept=len(kept),
        dropped={reason: count for reason, count in dropped.items() if count},
        duplicates=len(filled) - len(set(filled)),
        characters=dict(Counter("".join(kept)).most_common()),
        lengths=dict(sorted(Counter(map(len, kept)).items())),
        lowercase=cleaning.lowercase,
        lowered=cleaning.lowered,
        composed=cleaning.composed,
        cleaned=dict(cleaning.characters),
        cleaned_at=cleaning.first,
    )
    return Corpus(name, tuple(kept), report)


@dataclass(frozen=True)
class Vocab:
    """The symbols a model knows; a symbol's place is its id. The first is always :data:`BOUNDARY`."""

    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        valid = len(set(self.symbols)) == len(self.symbols) and self.symbols[:1] == (BOUNDARY,)
        if not valid or "\n" in self.symbols:  # a line break marks the end of a word where examples are built
            rule = "start with the boundary and have distinct symbols, none a line break"
            raise ValueError(f"vocab must {rule}, got {quoted(self.symbols)}")

    @classmethod
    def from_words(cls, words: Iterable[str]) -> Vocab:
        """The sorted distinct characters of some words, after the boundary."""
        return cls((BOUNDARY, *sorted(set("".join(words)))))

    @property
    def size(self) -> int:
        """V."""
        return len(self.symbols)

    @property
    def itos(self) -> tuple[str, ...]:
        """Id to symbol."""
        return self.symbols

    @cached_property
    def stoi(self) -> dict[str, int]:
        """Symbol to id."""
        return {symbol: i for i, symbol in enumerate(self.symbols)}

    @cached_property
    def has_capitals(self) -> bool:
        """Whether some symbol is not lower-case: what is typed for a vocabulary without any is lower-cased."""
        return any(symbol != symbol.lower() for symbol in self.symbols)

    def typed(self, text: str) -> str:
        """What someone typed, cleaned as the words were: Unicode NFC, nothing invisible, lower-cased if they are."""
        cleaned = normalised(tidy(text, self.stoi)[0])
        if not self.has_capitals:
            cleaned = normalised("".join(map(self._lowered, cleaned)))
        # A letter and a mark of the vocabulary may compose to one that it lacks.
        return text if self.spells(text) and not self.spells(cleaned) else cleaned

    def _lowered(self, character: str) -> str:
        """A capital as its small letter if that is known; one that is not is refused as it was typed."""
        lowered = normalised(character, lowercase=True)
        return lowered if self.spells(lowered) else character

    def spells(self, text: str) -> bool:
        """Whether the vocabulary knows every character of a text."""
        return self.stoi.keys() >= set(text)

    def encode(self, word: str) -> list[int]:
        """Ids of a word's characters, without boundaries; ``ValueError`` names characters it does not know."""
        unknown = sorted(set(word) - set(self.stoi))
        if unknown:
            known = " ".join(map(show_symbol, self.symbols[1:41])) + (" …" if self.size > 41 else "")
            got = " ".join(map(show_symbol, unknown))
            raise ValueError(f"characters must be in the vocabulary ({known}), got {cut(got)} in {quoted(word)}")
        return [self.stoi[character] for character in word]

    def decode(self, ids: Iterable[int]) -> str:
        """The word that some ids spell; boundaries vanish."""
        return "".join(self.symbols[i] for i in ids)


@dataclass(frozen=True)
class Splits:
    """The words of the three splits, in shuffled order."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]

    def items(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """(name, words) of each split."""
        yield from (("train", self.train), ("val", self.val), ("test", self.test))


def split_words(words: Sequence[str], config: SplitConfig) -> Splits:
    """The lecture's split: shuffle a copy with ``random.Random(split_seed)``, cut at ``int(f·n)``.

    A fixed split is cut as it says, and nothing is shuffled.

    Raises
    ------
    ValueError
        If a split would be empty, or a fixed one is of another list.
    """
    if config.fixed:
        return _fixed_split(words, config.fixed)
    shuffled = list(dict.fromkeys(words)) if config.deduplicate else list(words)
    random.Random(config.split_seed).shuffle(shuffled)
    # 0.8 + 0.1 is 0.9 to within a rounding error; int() must not see 0.8999….
    fractions = (config.train_fraction, config.train_fraction + config.val_fraction)
    cuts = [int(round(fraction, 9) * len(shuffled)) for fraction in fractions]
    splits = Splits(tuple(shuffled[: cuts[0]]), tuple(shuffled[cuts[0] : cuts[1]]), tuple(shuffled[cuts[1] :]))
    for name, part in splits.items():
        if not part:
            raise ValueError(f"{name} split must have at least one word, got 0 of the corpus's {len(shuffled):,}")
    return splits


def _fixed_split(words: Sequence[str], fixed: tuple[int, ...]) -> Splits:
    if sum(fixed) != len(words):
        got = f"{' + '.join(f'{count:,}' for count in fixed)} of a corpus of {len(words):,}"
        raise ValueError(f"fixed split must have as many words as the corpus, got {got}")
    train, val, _ = fixed
    return Splits(tuple(words[:train]), tuple(words[train : train + val]), tuple(words[train + val :]))


def leakage(splits: Splits) -> pd.DataFrame:
    """How many words of validation and test (columns ``split, words, in_train, share``) also occur in train."""
    seen = set(splits.train)
    rows = []
    for name, words in (("val", splits.val), ("test", splits.test)):
        in_train = sum(word in seen for word in words)
        rows.append({"split": name, "words": len(words), "in_train": in_train, "share": in_train / len(words)})
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Examples:
    """Some words as context → next-character pairs."""

    words: tuple[str, ...] = field(repr=False)
    contexts: Ids = field(repr=False)  # (N, T)
    targets: Ids = field(repr=False)  # (N,)
    vocab_size: int

    def __len__(self) -> int:
        return len(self.targets)

    @cached_property
    def counts(self) -> ContextCounts:
        """The same examples as distinct contexts with next-character counts."""
        return count_contexts(self.contexts, self.targets, self.vocab_size)

    @cached_property
    def word_index(self) -> Ids:
        """(N,): which word each example comes from; every word's last target is the boundary."""
        ends = self.targets == 0
        index: Ids = np.cumsum(ends) - ends
        return index


def build_examples(words: Sequence[str], vocab: Vocab, context_size: int) -> Examples:
    """The sliding window over every word, for all words at once.

    A word of n characters gives n + 1 examples: its first context is all boundary, its last target the
    boundary. Raises ``ValueError`` for characters that are not in the vocabulary.
    """
    ids = _id_stream(words, vocab, gap=context_size)
    # With T boundaries before every word, a window never reaches into the word before. A target is any
    # character, or the first boundary after one.
    inside = ids != 0
    inside[1:] |= inside[:-1].copy()
    ends = np.flatnonzero(inside)
    windows = np.lib.stride_tricks.sliding_window_view(ids, context_size)
    return Examples(tuple(words), windows[ends - context_size], ids[ends], vocab.size)


def _id_stream(words: Sequence[str], vocab: Vocab, gap: int) -> Ids:
    """All words as one array of ids, with ``gap`` boundaries before, between and after them."""
    between = "\n" * gap  # no word contains it
    points = np.frombuffer((between + between.join(words) + between).encode("utf-32-le"), dtype=np.uint32)
    table = np.zeros(max(map(ord, vocab.symbols[1:]), default=0) + 2, dtype=np.int64)
    table[[ord(symbol) for symbol in vocab.symbols[1:]]] = np.arange(1, vocab.size)
    ids = table.take(points, mode="clip")  # beyond the table is its last entry, 0
    if np.count_nonzero(ids == 0) != np.count_nonzero(points == ord("\n")):
        for word in words:
            vocab.encode(word)  # the first that it cannot spell is named
    return ids


@dataclass(frozen=True)
class Dataset:
    """All that training and evaluation need of a corpus at one split and context size.

    Each part is turned into examples when it is first asked for.
    """

    vocab: Vocab
    context_size: int
    splits: Splits = field(repr=False)
    cleaning: Mapping[str, Any] = field(default_factory=dict, repr=False)  # of its corpus, for artifacts to record

    @cached_property
    def train(self) -> Examples:
        """The train split."""
        return build_examples(self.splits.train, self.vocab, self.context_size)

    @cached_property
    def val(self) -> Examples:
        """The validation split."""
        return build_examples(self.splits.val, self.vocab, self.context_size)

    @cached_property
    def test(self) -> Examples:
        """The test split."""
        return build_examples(self.splits.test, self.vocab, self.context_size)

    @cached_property
    def val_unseen(self) -> Examples:
        """Validation words that do not occur in train; may be empty."""
        return build_examples(self._unseen(self.splits.val), self.vocab, self.context_size)

    @cached_property
    def test_unseen(self) -> Examples:
        """Test words that do not occur in train; may be empty."""
        return build_examples(self._unseen(self.splits.test), self.vocab, self.context_size)

    def _unseen(self, words: Sequence[str]) -> list[str]:
        seen = set(self.splits.train)
        return [word for word in words if word not in seen]


def build_dataset(words: Corpus | Sequence[str], split: SplitConfig, context_size: int) -> Dataset:
    """Split some words into what a model is trained and judged on. The vocabulary is that of all words."""
    listed = words.words if isinstance(words, Corpus) else tuple(words)
    cleaning = words.report.cleaning if isinstance(words, Corpus) else {}
    return Dataset(Vocab.from_words(listed), context_size, split_words(listed, split), cleaning)
