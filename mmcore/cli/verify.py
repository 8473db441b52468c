"""``verify``: does a lab report hold?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..corpus import BUNDLED_NAMES, Corpus
from ..reading import Reading, read_corpus
from ..store import RunStore
from ..verifying import read_report, train_again
from .app import app, sentences
from .output import progress_bar

DENIED = 1


@app.command()
@sentences
def verify(
    report: Annotated[
        Path, typer.Argument(metavar="REPORT", help="A report.json, as export --format report makes it.")
    ],
    data: Annotated[
        Path | None, typer.Option(help="Its corpus, one word a line, where this store does not have it.")
    ] = None,
    lowercase: Annotated[
        bool, typer.Option("--lowercase/--no-lowercase", help="Lower-case the words of --data.")
    ] = True,
) -> None:
    """Train the model of a report again, and say of each figure whether it holds; exit code 1 where one does not."""
    found = read_report(report)
    corpus = _corpus(found.config.corpus_sha256, data, lowercase)
    with progress_bar(found.config.train.max_steps) as show:
        figures, samples = train_again(found, corpus, show)
    for figure in figures:
        typer.echo(str(figure))
    same = sum(mine == theirs for mine, theirs in zip(samples, found.samples, strict=False))
    typer.echo(f"samples: {same} of {len(found.samples)} are the same")
    if not all(figure.holds for figure in figures):
        raise typer.Exit(DENIED)


def _corpus(sha256: str, data: Path | None, lowercase: bool) -> Corpus:
    """From a file, from the store, or the bundled names."""
    if data is not None:
        return read_corpus(data, Reading(lowercase=lowercase))
    bundled = read_corpus(BUNDLED_NAMES)
    return bundled if bundled.sha256 == sha256 else RunStore().corpus(sha256)
