"""Words from files, for the commands that read some."""

from __future__ import annotations

from pathlib import Path

import typer

from ..corpus import BUNDLED_NAMES, Corpus, CorpusReport, join
from ..dataset import Splits
from ..fields import require
from ..gallery import FOLDER, GALLERY
from ..reading import Reading, read_corpus
from ..store import RunStore
from ..symbols import TOKENS

PLAIN = "Read as UTF-8: one word a line."


def read_data(
    data: Path, val_data: Path | None, test_data: Path | None, how: Reading
) -> tuple[Corpus, tuple[int, ...]]:
    """The words of one file; or those of three, and how many are train, validation and test."""
    alone = test_data if val_data is None else val_data
    require((val_data is None) == (test_data is None), "val_data and test_data", "given together", str(alone))
    paths = [path for path in (data, val_data, test_data) if path]
    corpora = [read_corpus(path, how) for path in paths]
    for corpus in corpora:
        say_reading(corpus.report, corpus.name if len(corpora) > 1 else "")
    if len(corpora) == 1:
        return corpora[0], ()
    return join(corpora), tuple(len(corpus.words) for corpus in corpora)


def stored_sha256(store: RunStore, start: str) -> str:
    """The hash of the one stored corpus that begins so."""
    found = [sha256 for sha256 in store.corpora()["sha256"] if sha256.startswith(start)]
    require(len(found) == 1 and bool(start), "sha256", "the first digits of one corpus's in the store", start)
    return str(found[0])


def words_of(store: RunStore, sha256: str, data: Path | None, *, lowercase: bool) -> Corpus:
    """The corpus with a hash: from a file that is said to hold it, from the store, or among those that come with us."""
    if data is None and sha256 in set(store.corpora()["sha256"]):
        return store.corpus(sha256)
    files = [data] if data else [BUNDLED_NAMES, *(FOLDER / f"{key}.txt" for key in GALLERY)]
    found = [read_corpus(file, Reading(lowercase=lowercase)) for file in files]
    known = next((corpus for corpus in found if corpus.sha256 == sha256), None)
    if known is None:
        got = found[0].sha256 if data else "none such in the store"
        raise ValueError(f"words must be those with the sha256 {sha256} (--data), got {got}")
    return known


def say_reading(report: CorpusReport, name: str = "") -> None:
    """How a text was read, where that is not plain, and what was dropped and changed, on stderr.

    With a name where there are several texts.
    """
    for said in (report.read_as if report.read_as != PLAIN else "", dropped(report), report.cleaned_sentence()):
        if said:
            typer.echo(f"{name}: {said}" if name else said, err=True)


def dropped(report: CorpusReport) -> str:
    """What was dropped, with examples, in a sentence; empty lines are not worth one."""
    gone = [
        f"{count:,} {reason}" + (f" ({', '.join(report.examples[reason])})" if reason in report.examples else "")
        for reason, count in report.dropped.items()
        if reason != "blank"
    ]
    return f"Dropped {'; '.join(gone)}." if gone else ""


def example_counts(splits: Splits, tokens: str) -> dict[str, int]:
    """How many symbols are predicted in each split: every word's, and its end."""
    return {name: sum(TOKENS[tokens].count(word) + 1 for word in words) for name, words in splits.items()}
