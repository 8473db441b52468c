"""From a list of words to what a model is trained on: vocabulary, splits, context → target pairs."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .config import SplitConfig
from .contexts import ContextCounts, Ids, SharedContexts, SparseRows, count_contexts, share
from .corpus import Corpus
from .fields import choice, cut, quoted
from .symbols import CHARACTERS, TOKENS, UNKNOWN, WORDS, Tokens, words_only
from .text import code_point, is_invisible, normalised, tidy

BOUNDARY = ""
"""Start, end and padding symbol, id 0. The empty string: no word can contain it, so a corpus may contain "."."""


def show_symbol(symbol: str) -> str:
    """A symbol as it is drawn: the boundary as the lecture's ``.``, a real full stop and a space apart from it.

    What leaves no ink is drawn as its code point, ``U+200C``.
    """
    if len(symbol) == 1 and symbol != " " and is_invisible(symbol):
        return code_point(symbol)
    return {BOUNDARY: ".", ".": "“.”", " ": "␣"}.get(symbol, symbol)


@dataclass(frozen=True)
class Vocab:
    """The symbols a model knows; a symbol's place is its id. The first is always :data:`BOUNDARY`."""

    symbols: tuple[str, ...]
    tokens: str = CHARACTERS  # what a text is cut into, one of TOKENS

    def __post_init__(self) -> None:
        choice("tokens", self.tokens, TOKENS)
        valid = len(set(self.symbols)) == len(self.symbols) and self.symbols[:1] == (BOUNDARY,)
        if not valid or "\n" in self.symbols:  # a line break marks the end of a word where examples are built
            rule = "start with the boundary and have distinct symbols, none a line break"
            raise ValueError(f"vocab must {rule}, got {quoted(self.symbols)}")

    @classmethod
    def from_words(cls, words: Iterable[str], tokens: str = CHARACTERS) -> Vocab:
        """The sorted distinct characters of some words, or what else `tokens` cuts them into, after the boundary."""
        if tokens == CHARACTERS:
            return cls((BOUNDARY, *_characters(words)))
        return cls((BOUNDARY, *sorted(set(chain.from_iterable(map(TOKENS[tokens].cut, words))))), tokens)

    @classmethod
    def of(cls, corpus: Corpus) -> Vocab:
        """The vocabulary of a corpus."""
        return cls.from_words(corpus.words, corpus.tokens)

    @property
    def cutting(self) -> Tokens:
        """How a text is cut into symbols, and what they are called."""
        return TOKENS[self.tokens]

    @property
    def noun(self) -> str:
        """What one of its symbols is called."""
        return self.cutting.symbol

    @property
    def item(self) -> str:
        """What symbols make: a word, or a sentence of words."""
        return self.cutting.item

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
        if self.tokens == WORDS:
            text, cleaned = " ".join(text.split()), words_only(cleaned)
        if not self.has_capitals:
            cleaned = normalised(self.cutting.joined(map(self._lowered, self.cutting.cut(cleaned))))
        # A letter and a mark of the vocabulary may compose to one that it lacks.
        return text if self.spells(text) and not self.spells(cleaned) else cleaned

    def _lowered(self, symbol: str) -> str:
        """A capital as its small letter if that is known; one that is not is refused as it was typed."""
        lowered = normalised(symbol, lowercase=True)
        return lowered if self.spells(lowered) else symbol

    def spells(self, text: str) -> bool:
        """Whether the vocabulary knows every symbol of a text."""
        return self.stoi.keys() >= set(self.cutting.cut(text))

    def encode(self, word: str) -> list[int]:
        """Ids of a word's symbols, without boundaries; words it does not know are :data:`UNKNOWN` where it has that.

        ``ValueError`` names other symbols that it does not know.
        """
        symbols, stands_in = self.cutting.cut(word), self.stoi.get(UNKNOWN)
        unknown = [] if stands_in else sorted(set(symbols) - set(self.stoi))
        if unknown:
            known = " ".join(map(show_symbol, self.symbols[1:41])) + (" …" if self.size > 41 else "")
            got = " ".join(map(show_symbol, unknown))
            raise ValueError(f"{self.noun}s must be in the vocabulary ({known}), got {cut(got)} in {quoted(word)}")
        return [self.stoi.get(symbol, stands_in or 0) for symbol in symbols]

    def decode(self, ids: Iterable[int]) -> str:
        """The word that some ids spell; boundaries vanish."""
        return self.cutting.joined(self.symbols[i] for i in ids)

    def drawn(self, ids: Iterable[int]) -> str:
        """Some symbols as they are drawn one after the other, boundaries too: ``..e``."""
        return self.cutting.between.join(show_symbol(self.symbols[i]) for i in ids)


def _characters(words: Iterable[str]) -> Iterable[str]:
    """The distinct characters of some words, sorted: a tenth of the time of a set of all of them."""
    points = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    present = np.zeros(points.max(initial=0) + 1, dtype=bool)
    present[points] = True
    return map(chr, np.flatnonzero(present).tolist())


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
    shuffle(shuffled, config.split_seed)
    # 0.8 + 0.1 is 0.9 to within a rounding error; int() must not see 0.8999….
    fractions = (config.train_fraction, config.train_fraction + config.val_fraction)
    cuts = [int(round(fraction, 9) * len(shuffled)) for fraction in fractions]
    splits = Splits(tuple(shuffled[: cuts[0]]), tuple(shuffled[cuts[0] : cuts[1]]), tuple(shuffled[cuts[1] :]))
    for name, part in splits.items():
        if not part:
            raise ValueError(f"{name} split must have at least one word, got 0 of the corpus's {len(shuffled):,}")
    return splits


