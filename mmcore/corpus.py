"""From a text file to a list of words, and a report of what reading it found and did."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from .encoding import decode
from .fields import choice, quoted
from .installation import APP_FOLDER
from .symbols import CHARACTERS, TOKENS, UNKNOWN, WORDS, words_only
from .tables import find_delimiter
from .text import Cleaning

BUNDLED_NAMES = APP_FOLDER / "data" / "names.txt"
MOST_SHOWN = 12  # characters that a sentence names


@dataclass(frozen=True, kw_only=True)
class CorpusReport:
    """What reading a corpus found and what it did about it. A symbol is a character, unless `tokens` says otherwise."""

    lines: int
    kept: int
    dropped: dict[str, int]  # reason -> words
    duplicates: int  # words beyond the first of their kind, whether kept or dropped
    characters: dict[str, int] = field(repr=False)  # symbol -> occurrences, most frequent first
    lengths: dict[int, int] = field(repr=False)  # symbols in a word -> words
    lowercase: bool = False  # whether words were lower-cased
    lowered: int = 0  # words that this changed
    composed: int = 0  # words that the normal form changed
    cleaned: dict[str, int] = field(default_factory=dict)  # code point taken out or made a space -> how many
    cleaned_at: dict[str, int] = field(default_factory=dict)  # the same -> the first line with it
    form: str = "NFC"  # which normal form
    stripped: int = 0  # words that lost their marks
    removed: dict[str, int] = field(default_factory=dict)  # character that was not to be kept -> how many
    replaced: int = 0  # words of running text that were too rare, each read as UNKNOWN
    examples: dict[str, list[str]] = field(default_factory=dict)  # reason -> some that were dropped for it
    read_as: str = ""  # the encoding and the layout, in a sentence
    tokens: str = CHARACTERS  # one of TOKENS

    @property
    def cleaning(self) -> dict[str, Any]:
        """What an artifact records of it; plain JSON."""
        record = {"form": self.form, "lowercase": self.lowercase, "lowered": self.lowered, "composed": self.composed}
        return record | {"characters": self.cleaned}

    def cleaned_sentence(self) -> str:
        """What was changed in the text, in one sentence; empty if nothing was."""
        item = TOKENS[self.tokens].item
        parts = [_lost(code, count, self.cleaned_at[code]) for code, count in self.cleaned.items()]
        parts += [f"composed {counted(self.composed, item)} to Unicode {self.form}"] if self.composed else []
        parts += [f"lower-cased {counted(self.lowered, item)}"] if self.lowered else []
        parts += [f"took the marks off the letters of {counted(self.stripped, item)}"] if self.stripped else []
        parts += [_removed(self.removed)] if self.removed else []
        rare = f"read {counted(self.replaced, 'rare word')} as {UNKNOWN}"
        parts += [rare] if self.replaced else []
        return f"Cleaned: {'; '.join(parts)}." if parts else ""


def _lost(code: str, count: int, line: int) -> str:
    character = chr(int(code[2:], 16))
    name = unicodedata.name(character, "unnamed").lower()
    times = f"{count:,} times, first in line {line:,}" if count > 1 else f"once, in line {line:,}"
    return f"{'replaced' if character.isspace() else 'took out'} {code} ({name}) {times}"


def _removed(removed: Mapping[str, int]) -> str:
    most = sorted(removed, key=lambda character: -removed[character])
    shown = " ".join("␣" if character == " " else character for character in most[:MOST_SHOWN])
    others = " …" if len(most) > MOST_SHOWN else ""
    return f"took out {counted(sum(removed.values()), 'character')} that are not among those to keep ({shown}{others})"


def counted(count: int, noun: str) -> str:
    """How many there are of something: ``1 word``, ``2,000 words``."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"


