"""Tables and sentences that pages show, as pure functions: mmcore objects in, DataFrames and text out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmcore import BOUNDARY, Corpus, Dataset, Examples, Splits, Vocab, build_examples, leakage, show_symbol
from mmcore.corpus import CorpusReport
from mmcore.embedding import character_class, membership, vowel_neighbours
from ui.text import nats

if TYPE_CHECKING:
    from mmcore import Model, Sample

SPLIT_TITLES = {"train": "Train", "val": "Validation", "test": "Test"}
NEAREST = 4  # neighbours of a vowel that are looked at
LABEL_TITLES = {"new": "New", "train": "In train", "val": "In validation", "test": "In test"}


def vocabulary(corpus: Corpus, vocab: Vocab, ids: Sequence[int]) -> pd.DataFrame:
    """Columns ``id, symbol, count, share`` (in % of all), of some ids; the boundary counts once a word."""
    characters = {BOUNDARY: corpus.report.kept} | corpus.report.characters
    symbols, total = [vocab.symbols[i] for i in ids], sum(characters.values())
    counts = [characters[symbol] for symbol in symbols]
    columns = {"id": ids, "symbol": [show_symbol(symbol) for symbol in symbols], "count": counts}
    return pd.DataFrame(columns | {"share": [100 * count / total for count in counts]})


def reading(report: CorpusReport) -> str:
    """What reading a corpus found, in one or two sentences."""
    gone = [f"{count:,} {reason}" for reason, count in report.dropped.items()]
    dropped = f"dropped {' and '.join(gone)}" if gone else "dropped none"
    repeated = "No word occurs twice."
    if report.duplicates:
        words = "1 word repeats" if report.duplicates == 1 else f"{report.duplicates:,} words repeat"
        kept = "was dropped" if report.dropped.get("duplicate") else "is kept, as frequency is information"
        repeated = f"{words} an earlier one; every repetition {kept}."
    found = f"Read {report.lines:,} lines, kept {report.kept:,} words, {dropped}. {repeated}"
    return f"{found} {report.cleaned_sentence()}".rstrip()


def context_rows(word: str, vocab: Vocab, context_size: int) -> pd.DataFrame:
    """Columns ``context, next, context_ids, next_id``: the examples a word becomes."""
    examples = build_examples([word], vocab, context_size)
    rows = []
    for context, target in zip(examples.contexts.tolist(), examples.targets.tolist(), strict=True):
        drawn = "".join(show_symbol(vocab.symbols[i]) for i in context)
        ids = " ".join(map(str, context))
        rows.append(
            {"context": drawn, "next": show_symbol(vocab.symbols[target]), "context_ids": ids, "next_id": target}
        )
    return pd.DataFrame(rows)


def split_sizes(splits: Splits) -> pd.DataFrame:
    """Columns ``split, words, share`` (in %) ``, examples``; a word of n characters is n + 1 examples."""
    total = sum(len(words) for _, words in splits.items())
    rows = []
    for name, words in splits.items():
        examples = sum(map(len, words)) + len(words)
        rows.append(
            {"split": SPLIT_TITLES[name], "words": len(words), "share": 100 * len(words) / total, "examples": examples}
        )
    return pd.DataFrame(rows)


def leaks(splits: Splits) -> pd.DataFrame:
    """The leakage report with the splits named as on screen and the share in %."""
    report = leakage(splits)
    return report.assign(split=report["split"].map(SPLIT_TITLES), share=100 * report["share"])


def measured(model: Model, title: str, role: str, examples: Examples) -> dict[str, object]:
    """One split's exact loss in three units, with its 95 % interval over words; NaN where there are no examples."""
    from mmcore import bootstrap_interval, evaluate, word_losses

    losses = evaluate(model, examples)
    low, high = bootstrap_interval(*word_losses(model, examples)) if len(examples) else (math.nan, math.nan)
    row: dict[str, object] = {"title": title, "role": role, "loss": losses.loss, "low": low, "high": high}
    row |= {"perplexity": losses.perplexity, "bits": losses.bits_per_char}
    return row | {"words": len(examples.words), "examples": losses.examples}


def split_parts(dataset: Dataset, *, test: bool) -> list[tuple[str, str, Examples]]:
    """(title, role, examples) of the splits to compare, top to bottom; test only if it is open."""
    parts = [("Train", "train", dataset.train), ("Validation", "validation", dataset.val)]
    parts.append(("Validation, unseen words", "validation", dataset.val_unseen))
    if test:
        parts += [("Test", "test", dataset.test), ("Test, unseen words", "test", dataset.test_unseen)]
    return [part for part in parts if len(part[2])]


