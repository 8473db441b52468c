"""Words from files, for the commands that read some."""

from __future__ import annotations

from pathlib import Path

import typer

from ..corpus import Corpus, CorpusReport, join, read_words
from ..dataset import Splits
from ..fields import require


def read_data(
    data: Path, val_data: Path | None, test_data: Path | None, *, lowercase: bool
) -> tuple[Corpus, tuple[int, ...]]:
    """The words of one file; or those of three, and how many are train, validation and test."""
    alone = test_data if val_data is None else val_data
    require((val_data is None) == (test_data is None), "val_data and test_data", "given together", str(alone))
    paths = [path for path in (data, val_data, test_data) if path]
    corpora = [read_words(path, lowercase=lowercase) for path in paths]
    for corpus in corpora:
        say_cleaned(corpus.report, corpus.name if len(corpora) > 1 else "")
    if len(corpora) == 1:
        return corpora[0], ()
    return join(corpora), tuple(len(corpus.words) for corpus in corpora)


def say_cleaned(report: CorpusReport, name: str = "") -> None:
    """What reading the words changed in them, on stderr; with a name where there are several lists."""
    if said := report.cleaned_sentence():
        typer.echo(f"{name}: {said}" if name else said, err=True)


def example_counts(splits: Splits) -> dict[str, int]:
    """How many characters are predicted in each split: every word's, and its end."""
    return {name: sum(len(word) + 1 for word in words) for name, words in splits.items()}
