"""The one door for text: whatever is read from a file, pasted or typed is cleaned here, and in one way."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

MAX_WORD_LENGTH = 1_000
_SPACES = "\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_REMOVED = "\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
_JOINERS = "\u200c\u200d"
_FOUND = re.compile(f"[{_SPACES}{_REMOVED}]")
_JOINER_RUN = re.compile(f"[{_JOINERS}]+")
# Letters and marks that leave no ink although Python calls them printable, and marks that do although it does not.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_INKED = re.compile("[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd]")
_VIRAMA = 9  # the combining class of signs after which a joiner chooses the form of a letter


def code_point(character: str) -> str:
    """A character by its number, as Unicode writes it: ``U+FEFF``."""
    return f"U+{ord(character):04X}"


def is_invisible(character: str) -> bool:
    """Whether a character other than the space leaves no ink, or has no form that fonts could know."""
    if _BLANK.match(character):
        return True
    return not character.isprintable() and not _INKED.match(character)


def tidy(text: str, keep: Container[str] = ()) -> tuple[str, list[str]]:
    """Text with every kind of space as a space and without what is invisible; and the characters that it lost.

    Characters in `keep` stay, and joiners where they choose between forms of letters (as in Persian) or join emoji.
    """
    lost: list[str] = []

    def mend(match: re.Match[str]) -> str:
        stays = all(character in keep for character in match[0]) or _joins(match)
        lost.extend([] if stays else match[0])
        return match[0] if stays else " " if unicodedata.category(match[0][0]).startswith("Z") else ""

    if _FOUND.search(text):
        text = _FOUND.sub(mend, text)
    return (_JOINER_RUN.sub(mend, text) if _JOINER_RUN.search(text) else text), lost


def _joins(match: re.Match[str]) -> bool:
    """Whether joiners stand where a script without letter case, or emoji, can have them."""
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    if match[0][0] not in _JOINERS or before.isascii() or not _caseless(before):
        return False
    return _caseless(after) or unicodedata.combining(before) == _VIRAMA


def _caseless(character: str) -> bool:
    return bool(character) and character.lower() == character.upper() and not character.isspace()


def normalised(text: str, *, lowercase: bool = False) -> str:
    """Unicode NFC, lower-cased or not."""
    text = unicodedata.normalize("NFC", text)
    # Lower-casing can decompose (İ), so normalise what comes out of it too.
    return unicodedata.normalize("NFC", text.lower()) if lowercase else text


@dataclass
class Cleaning:
    """What was done to the words of a list, one after the other."""

    lowercase: bool = False
    composed: int = 0  # words that Unicode NFC changed
    lowered: int = 0  # words that lower-casing changed
    characters: Counter[str] = field(default_factory=Counter)  # code point taken out or made a space -> how many
    first: dict[str, int] = field(default_factory=dict)  # the same -> the first line with it

    def word(self, line: str, number: int) -> str:
        """A line of a list as a word; ``ValueError`` names the line and what is wrong with it."""
        if not line.isascii():
            line = self._tidy(line, number)
        text = line.strip()
        word = text.lower() if self.lowercase else text
        self.lowered += word != text
        if not word.isascii():  # lower-casing can decompose (İ)
            word = normalised(word)
        if not word.isprintable() or len(word) > MAX_WORD_LENGTH:
            _check(word, number)
        return word

    def _tidy(self, line: str, number: int) -> str:
        """A line composed and without what is invisible, on record."""
        text, lost = tidy(line)
        for code in map(code_point, lost):
            self.characters[code] += 1
            self.first.setdefault(code, number)
        composed = normalised(text)
        self.composed += composed != text
        return composed


def _check(word: str, number: int) -> None:
    if "\t" in word:
        what = f"got a tab in {word[:40]!r}"
        raise ValueError(f"corpus line {number} must be one word, {what}: save the column of words alone, one a line")
    for character in word:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise ValueError(f"corpus line {number} must be text, got control character {code_point(character)}")
    if len(word) > MAX_WORD_LENGTH:
        raise ValueError(f"corpus line {number} must have at most {MAX_WORD_LENGTH:,} characters, got {len(word):,}")


def refuse_table(lines: Sequence[str]) -> None:
    """``ValueError`` for lines that are the rows of a table with commas or semicolons (CSV), and not words."""
    filled = [line for line in lines if line.strip()]
    for mark, name in ((",", "commas"), (";", "semicolons")):
        if filled and all(mark in line for line in filled) and _is_table(filled, mark):
            what = f"got a table (CSV) with {name}, its first line {filled[0].strip()[:40]!r}"
            raise ValueError(f"corpus must have one word a line, {what}: save the column of words alone, one a line")


def _is_table(lines: Sequence[str], mark: str) -> bool:
    """Rows of equal length; a space after every mark is prose ("Paris, France"), and so is a single mark in all."""
    try:
        rows = list(csv.reader(lines, delimiter=mark))
    except csv.Error:
        return False
    widths, spaced = {len(row) for row in rows}, any(cell[:1] == " " for row in rows for cell in row[1:])
    return len(widths) == 1 and not spaced and (len(rows) > 1 or max(widths) > 2)
