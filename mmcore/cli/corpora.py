"""``corpora``: the lists of words in the store."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from ..corpus import counted
from ..gallery import GALLERY, gallery_corpus
from ..reading import Reading, check_trainable, read_corpus
from ..store import RunStore
from ..symbols import WORDS
from .app import AsJson, corpora, one_of, sentences
from .output import said
from .settings import changed, with_reading
from .words import dropped, stored_sha256

SHORT = 10  # digits of a corpus's hash that are shown
FIRST = 8  # words that are shown of a corpus


# ---- corpora


@corpora.command("list")
@sentences
def list_corpora(as_json: AsJson = False) -> None:
    """All corpora, newest first, and how many runs are on each."""
    found = RunStore().corpora()
    found["created"] = [created.isoformat(timespec="minutes") for created in found["created"]]
    if as_json:
        typer.echo(json.dumps(found.to_dict("records")))
        return
    table = Table("sha256", Column("name", ratio=1, no_wrap=True), "words", "runs", "created (UTC)")
    for row in found.to_dict("records"):
        created = row["created"][:16].replace("T", " ")
        table.add_row(row["sha256"][:SHORT], said(row["name"]), f"{row['words']:,}", f"{row['runs']:,}", created)
    Console().print(table)


@corpora.command("add")
@with_reading
@sentences
def add_corpus(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A list, a table or running text.")],
    name: Annotated[str | None, typer.Option(help="Of the corpus; the file's if not given.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would be, and store nothing.")] = False,
    as_json: AsJson = False,
    **given: Any,
) -> None:
    """Store a text as a corpus, and say how it was read and what was dropped; `train --corpus` trains on it."""
    corpus = read_corpus(file, changed(Reading(), given), name)
    check_trainable(corpus)
    report = corpus.report
    if not dry_run:
        RunStore().add_corpus(corpus)
    if as_json:
        facts = {"sha256": corpus.sha256, "name": corpus.name, "stored": not dry_run, **asdict(report)}
        typer.echo(json.dumps(facts))
        return
    for sentence in filter(None, (report.read_as, dropped(report), report.cleaned_sentence())):
        typer.echo(sentence, err=True)
    different = len(set(corpus.words))
    symbols = f"{counted(len(report.characters), 'different ' + corpus.noun)}"
    typer.echo(f"{counted(report.kept, corpus.item)}, {different:,} different; {symbols}.", err=True)
    between = " | " if corpus.tokens == WORDS else ", "
    typer.echo(f"First: {between.join(corpus.words[:FIRST])}", err=True)
    typer.echo("Nothing is stored." if dry_run else corpus.sha256, err=dry_run)


@corpora.command("gallery")
@sentences
def gallery(
    which: Annotated[str | None, typer.Argument(metavar=one_of(*GALLERY), help="Which list to store.")] = None,
) -> None:
    """Names in other languages and scripts: what there is, or one of them as a corpus in the store."""
    if which is not None:
        typer.echo(RunStore().add_corpus(gallery_corpus(which)))
        return
    table = Table("key", "names", "symbols", "first")
    for key in GALLERY:
        found = gallery_corpus(key)
        first = ", ".join(found.words[:3])
        table.add_row(key, f"{found.report.kept:,}", f"{len(found.report.characters):,}", said(first))
    Console().print(table)


@corpora.command("delete")
@sentences
def delete_corpus(
    sha256: Annotated[str, typer.Argument(help="As shown by corpora list, or its first digits.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a corpus that has no runs."""
    store = RunStore()
    whole = stored_sha256(store, sha256)
    name = store.corpus(whole).name
    if not yes:
        typer.confirm(f"Delete corpus {whole[:SHORT]} ({name}) for good?", abort=True, err=True)
    store.delete_corpus(whole)
    typer.echo(f"Deleted corpus {whole[:SHORT]}.", err=True)
