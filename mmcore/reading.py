"""From the bytes of any text, a list, a table or running text, to a corpus: what is asked for, and what is found."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import cast

from .corpus import Corpus, counted, file_bytes, lines_of, made_of
from .encoding import AUTO, ENCODINGS, Decoded, decode
from .fields import Choice, Config, Flag, Line, Whole, require
from .symbols import CHARACTERS, GRAPHEMES, TOKENS, UNKNOWN, WORDS, text_sentences, text_words, words_only
from .tables import DELIMITERS, TableText, find_delimiter, read_table
from .text import MAX_WORD_LENGTH, Cleaning, Form, characters_of, refuse_controls

MAX_BYTES = 10 * 2**20
MAX_LINES = 500_000
MAX_WORDS = 500_000
MAX_SYMBOLS = 20_000  # distinct ones
LEAST = 3  # different words, one for each split
EXAMPLES = 5  # of what is dropped for one reason
EXAMPLE_LENGTH = 80  # characters
LAYOUTS = {
    "list": "One word a line",
    "table": "A table (CSV, TSV)",
    "words": "Running text: its words",
    "sentences": "Running text: its sentences",
}
LIMITS = (
    f"At most {MAX_BYTES // 2**20} MB, {MAX_LINES:,} lines, {MAX_WORDS:,} words of at most {MAX_WORD_LENGTH:,} "
    f"characters, and {MAX_SYMBOLS:,} different symbols."
)
_SEEN = "As it looks"


Cut = Callable[[str], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Reading(Config):
    """How a text becomes a corpus."""

    encoding: str = Choice(
        title="Encoding",
        help="How the file writes characters as bytes. What was recognised is said below.",
        options={AUTO: _SEEN, **ENCODINGS},
    ).field(AUTO)
    layout: str = Choice(
        title="What it is",
        help="How the words stand in the text. *As it looks*: a table where most lines have as many cells as one "
        "another, else one word a line.",
        options={AUTO: _SEEN, **LAYOUTS},
    ).field(AUTO)
    tokens: str = Choice(
        title="A symbol is",
        help="What the model reads and writes one at a time. *Graphemes* keep whole what readers see as one: emoji "
        "with joiners, letters with their marks. *Words*: each sentence is a row of words, without punctuation.",
        options={name: tokens.title for name, tokens in TOKENS.items()},
    ).field(CHARACTERS)
    delimiter: str = Choice(
        title="Cells end at",
        help="What stands between the cells of a table.",
        options={AUTO: _SEEN, "comma": "Comma", "semicolon": "Semicolon", "tab": "Tab", "bar": "Bar |"},
    ).field(AUTO)
    header: str = Choice(
        title="First row",
        help="Whether the first row of a table names its columns. *As it looks*: where a column holds numbers in "
        "every row but the first.",
        options={AUTO: _SEEN, "yes": "Names of columns", "no": "Data"},
    ).field(AUTO)
    column: str = Line(
        title="Column",
        help="Which column of a table holds the words: its name, or its number from 1. Empty: the first that does not "
        "hold numbers.",
        most=200,
    ).field("")
    lowercase: bool = Flag(title="Lower-case", help="Makes A and a one character: a smaller vocabulary.").field(True)
    deduplicate: bool = Flag(
        title="De-duplicate", help="Keeps the first of equal words, so none can be in two splits."
    ).field(False)
    form: str = Choice(
        title="Unicode form",
        help="*NFC* makes a letter and its marks one character where there is one. *NFKC* also replaces what only "
        "looks different: full-width letters, ligatures, ² as 2.",
        options={"NFC": "NFC", "NFKC": "NFKC"},
        more=True,
    ).field("NFC")
    strip_marks: bool = Flag(
        title="Strip marks",
        help="Takes marks off letters: é becomes e, Hebrew and Arabic lose their points. Hindi loses vowels.",
        more=True,
    ).field(False)
    keep: str = Line(
        title="Keep only these characters",
        help="All others are taken out of the words. `a-z` means every letter from a to z. Empty: all stay.",
        most=500,
        more=True,
    ).field("")
    min_length: int = Whole(
        title="Shortest", help="Shorter words are dropped.", unit="symbols", low=1, high=MAX_WORD_LENGTH, more=True
    ).field(1)
    max_length: int = Whole(
        title="Longest",
        help="Longer words are dropped.",
        unit="symbols",
        low=1,
        high=MAX_WORD_LENGTH,
        more=True,
    ).field(MAX_WORD_LENGTH)
    min_count: int = Whole(
        title="Rarest symbol occurs",
        help=f"A word with a symbol that occurs fewer times is dropped. Where words are the symbols, a rarer one is "
        f"read as {UNKNOWN}, and so is every word that is typed and not known.",
        unit="times",
        low=1,
        high=1_000_000,
        more=True,
    ).field(1)

    def __post_init__(self) -> None:
        super().__post_init__()
        characters_of(self.keep)
        one_word = self.tokens == WORDS and self.layout == "words"
        require(not one_word, "layout", "sentences, a list or a table where words are the symbols", self.layout)
        shortest = f"at least min_length ({self.min_length})"
        require(self.max_length >= self.min_length, "max_length", shortest, self.max_length)


@dataclass(frozen=True)
class Source:
    """Some bytes as text, and how its words stand in it."""

    decoded: Decoded
    lines: list[str] = field(repr=False)
    layout: str  # one of LAYOUTS
    table: TableText | None
    column: int = 0  # of the table
    tokens: str = CHARACTERS  # one of TOKENS

    @property
    def said(self) -> str:
        """How it is read, in a sentence."""
        why = f" ({self.decoded.why})" if self.decoded.why else ""
        layout = {
            "list": f"one {TOKENS[self.tokens].item} a line",
            "table": "a table",
            "words": "the words of running text",
            "sentences": "the sentences of running text",
        }[self.layout]
        if self.table:
            layout += f" with cells that end at {_MARKS[self.table.delimiter]}, column {self._column()}"
        pieces = {CHARACTERS: "", GRAPHEMES: ", cut into graphemes", WORDS: ", cut into words"}[self.tokens]
        return f"Read as {ENCODINGS[self.decoded.encoding]}{why}: {layout}{pieces}."

    def _column(self) -> str:
        assert self.table is not None
        name, number = self.table.columns[self.column], f"{self.column + 1:,} of {len(self.table.columns):,}"
        return f"“{name}” ({number})" if self.table.header else f"{number}, without a header"


_MARKS = {"comma": "commas", "semicolon": "semicolons", "tab": "tabs", "bar": "bars"}


def look_at(raw: bytes, how: Reading) -> Source:
    """The text of some bytes and its layout, before anything is cleaned.

    Raises
    ------
    ValueError
        Where it is no text, or more of it than the limits allow, or no table as asked for.
    """
    _at_most(MAX_BYTES, len(raw), "byte")
    decoded = decode(raw, how.encoding)
    lines = lines_of(decoded.text)
    _at_most(MAX_LINES, len(lines), "line")
    if how.layout in ("words", "sentences", "list"):
        return Source(decoded, lines, how.layout, None, tokens=how.tokens)
    found = find_delimiter(lines) if how.delimiter == AUTO else how.delimiter
    if how.layout == AUTO and found is None:
        return Source(decoded, lines, "sentences" if how.tokens == WORDS else "list", None, tokens=how.tokens)
    header = {AUTO: None, "yes": True, "no": False}[how.header]
    table = read_table(lines, found or next(iter(DELIMITERS)), header)
    return Source(decoded, lines, "table", table, table.place(how.column), how.tokens)


def read_corpus(source: bytes | Path, how: Reading | None = None, name: str | None = None) -> Corpus:
    """A corpus from any text, with a report of what was found, changed and dropped.

    Raises
    ------
    ValueError
        One sentence with the line, the rule and the value where it cannot be one.
    """
    how = how or Reading()
    raw = source if isinstance(source, bytes) else file_bytes(source)
    name = name or ("uploaded" if isinstance(source, bytes) else source.stem)
    found = look_at(raw, how)
    cleaning = Cleaning(how.lowercase, cast(Form, how.form), how.strip_marks, characters_of(how.keep))
    words, replaced = _words(found, cleaning), 0
    if how.tokens == WORDS:
        words, replaced = _with_unknown(list(map(words_only, words)), how.min_count)
    sieve, cut = _Sieve(words, how), TOKENS[how.tokens].cut
    sieve.drop_by_length(cut)
    if how.tokens != WORDS:
        sieve.drop_rare(cut)
    duplicates = sieve.drop_duplicates()
    if not sieve.words:
        raise ValueError(_nothing_left(found, sieve.dropped))
    corpus = made_of(
        name,
        sieve.words,
        cleaning,
        lines=len(found.lines),
        dropped=sieve.dropped,
        duplicates=duplicates,
        examples=sieve.examples,
        read_as=found.said,
        tokens=how.tokens,
        replaced=replaced,
    )
    _at_most(MAX_SYMBOLS, len(corpus.report.characters), "different symbol", ": drop the words with rare ones")
    return corpus


def _at_most(most: int, count: int, what: str, remedy: str = "") -> None:
    if count > most:
        raise ValueError(f"corpus must have at most {counted(most, what)}, got {count:,}{remedy}")


def check_trainable(corpus: Corpus) -> None:
    """``ValueError`` for a corpus of too few different words to be trained on."""
    different = len(set(corpus.words))
    if different < LEAST:
        got = f"{different} in {counted(corpus.report.lines, 'line')}"
        raise ValueError(f"corpus must have at least {LEAST} different {corpus.item}s, one for each split, got {got}")


def _nothing_left(found: Source, dropped: dict[str, int]) -> str:
    gone = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items() if count)
    read = counted(len(found.lines), "line")
    return f"corpus must have at least one word, got none in {read}" + (f" ({gone})" if gone else "")


# ---- words


def _words(found: Source, cleaning: Cleaning) -> list[str]:
    """Every word, cleaned; empty where nothing is left of it."""
    if found.layout == "list":
        return [cleaning.word(line, number) for number, line in enumerate(found.lines, start=1)]
    if found.table:
        cells = ((row[found.column], line) for row, line in zip(found.table.rows, found.table.lines, strict=True))
        return [cleaning.word(cell, line) for cell, line in cells]
    text = "\n".join(_tidied(found.lines, cleaning))
    pieces = text_words(text) if found.layout == "words" else text_sentences(text)
    first = list(islice(pieces, MAX_WORDS + 1))  # what is too much is refused before it is cut and cleaned
    if len(first) > MAX_WORDS:
        raise ValueError(f"corpus must have at most {MAX_WORDS:,} {found.layout}, got more")
    return list(map(cleaning.changed, first))


def _tidied(lines: Iterable[str], cleaning: Cleaning) -> Iterable[str]:
    for number, line in enumerate(lines, start=1):
        refuse_controls(line, number)
        yield cleaning.tidied(line, number)


def _with_unknown(sentences: list[str], least: int) -> tuple[list[str], int]:
    """Sentences with :data:`UNKNOWN` for each word that occurs fewer times in all of them, and how many those were."""
    counts = Counter(chain.from_iterable(map(str.split, sentences)))
    rare = {word: count for word, count in counts.items() if count < least and word != UNKNOWN}
    if not rare:
        return sentences, 0
    known = [" ".join(UNKNOWN if word in rare else word for word in text.split()) for text in sentences]
    return known, sum(rare.values())


class _Sieve:
    """Words from which some are dropped, on record."""

    def __init__(self, words: list[str], how: Reading) -> None:
        self.words, self.how = words, how
        self.dropped: dict[str, int] = {}
        self.examples: dict[str, list[str]] = {}
        self._keep("blank", list(filter(None, words)), ())

    def _keep(self, reason: str, kept: list[str], gone: Iterable[str]) -> None:
        self.dropped[reason] = len(self.words) - len(kept)
        self.words = kept
        if some := [word[:EXAMPLE_LENGTH] for word in islice(dict.fromkeys(gone), EXAMPLES)]:
            self.examples[reason] = some

    def drop_by_length(self, cut: Cut) -> None:
        """Words with fewer or more symbols than asked for."""
        sizes = {word: len(cut(word)) for word in set(self.words)}
        short, long = self.how.min_length, self.how.max_length
        for reason, wrong in (
            ("too short", {word for word, size in sizes.items() if size < short}),
            ("too long", {word for word, size in sizes.items() if size > long or len(word) > MAX_WORD_LENGTH}),
        ):
            self._drop(reason, wrong)

    def drop_rare(self, cut: Cut) -> None:
        """Words with a symbol that occurs too rarely, until none is left that does."""
        if self.how.min_count > 1:
            self._drop("with a rare symbol", set(self.words) - _without_rare(self.words, self.how.min_count, cut))

    def _drop(self, reason: str, wrong: set[str]) -> None:
        if wrong:
            gone = (word for word in self.words if word in wrong)
            self._keep(reason, [word for word in self.words if word not in wrong], gone)

    def drop_duplicates(self) -> int:
        """All but the first of equal words, if that is asked for; how many there are in any case."""
        different = dict.fromkeys(self.words)
        duplicates = len(self.words) - len(different)
        if self.how.deduplicate and duplicates:
            times = Counter(self.words)
            self._keep("duplicate", list(different), (word for word, count in times.items() if count > 1))
        return duplicates


def _without_rare(words: list[str], least: int, cut: Cut) -> set[str]:
    """The different words that are left when every symbol of those left occurs often enough."""
    times, counts = Counter(words), Counter(chain.from_iterable(map(cut, words)))
    left, rare = set(times), [symbol for symbol, count in counts.items() if count < least]
    holders: dict[str, list[str]] = defaultdict(list)
    for word in times if rare else ():
        for symbol in cut(word):
            holders[symbol].append(word)
    while rare:  # a word that goes makes its other symbols rarer
        gone = left.intersection(holders.pop(rare.pop(), ()))
        left -= gone
        for word in gone:
            for symbol in cut(word):
                counts[symbol] -= times[word]
                if counts[symbol] < least <= counts[symbol] + times[word]:
                    rare.append(symbol)
    return left
