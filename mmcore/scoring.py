"""How likely a model finds a given word, letter by letter; and what its own words are like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .dataset import Examples, Splits, Vocab, build_examples
from .evaluation import log_probabilities
from .fields import require
from .model import MLP
from .sample import Sample, generate, labels
from .symbols import CHARACTERS, TOKENS

TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0)


def score_word(model: MLP, vocab: Vocab, word: str) -> pd.DataFrame:
    """What a model thinks of a word: a row for each letter and one for the end.

    Columns ``symbol, probability, surprisal`` (−ln p, nats) ``, rank`` (1: it was the likeliest) ``, expected,
    expected_probability`` (the likeliest instead) ``, context`` as drawn. The word's own probability is the product.
    The word is cleaned as the corpus was. Raises ``ValueError`` for characters outside the vocabulary.
    """
    word = vocab.typed(word)
    examples = build_examples([word], vocab, model.config.context_size) if word else _empty_word(model, vocab)
    log_p = log_probabilities(model, examples.contexts).double().numpy()
    own = log_p[np.arange(len(examples)), examples.targets]
    likeliest = log_p.argmax(axis=1)
    return pd.DataFrame(
        {
            "symbol": [vocab.symbols[i] for i in examples.targets],
            "probability": np.exp(own),
            "surprisal": -own,
            "rank": (log_p > own[:, None]).sum(axis=1) + 1,
            "expected": [vocab.symbols[i] for i in likeliest],
            "expected_probability": np.exp(log_p.max(axis=1)),
            "context": list(map(vocab.drawn, examples.contexts)),
        }
    )


def _empty_word(model: MLP, vocab: Vocab) -> Examples:
    """The word that ends at once: one example, which the sliding window does not make."""
    T = model.config.context_size
    return Examples(("",), np.zeros(T + 1, dtype=np.int32), np.array([T]), T, vocab.size)


def percentile(score: pd.DataFrame, sums: NDArray[np.float64], counts: NDArray[np.int64]) -> float:
    """The share (%) of words that surprise the model more, per character, than the scored one.

    ``sums`` and ``counts`` as from :func:`word_losses`.
    """
    require(len(sums) > 0, "examples", "at least one word", 0)
    means, own = sums / counts, float(score["surprisal"].mean())
    return float(100 * ((means > own).mean() + 0.5 * np.isclose(means, own, rtol=1e-6, atol=0).mean()))


def novelty_by_temperature(
    model: MLP,
    vocab: Vocab,
    splits: Splits,
    n: int,
    *,
    sample_seed: int = 0,
    temperatures: Sequence[float] = TEMPERATURES,
) -> pd.DataFrame:
    """Which share of ``n`` samples is new, in train, or in validation or test, and how many are distinct.

    Columns ``temperature, new, train, held_out, distinct``. A model that only memorised would be all ``train``.
    """
    rows = []
    for temperature in temperatures:
        words = [s.word for s in generate(model, vocab, n, sample_seed=sample_seed, temperature=temperature)]
        found = Counter(labels(words, splits))
        row = {"temperature": temperature, "new": found["new"] / n, "train": found["train"] / n}
        row |= {"held_out": (found["val"] + found["test"]) / n, "distinct": len(set(words)) / n}
        rows.append(row)
    return pd.DataFrame(rows)


def nearest_word(word: str, words: Sequence[str], tokens: str = CHARACTERS) -> tuple[str, int]:
    """The word at the smallest edit distance, the first of several, and that distance; 0 is the word itself.

    Insertions, deletions and substitutions of a symbol count 1 each (Levenshtein 1966).
    """
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import extractOne

    require(len(words) > 0, "words", "at least one", 0)
    cut = TOKENS[tokens].cut
    _, distance, at = extractOne(cut(word), list(map(cut, words)), scorer=Levenshtein.distance)
    return words[at], int(distance)


def length_distribution(words: Sequence[str], corpus: Sequence[str], tokens: str = CHARACTERS) -> pd.DataFrame:
    """Columns ``length, samples, corpus``: the share of words with each length."""
    ours, theirs = (Counter(map(TOKENS[tokens].count, part)) for part in (words, corpus))
    lengths = range(max([*ours, *theirs], default=0) + 1)
    return _shares("length", list(lengths), ours, theirs)


def character_distribution(words: Sequence[str], corpus: Sequence[str], vocab: Vocab) -> pd.DataFrame:
    """Columns ``symbol, samples, corpus``: the share of all letters that each one has; no boundaries."""
    ours, theirs = (Counter(chain.from_iterable(map(vocab.cutting.cut, part))) for part in (words, corpus))
    return _shares("symbol", list(vocab.symbols[1:]), ours, theirs)


def _shares(name: str, keys: Sequence[object], *counters: Counter[Any]) -> pd.DataFrame:
    columns = [[counter[key] / max(1, counter.total()) for key in keys] for counter in counters]
    return pd.DataFrame({name: keys, "samples": columns[0], "corpus": columns[1]})


def total_variation(shares: pd.DataFrame) -> float:
    """Half the sum of differences between the two columns: how much of one would have to move to be the other."""
    return float((shares["samples"] - shares["corpus"]).abs().sum() / 2)


def sample_words(model: MLP, vocab: Vocab, n: int, temperature: float, sample_seed: int) -> list[str]:
    """The words alone of :func:`generate`."""
    drawn: list[Sample] = generate(model, vocab, n, sample_seed=sample_seed, temperature=temperature)
    return [sample.word for sample in drawn]