@dataclass(frozen=True)
class Corpus:
    """A named list of words. Two corpora with the same ``sha256`` hold the same words in the same order."""

    name: str
    words: tuple[str, ...] = field(repr=False)
    report: CorpusReport

    @cached_property
    def sha256(self) -> str:
        """Hash of the words, UTF-8, a newline after each; before them what symbols are, where not characters."""
        start = "" if self.tokens == CHARACTERS else f"\0{self.tokens}\n"
        return hashlib.sha256((start + "".join(word + "\n" for word in self.words)).encode()).hexdigest()

    @property
    def tokens(self) -> str:
        """What its words are cut into, one of :data:`~mmcore.symbols.TOKENS`."""
        return self.report.tokens

    @property
    def noun(self) -> str:
        """What one of its symbols is called."""
        return TOKENS[self.tokens].symbol

    @property
    def item(self) -> str:
        """What one of its words is called: in running text a sentence."""
        return TOKENS[self.tokens].item


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
        raw, name = file_bytes(Path(source)), name or Path(source).stem
    lines = lines_of(decode(raw, "utf-8").text)
    _refuse_table(lines)
    return _corpus(name, lines, Cleaning(lowercase), deduplicate)


def file_bytes(path: Path) -> bytes:
    """What is in a file; ``ValueError`` names one that is none, or cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"corpus must be a readable file, got {quoted(str(path))} ({error.strerror})") from error


def corpus_from_words(words: Iterable[str], name: str, tokens: str = CHARACTERS) -> Corpus:
    """A corpus from words in memory, cleaned as :func:`read_words` does; `tokens` says what they are cut into."""
    choice("tokens", tokens, TOKENS)
    return _corpus(name, list(words), Cleaning(), deduplicate=False, tokens=tokens)


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
        form=reports[0].form,
        stripped=sum(report.stripped for report in reports),
        removed=added("removed"),
        replaced=sum(report.replaced for report in reports),
        examples={reason: some for report in reversed(reports) for reason, some in report.examples.items()},
        read_as=reports[0].read_as,
        tokens=reports[0].tokens,
    )
    return Corpus(corpora[0].name, words, report)


def lines_of(text: str) -> list[str]:
    """Text line by line, whichever way they end; no empty one after the last."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _corpus(name: str, lines: list[str], cleaning: Cleaning, deduplicate: bool, tokens: str = CHARACTERS) -> Corpus:
    words = [cleaning.word(line, number) for number, line in enumerate(lines, start=1)]
    if tokens == WORDS:
        words = list(map(words_only, words))
    filled = [word for word in words if word]
    kept = list(dict.fromkeys(filled)) if deduplicate else filled
    dropped = {"blank": len(words) - len(filled), "duplicate": len(filled) - len(kept)}
    duplicates = len(filled) - len(set(filled))
    return made_of(name, kept, cleaning, lines=len(lines), dropped=dropped, duplicates=duplicates, tokens=tokens)


def _refuse_table(lines: list[str]) -> None:
    delimiter = find_delimiter(lines)
    if delimiter in ("comma", "semicolon"):
        first = next(line for line in lines if line.strip()).strip()[:40]
        what = f"got a table (CSV) with {delimiter}s, its first line {first!r}"
        raise ValueError(f"corpus must have one word a line, {what}: save the column of words alone, one a line")


def made_of(
    name: str, words: Sequence[str], cleaning: Cleaning, *, lines: int, dropped: Mapping[str, int], **found: Any
) -> Corpus:
    """A corpus of cleaned words, counted; `found` is what else its report has. ``ValueError`` where there are none."""
    if not words:
        raise ValueError(f"corpus must have at least one word, got none in {lines} lines")
    symbols = TOKENS[found.get("tokens", CHARACTERS)].cut
    pieces = [symbols(word) for word in words]
    report = CorpusReport(
        lines=lines,
        kept=len(words),
        dropped={reason: count for reason, count in dropped.items() if count},
        characters=dict(Counter(chain.from_iterable(pieces)).most_common()),
        lengths=dict(sorted(Counter(map(len, pieces)).items())),
        lowercase=cleaning.lowercase,
        lowered=cleaning.lowered,
        composed=cleaning.composed,
        cleaned=dict(cleaning.characters),
        cleaned_at=cleaning.first,
        form=cleaning.form,
        stripped=cleaning.stripped,
        removed=dict(cleaning.removed),
        **found,
    )
    return Corpus(name, tuple(words), report)
