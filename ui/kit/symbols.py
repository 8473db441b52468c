"""Which symbols a page shows: all of them, or the most frequent of a large vocabulary."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from heapq import nlargest

from mmcore import BOUNDARY, Corpus, Vocab, show_symbol
from mmcore.fields import require
from ui.kit import linked

MOST = 256  # on a map, in a bar chart or in a list to choose from


def shown(corpus: Corpus, vocab: Vocab, most: int = MOST) -> list[int]:
    """Ids, in their order: all, or the boundary and the most frequent characters."""
    if vocab.size <= most:
        return list(range(vocab.size))
    characters = corpus.report.characters
    return [0, *sorted(vocab.stoi[symbol] for symbol in nlargest(most - 1, characters, key=characters.__getitem__))]


def spelt(vocab: Vocab, most: int) -> linked.Reader[str]:
    """What an address may say of a word, or of a prefix."""

    def read(name: str, text: str) -> str:
        found = linked.line(most)(name, text)
        try:
            vocab.encode(vocab.typed(found))
        except ValueError:
            require(False, name, f"made of {vocab.noun}s of the vocabulary", found)
        return found

    return read


def left_out(ids: Sized, vocab: Vocab) -> str:
    """How many symbols a page leaves out, in a sentence; nothing if it shows all."""
    if len(ids) == vocab.size:
        return ""
    shown = f"Shown are the boundary and the {len(ids) - 1:,} most frequent {vocab.noun}s"
    return f"{shown}; {vocab.size - len(ids):,} rarer ones are not."


def cut(rows: Sized) -> str:
    """What the title of a chart of the first rows adds; nothing if all fit."""
    return f" (first {MOST:,} of {len(rows):,})" if len(rows) > MOST else ""


def symbol_title(symbol: str) -> str:
    """A symbol in a list: the boundary says that it is one."""
    return f"{show_symbol(symbol)} (boundary)" if symbol == BOUNDARY else show_symbol(symbol)


def context_text(context: Sequence[int], vocab: Vocab) -> str:
    """A context as the lecture prints it: ``..e``."""
    return vocab.drawn(context)
