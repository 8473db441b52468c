"""What the rows of the embedding table C have to do with each other: neighbours, projections, character classes."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .dataset import BOUNDARY, Vocab
from .fields import require
from .symbols import GRAPHEMES, TOKENS

Floats = NDArray[np.float64]

METRICS = ("cosine", "euclidean")
VOWELS = frozenset("aeiouıæøœ" + "αεηιουω" + "аеиоуыэюяіїє")  # Latin, Greek, Cyrillic
CONSONANT_SCRIPTS = ("LATIN", "GREEK", "CYRILLIC")
TSNE_PERPLEXITY = 30.0


@dataclass(frozen=True)
class Projection:
    """Points (V, k) and, for each of the k axes, the share of the total variance that it explains."""

    points: Floats
    explained: Floats


def neighbours(table: NDArray[np.floating], index: int, metric: str = "cosine") -> pd.DataFrame:
    """All other rows of (V, D) ``table``, nearest to row ``index`` first: columns ``id, closeness``.

    ``closeness`` is the cosine of the angle (1 is the same direction; 0 for a row of zeros) or the Euclidean
    distance (0 is the same point). Equally near rows are in the order of their ids.
    """
    require(metric in METRICS, "metric", "one of " + ", ".join(METRICS), metric)
    require(0 <= index < len(table), "index", f"from 0 to {len(table) - 1}", index)
    rows = np.asarray(table, dtype=np.float64)
    if metric == "cosine":
        norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(rows[index])
        values = np.divide(rows @ rows[index], norms, out=np.zeros(len(rows)), where=norms > 0)
    else:
        values = np.linalg.norm(rows - rows[index], axis=1)
    order = np.argsort(-values if metric == "cosine" else values, kind="stable")
    order = order[order != index]
    return pd.DataFrame({"id": order, "closeness": values[order]})


def pca(table: NDArray[np.floating], components: int = 2) -> Projection:
    """Principal components of (V, D) ``table``; axes that D or V do not offer are 0 and explain nothing.

    The sign of an axis is arbitrary; here its largest weight is positive, so that the picture does not flip.
    """
    rows = np.asarray(table, dtype=np.float64)
    left, sizes, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    variance = sizes**2
    share = variance / variance.sum() if variance.sum() > 0 else np.zeros_like(variance)
    kept = min(components, len(sizes))
    points, explained = np.zeros((len(rows), components)), np.zeros(components)
    points[:, :kept], explained[:kept] = (left * sizes * signs)[:, :kept], share[:kept]
    return Projection(points, explained)


def plane(table: NDArray[np.floating]) -> tuple[Floats, list[str]]:
    """Points to draw (V, D) ``table`` at, and titles of their axes: its own up to D = 2, else the first two of PCA."""
    if table.shape[1] <= 2:
        return np.asarray(table, np.float64), [f"Dimension {i}" for i in range(table.shape[1])]
    projected = pca(table)
    axes = [f"Direction {i} ({100 * share:.1f} % of variance)" for i, share in enumerate(projected.explained, start=1)]
    return projected.points, axes


def tsne(table: NDArray[np.floating], seed: int = 0) -> Floats:
    """A (V, 2) map that keeps near rows near (van der Maaten & Hinton 2008); distances between groups mean nothing.

    The same table and seed give the same map. It starts from a random one, so that other seeds show what is chance.
    """
    require(len(table) >= 3, "vocabulary", "at least 3 symbols for t-SNE", len(table))
    from sklearn.manifold import TSNE

    perplexity = min(TSNE_PERPLEXITY, (len(table) - 1) / 3)
    mapped = TSNE(2, perplexity=perplexity, init="random", random_state=seed).fit_transform(
        np.asarray(table, np.float64)
    )
    return np.asarray(mapped, dtype=np.float64)


def procrustes(points: NDArray[np.floating], reference: NDArray[np.floating], *, scaled: bool = False) -> Floats:
    """(V, k) ``points`` moved, turned and mirrored to lie as near as they can to (V, k) ``reference``.

    The orthogonal Procrustes problem (Schönemann 1966): distances between points stay as they are, except that
    ``scaled`` also stretches all of them by one factor, to the reference's spread. (The factor of least squares would
    shrink the points the more the less they agree, down to a dot.) The row of a symbol is the same in both.
    """
    require(points.shape == reference.shape, "points", f"of the reference's shape {reference.shape}", points.shape)
    places, wanted = np.asarray(points, np.float64), np.asarray(reference, np.float64)
    centre: Floats = wanted.mean(axis=0)
    places, wanted = places - places.mean(axis=0), wanted - centre
    left, _, right = np.linalg.svd(places.T @ wanted)
    spread = np.linalg.norm(places)
    factor = np.linalg.norm(wanted) / spread if scaled and spread > 0 else 1.0
    turned: Floats = factor * places @ left @ right
    return turned + centre


def film(tables: Sequence[NDArray[np.floating]]) -> Floats:
    """Points (F, V, k) to draw F tables (V, D) at, one after the other: k = 1 for D = 1, else 2.

    Up to D = 2 they are the tables themselves. Beyond, each table has a plane of most variance of its own, which turns
    as training goes on; each is turned, mirrored and moved to its successor's, so that what is left is the movement
    of the symbols among each other. The last is as :func:`plane` has it.
    """
    require(len(tables) > 0, "tables", "at least one", len(tables))
    frames = [plane(table)[0] for table in tables]
    if tables[0].shape[1] > 2:
        for i in range(len(frames) - 2, -1, -1):
            frames[i] = procrustes(frames[i], frames[i + 1])
    return np.stack(frames)


def common_neighbours(
    first: NDArray[np.floating], second: NDArray[np.floating], count: int, metric: str = "cosine"
) -> pd.DataFrame:
    """Which of each row's ``count`` nearest rows two tables agree on: columns ``id, share, common``.

    ``first`` (V, D) and ``second`` (V, E) may differ in width. ``common`` holds the ids, nearest in ``first`` to
    the front; ``share`` is their number over ``count``. By chance it is ``count / (V - 1)`` in the mean.
    """
    require(len(first) == len(second), "second", f"a table of {len(first)} rows", len(second))
    require(1 <= count < len(first), "count", f"from 1 to {len(first) - 1}", count)
    rows = []
    for index in range(len(first)):
        near, other = (neighbours(table, index, metric)["id"].tolist()[:count] for table in (first, second))
        common = [i for i in near if i in other]
        rows.append((index, len(common) / count, common))
    return pd.DataFrame(rows, columns=["id", "share", "common"])


def vowel_neighbours(
    table: NDArray[np.floating], symbols: Sequence[str], count: int = 4, metric: str = "cosine"
) -> tuple[float, float]:
    """How many of a vowel's ``count`` nearest rows are vowels: in the mean over all vowels, and by chance.

    NaN for both where fewer than two symbols are vowels. With fewer than ``count`` other rows all of them count.
    """
    vowels = {index for index, symbol in enumerate(symbols) if character_class(symbol) == "vowel"}
    if len(vowels) < 2:
        return math.nan, math.nan
    nearest = [neighbours(table, index, metric)["id"].tolist()[:count] for index in vowels]
    found = sum(other in vowels for near in nearest for other in near) / len(vowels)
    return found, min(count, len(table) - 1) * (len(vowels) - 1) / (len(table) - 1)


def one_hot_difference(table: NDArray[np.floating], index: int) -> float:
    """Largest absolute difference between ``one_hot(index) @ C`` and ``C[index]``: looking up *is* multiplying."""
    one_hot = np.zeros(len(table), dtype=table.dtype)
    one_hot[index] = 1
    return float(np.abs(one_hot @ table - table[index]).max())


def character_class(symbol: str) -> str:
    """``boundary``, ``vowel``, ``consonant``, ``letter`` (of a script not divided so here), ``digit`` or ``other``.

    Accents do not count (é is a vowel) and y is a consonant. What is more than one grapheme is a ``word``.
    """
    if symbol == BOUNDARY:
        return "boundary"
    if TOKENS[GRAPHEMES].count(symbol) > 1:
        return "word"
    if symbol.isdigit():
        return "digit"
    if not symbol.isalpha():
        return "other"
    # й is a consonant, though it decomposes into и and a breve.
    base = symbol.lower() if symbol.lower() == "й" else unicodedata.normalize("NFD", symbol.lower())[0]
    if base in VOWELS:
        return "vowel"
    divided = unicodedata.name(base, "").startswith(CONSONANT_SCRIPTS) and base not in "ьъ"
    return "consonant" if divided else "letter"


def membership(symbols: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """``in the set`` or ``not in the set`` for each symbol; the set is the characters of ``wanted``, or several."""
    chosen = set(unicodedata.normalize("NFC", wanted) if isinstance(wanted, str) else wanted)
    return ["in the set" if symbol in chosen else "not in the set" for symbol in symbols]


def positions(words: Sequence[str], vocab: Vocab) -> pd.DataFrame:
    """Where each symbol of the vocabulary occurs: columns ``symbol, count, share, first_share, last_share``.

    ``share`` is of all targets, so the boundary counts once a word. ``first_share`` and ``last_share`` are of the
    symbol's own occurrences; NaN for the boundary.
    """
    ids = list(map(vocab.encode, words))
    text = np.array(list(chain.from_iterable(ids)), dtype=np.int64)
    first, last = (np.array([word[at] for word in ids], dtype=np.int64) for at in (0, -1))
    count, starts, ends = (np.bincount(ids, minlength=vocab.size) for ids in (text, first, last))
    own = np.where(count > 0, count, np.nan)
    count[0] = len(words)
    columns = {"symbol": vocab.symbols, "count": count, "share": count / count.sum()}
    return pd.DataFrame(columns | {"first_share": starts / own, "last_share": ends / own})
