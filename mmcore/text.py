"""The one door for text: whatever is read from a file, pasted or typed is cleaned here, and in one way."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Literal

Form = Literal["NFC", "NFKC"]
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


def normalised(text: str, *, lowercase: bool = False, form: Form = "NFC") -> str:
    """In a Unicode normal form, lower-cased or not."""
    text = unicodedata.normalize(form, text)
    # Lower-casing can decompose (İ), so normalise what comes out of it too.
    return unicodedata.normalize(form, text.lower()) if lowercase else text


def without_marks(text: str) -> str:
    """Text without the marks that stand on or under letters: ``é`` as ``e``, Hebrew without its points."""
    apart = unicodedata.normalize("NFD", text)
    marks = {ord(character): None for character in set(apart) if unicodedata.category(character) == "Mn"}
    return unicodedata.normalize("NFC", apart.translate(marks)) if marks else text


def characters_of(text: str) -> frozenset[str]:
    """What someone names as characters: ``a-z'`` is every letter from a to z, and the apostrophe."""
    found: set[str] = set()
    at = 0
    while at < len(text):
        if text[at + 1 : at + 2] == "-" and at + 2 < len(text):
            first, last = ord(text[at]), ord(text[at + 2])
            if first > last:
                raise ValueError(f"keep must have ranges from first to last, got {text[at : at + 3]!r}")
            found |= set(map(chr, range(first, last + 1)))
            at += 3
        else:
            found.add(text[at])
            at += 1
    return frozenset(found)


@dataclass
class Cleaning:
    """What was done to the words of a list, one after the other."""

    lowercase: bool = False
    form: Form = "NFC"
    strip_marks: bool = False
    keep: frozenset[str] = frozenset()  # the only characters that stay; empty: all
    composed: int = 0  # words that the normal form changed
    lowered: int = 0  # words that lower-casing changed
    stripped: int = 0  # words that lost marks
    characters: Counter[str] = field(default_factory=Counter)  # code point taken out or made a space -> how many
    first: dict[str, int] = field(default_factory=dict)  # the same -> the first line with it
    removed: Counter[str] = field(default_factory=Counter)  # character not among those to keep -> how many

    def word(self, line: str, number: int) -> str:
        """A line of a list as a word; ``ValueError`` names the line and what is wrong with it."""
        word = self.changed(self.tidied(line, number))
        if not word.isprintable() or len(word) > MAX_WORD_LENGTH:
            _check(word, number)
        return word

    def tidied(self, line: str, number: int) -> str:
        """A line without what is invisible, on record."""
        if line.isascii():
            return line
        text, lost = tidy(line)
        for code in map(code_point, lost):
            self.characters[code] += 1
            self.first.setdefault(code, number)
        return text

    def changed(self, text: str) -> str:
        """What becomes of a word: its normal form, case, marks, and the characters that stay."""
        word = text
        if not word.isascii():
            word = normalised(word, form=self.form)
            self.composed += word != text
        text = word.strip()
        word = text.lower() if self.lowercase else text
        self.lowered += word != text
        if not word.isascii():  # lower-casing can decompose (İ)
            word = normalised(word, form=self.form)
            bare = tidy(without_marks(word))[0].strip() if self.strip_marks else word  # a joiner may join no more
            self.stripped += bare != word
            word = bare
        return self._kept(word) if self.keep else word

    def _kept(self, word: str) -> str:
        if self.keep.issuperset(word):
            return " ".join(word.split())
        self.removed.update(character for character in word if character not in self.keep)
        kept = "".join(filter(self.keep.__contains__, word))
        return " ".join(tidy(kept)[0].split())


def refuse_controls(line: str, number: int, allowed: str = "\t\f\v") -> None:
    """``ValueError`` for a line with characters that stand in no text, but for those that are white space."""
    for character in line if not line.isprintable() else "":
        if unicodedata.category(character) in ("Cc", "Cs") and character not in allowed:
            raise ValueError(f"corpus line {number} must be text, got control character {code_point(character)}")


def _check(word: str, number: int) -> None:
    if "\t" in word:
        what = f"got a tab in {word[:40]!r}"
        raise ValueError(f"corpus line {number} must be one word, {what}: save the column of words alone, one a line")
    refuse_controls(word, number, allowed="")
    if len(word) > MAX_WORD_LENGTH:
        raise ValueError(f"corpus line {number} must have at most {MAX_WORD_LENGTH:,} characters, got {len(word):,}")