def gap(train_loss: float, val_loss: float, interval: tuple[float, float]) -> str:
    """What the generalisation gap says, in one sentence; ``interval`` is that of the validation loss."""
    difference = val_loss - train_loss
    if interval[0] <= train_loss <= interval[1]:
        return (
            f"Validation differs from train by {difference:+.4f} nats per character, which is within the interval of "
            "the validation loss: no gap that this split could show. A larger model may still do better (underfitting)."
        )
    if difference < 0:
        return f"Validation is {nats(-difference)} nats per character below train: this split happens to be easier."
    return (
        f"Validation is {nats(difference)} nats per character above train: its perplexity is "
        f"{100 * (math.exp(min(difference, 700)) - 1):.1f} % higher. "
        "That part of what was learned holds for the train words only."
    )


def generated(samples: Sequence[Sample], where: Sequence[str]) -> pd.DataFrame:
    """Columns ``word, found, ended``: each sample with the split it occurs in, or ``New``."""
    found = [LABEL_TITLES[label] for label in where]
    return pd.DataFrame(
        {"word": [sample.word for sample in samples], "found": found, "ended": [sample.ended for sample in samples]}
    )


def leakage_sentence(report: pd.DataFrame) -> str:
    """What the leakage report (columns ``in_train, share``, validation first) means for the losses."""
    if not report["in_train"].any():
        return "No validation or test word occurs in train: both losses are on words the model has never seen."
    val, test = (f"{share:.1f} %" for share in report["share"])
    return (
        f"{val} of the validation words and {test} of the test words are also in train, so both losses are a little "
        "too good. The Splits page shows the loss on unseen words beside each; de-duplicating removes the leak itself."
    )


CLASS, SET = "Vowel or consonant", "My own set"
COLORINGS = {
    CLASS: None,
    "Frequency": "share",
    "Share as first letter": "first_share",
    "Share as last letter": "last_share",
    SET: None,
}


def embedding_views(dimensions: int) -> list[str]:
    """Which pictures an embedding table of so many columns allows, the plainest first."""
    raw = {1: "Raw axis", 2: "Raw axes", 3: "Raw axes in 3-D"}.get(dimensions)
    return ([raw] if raw else []) + (["PCA"] if dimensions > 2 else []) + ["t-SNE"]


def coloring(name: str, symbols: Sequence[str], positions: pd.DataFrame, wanted: str) -> dict[str, Any]:
    """``groups`` or ``values`` with ``value_title`` for the embedding chart; ``positions`` as from mmcore."""
    if name == CLASS:
        return {"groups": [character_class(symbol) for symbol in symbols]}
    if name == SET:
        return {"groups": membership(symbols, wanted)}
    return {"values": positions[COLORINGS[name]].tolist(), "value_title": name}


def vowel_sentence(table: NDArray[np.floating], symbols: Sequence[str], metric: str) -> str:
    """How near vowels are to each other, against chance; nothing where fewer than two symbols are vowels."""
    found, chance = vowel_neighbours(table, symbols, NEAREST, metric)
    if math.isnan(found):
        return ""
    nearest = f"Of a vowel's {min(NEAREST, len(table) - 1)} nearest neighbours"
    return f"{nearest}, {found:.2f} are vowels on average; by chance it would be {chance:.2f}."


def symbol_title(symbol: str) -> str:
    """A symbol in a list: the boundary says that it is one."""
    return f"{show_symbol(symbol)} (boundary)" if symbol == BOUNDARY else show_symbol(symbol)


def clicked_id(point: Mapping[str, Any]) -> int:
    """The ``customdata`` of a selected point, which the browser sends bare or in a list."""
    found = point["customdata"]
    return int(found[0] if isinstance(found, list) else found)


def novelty(words: pd.DataFrame) -> str:
    """How many of the generated words are new, and how many the length cap has cut."""
    new = int((words["found"] == LABEL_TITLES["new"]).sum())
    cut = int((~words["ended"]).sum())
    sentence = f"{new:,} of {len(words):,} are new: they occur in no split."
    return sentence + (f" {cut:,} reached the length cap before the model ended them." if cut else "")