def shuffle(items: list[Any], seed: int) -> None:
    """``random.Random(seed).shuffle(items)``, swap for swap, in half its time: without two calls for each of them.

    Each item, from the last on, changes places with one drawn from those up to it: as many random bits as the greatest
    place has, drawn again while they are beyond it.
    """
    draw, last = random.Random(seed).getrandbits, len(items) - 1
    while last > 0:
        bits = (last + 1).bit_length()
        fewer = max(0, 2 ** (bits - 1) - 2)  # from this place down one bit less is drawn
        for i in range(last, fewer, -1):
            j = draw(bits)
            while j > i:
                j = draw(bits)
            items[i], items[j] = items[j], items[i]
        last = fewer


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
    ids: NDArray[np.int32] = field(repr=False)  # of all symbols, T boundaries before and after each word
    ends: Ids = field(repr=False)  # (N,): where among them each target is
    context_size: int  # T
    vocab_size: int

    def __len__(self) -> int:
        return len(self.ends)

    @cached_property
    def contexts(self) -> Ids:
        """(N, T)."""
        contexts = np.empty((len(self), self.context_size), dtype=np.int64)
        begins = self.ends - self.context_size
        for place in range(self.context_size):
            contexts[:, place] = self.ids[place:].take(begins)
        return contexts

    @cached_property
    def targets(self) -> Ids:
        """(N,)."""
        return self.ids.take(self.ends).astype(np.int64)

    def drawn(self, size: int, seed: int = 0) -> tuple[Ids, Ids]:
        """Contexts (size, T) and targets (size,) drawn with replacement; with the same seed always the same."""
        rows = np.random.default_rng(seed).integers(len(self), size=size)
        return self.contexts[rows], self.targets[rows]

    @cached_property
    def counts(self) -> ContextCounts:
        """The same examples as distinct contexts with next-character counts."""
        T = self.context_size
        windows = sliding_window_view(self.ids[:-1], T)
        return count_contexts(windows, self.ids[T:], self.vocab_size, at=self.ends - T)

    @cached_property
    def word_index(self) -> Ids:
        """(N,): which word each example comes from; every word's last target is the boundary."""
        ends = self.targets == 0
        index: Ids = np.cumsum(ends) - ends
        return index


def build_examples(words: Sequence[str], vocab: Vocab, context_size: int) -> Examples:
    """The sliding window over every word, for all words at once.

    A word of n symbols gives n + 1 examples: its first context is all boundary, its last target the
    boundary. Raises ``ValueError`` for characters that are not in the vocabulary.
    """
    ids = _id_stream(words, vocab, gap=context_size)
    # With T boundaries before every word, a window never reaches into the word before. A target is any
    # character, or the first boundary after one.
    inside = ids != 0
    inside[1:] |= inside[:-1]
    return Examples(tuple(words), ids, np.flatnonzero(inside), context_size, vocab.size)


def _id_stream(words: Sequence[str], vocab: Vocab, gap: int) -> NDArray[np.int32]:
    """All words as one array of ids, with ``gap`` boundaries before, between and after them."""
    if vocab.tokens != CHARACTERS:
        ends = [0] * gap
        return np.array(ends + [i for word in words for i in (*vocab.encode(word), *ends)], dtype=np.int32)
    between = "\n" * gap  # no word contains it
    points = np.frombuffer((between + between.join(words) + between).encode("utf-32-le"), dtype=np.uint32)
    table = np.zeros(max(map(ord, vocab.symbols[1:]), default=0) + 2, dtype=np.int32)
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

    @cached_property
    def shown(self) -> SharedContexts:
        """What the losses that may be shown are computed on, by their names."""
        return self._shared({"train_loss": self.train, "val_loss": self.val, "val_loss_unseen": self.val_unseen})

    @cached_property
    def sealed(self) -> SharedContexts:
        """The same of the test split."""
        return self._shared({"test_loss": self.test, "test_loss_unseen": self.test_unseen})

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that have been made so far."""
        return _bytes(self)

    @staticmethod
    def _shared(parts: Mapping[str, Examples]) -> SharedContexts:
        return share({name: examples.counts for name, examples in parts.items() if len(examples)})

    def _unseen(self, words: Sequence[str]) -> list[str]:
        unseen = set(words).difference(self.splits.train)
        return [word for word in words if word in unseen]


def _bytes(part: Any) -> int:
    if isinstance(part, (Dataset, Examples, ContextCounts, SharedContexts, SparseRows)):
        return sum(_bytes(value) for name, value in list(vars(part).items()) if name != "words")
    if isinstance(part, (dict, list, tuple)):  # copied: another run's thread may add to a dictionary meanwhile
        return sum(map(_bytes, list(part.values() if isinstance(part, dict) else part)))
    return getattr(part, "nbytes", 0)  # of an array or a tensor


def build_dataset(words: Corpus | Sequence[str], split: SplitConfig, context_size: int) -> Dataset:
    """Split some words into what a model is trained and judged on. The vocabulary is that of all words."""
    if isinstance(words, Corpus):
        return Dataset(Vocab.of(words), context_size, split_words(words.words, split), words.report.cleaning)
    return Dataset(Vocab.from_words(words), context_size, split_words(words, split))
