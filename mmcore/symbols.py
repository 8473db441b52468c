"""What a text is cut into, its symbols: characters, graphemes, or words of running text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

CHARACTERS, GRAPHEMES, WORDS = "characters", "graphemes", "words"
UNKNOWN = "<unk>"
"""The word that stands for every word too rare to be a symbol of its own."""


@dataclass(frozen=True)
class Tokens:
    """A way to cut the items of a corpus into symbols, and what people call both."""

    title: str
    symbol: str  # what one symbol is called
    item: str  # what one item of the corpus is called
    between: str  # stands between the symbols of an item
    cut: Callable[[str], Sequence[str]]

    def joined(self, symbols: Iterable[str]) -> str:
        """The text of some symbols; boundaries vanish."""
        return self.between.join(filter(None, symbols))

    def count(self, text: str) -> int:
        """How many symbols a text has."""
        return len(self.cut(text))


def _characters(text: str) -> Sequence[str]:
    return text


def _graphemes(text: str) -> Sequence[str]:
    return text if text.isascii() else _pattern(r"\X").findall(text)


def _words(text: str) -> Sequence[str]:
    return text.split()


@cache
def _pattern(pattern: str) -> Any:
    import regex  # knows Unicode's text segmentation, and is loaded where a text needs it

    return regex.compile(pattern)


TOKENS = {
    CHARACTERS: Tokens("Characters", "character", "word", "", _characters),
    GRAPHEMES: Tokens("Graphemes", "symbol", "word", "", _graphemes),
    WORDS: Tokens("Words", "word", "sentence", " ", _words),
}

# ---- running text

_WORD = r"[\p{L}\p{M}\p{N}]+(?:['’\-\u200c\u200d][\p{L}\p{M}\p{N}]+)*"
_ENDS = r"(?<=[.!?…؟।॥][\"'”’»)\]]*)\s+|(?<=[。！？][」』”’）]*)"


def text_words(text: str) -> Iterator[str]:
    """The words of running text, without punctuation; letters keep the marks that belong to them."""
    return (found[0] for found in _pattern(_WORD).finditer(text))


def words_only(text: str) -> str:
    """A sentence as its words, a space between two; :data:`UNKNOWN` stays as it is."""
    first, *others = text.split(UNKNOWN)
    return " ".join([*text_words(first), *(word for part in others for word in (UNKNOWN, *text_words(part)))])


def text_sentences(text: str) -> Iterator[str]:
    """Its sentences, which punctuation or an empty line ends."""
    for paragraph in _pattern(r"\n\s*\n").splititer(text):
        pieces = _pattern(_ENDS).splititer(" ".join(paragraph.split()))
        yield from (piece.strip() for piece in pieces if piece and piece.strip())
