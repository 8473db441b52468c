"""``runs size``, ``pack``, ``unpack``, ``add``: room that runs take, runs as one file, a weights file as a run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from ..cost import MAX_FILE_BYTES, amount
from ..fields import require
from ..store import PARTS, RunFilter, RunStore
from .app import AsJson, Lowercase, runs, sentences
from .output import said
from .words import words_of

# ---- runs


@runs.command("size")
@sentences
def show_size(as_json: AsJson = False) -> None:
    """How much room the store takes, what for, and its ten largest runs."""
    store = RunStore()
    size, largest, left = store.size(), store.largest(), store.room()
    names = {run.id: run.name for run in store.summaries(RunFilter(ids=list(largest)))}
    if as_json:
        found = [{"id": run_id, "name": names[run_id], "bytes": count} for run_id, count in largest.items()]
        parts = {"total": size.total, "left_on_disk": left, "parts": asdict(size), "largest": found}
        typer.echo(json.dumps(parts))
        return
    table = Table(Column("", no_wrap=True), Column("", justify="right"), box=None, show_header=False, pad_edge=False)
    for part, count in asdict(size).items():
        table.add_row(PARTS[part], amount(count))
    table.add_row("In all", amount(size.total))
    if left is not None:
        table.add_row("Left on the disk", amount(left))
    if largest:
        table.add_row("")
    for run_id, count in largest.items():
        table.add_row(f"{run_id}  {said(names[run_id])}", amount(count))
    Console(soft_wrap=True).print(table)


@runs.command("pack")
@sentences
def pack_runs(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="To be written, such as runs.sqlite.")],
    run_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", show_default="all runs")] = None,
) -> None:
    """Write runs to one file, for `runs unpack` or the page Runs of another store.

    With their corpora, curves, samples, weights, checkpoints, notes and tags.
    """
    store = RunStore()
    own = store.url == RunStore(str(file)).url
    require(not own, "file", "another one than the store itself", str(file))
    chosen = [store.whole_id(run_id) for run_id in run_ids] if run_ids else [run.id for run in store.summaries()]
    require(bool(chosen), "runs", "at least one", "none in the store")
    store.export_runs(chosen, file)
    runs_said = "1 run" if len(chosen) == 1 else f"{len(chosen):,} runs"
    typer.echo(f"Wrote {runs_said}, {amount(file.stat().st_size)}.", err=True)
    typer.echo(str(file))


@runs.command("unpack")
@sentences
def unpack_runs(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As `runs pack` or the page Runs wrote it.")],
    as_json: AsJson = False,
) -> None:
    """Keep the runs of such a file in the store, as far as they are sound; those it has already are skipped."""
    report = RunStore().import_runs(file)
    if as_json:
        typer.echo(json.dumps(asdict(report)))
        return
    for run_id, new in report.imported.items():
        typer.echo(new if new == run_id else f"{new} (in the file {run_id}, an id that another run has here)")
    for run_id, reason in report.skipped.items():
        typer.echo(f"Skipped {run_id}: {reason}", err=True)
    typer.echo(f"Imported {len(report.imported):,} of {len(report.imported) + len(report.skipped):,} runs.", err=True)


@runs.command("add")
@sentences
def add_run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .safetensors file made by train or export.")],
    data: Annotated[
        Path | None, typer.Option(help="Its words.", show_default="the store's corpus of that sha256, or the names")
    ] = None,
    lowercase: Lowercase = True,
    name: Annotated[str | None, typer.Option(help="Of the run.")] = None,
) -> None:
    """Make a weights file a run of the store, to be looked at, sampled and continued; its losses are computed anew."""
    from ..export.artifact import load
    from ..take_in import take_in

    require(file.stat().st_size <= MAX_FILE_BYTES, "file", f"at most {amount(MAX_FILE_BYTES)}", str(file))
    store, content = RunStore(), file.read_bytes()
    store.add_corpus(words_of(store, load(content).config.corpus_sha256, data, lowercase=lowercase))
    typer.echo(take_in(store, content, name=name).id)
