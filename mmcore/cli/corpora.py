"""``corpora``: the lists of words in the store."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from ..fields import require
from ..store import RunStore
from .app import AsJson, corpora, sentences
from .output import said

SHORT = 10  # digits of a corpus's hash that are shown


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


@corpora.command("delete")
@sentences
def delete_corpus(
    sha256: Annotated[str, typer.Argument(help="As shown by corpora list, or its first digits.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a corpus that has no runs."""
    store = RunStore()
    found = store.corpora()
    found = found[found["sha256"].str.startswith(sha256)]
    require(len(found) == 1 and bool(sha256), "sha256", "the first digits of one corpus's in the store", sha256)
    whole, name = found["sha256"].iloc[0], found["name"].iloc[0]
    if not yes:
        typer.confirm(f"Delete corpus {whole[:SHORT]} ({name}) for good?", abort=True, err=True)
    store.delete_corpus(whole)
    typer.echo(f"Deleted corpus {whole[:SHORT]}.", err=True)
