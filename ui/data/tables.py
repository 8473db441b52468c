"""Tables and sentences of the page Data."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mmcore import BOUNDARY, Corpus, Splits, Vocab, build_examples, leakage, show_symbol
from mmcore.corpus import CorpusReport
from ui import pages

SPLIT_TITLES = {"train": "Train", "val": "Validation", "test": "Test"}


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


def leakage_sentence(report: pd.DataFrame) -> str:
    """What the leakage report (columns ``in_train, share``, validation first) means for the losses."""
    if not report["in_train"].any():
        return "No validation or test word occurs in train: both losses are on words the model has never seen."
    val, test = (f"{share:.1f} %" for share in report["share"])
    return (
        f"{val} of the validation words and {test} of the test words are also in train, so both losses are a little "
        f"too good. The page {pages.SPLITS.title} shows the loss on unseen words beside each; de-duplicating removes "
        "the leak itself."
    )
