"""From a text file to a list of words, and a report of what reading it found and did."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .fields import quoted
from .installation import APP_FOLDER
from .text import Cleaning, refuse_table

BUNDLED_NAMES = APP_FOLDER / "data" / "names.txt"


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
