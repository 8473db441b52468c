"""``export``: a run as a file of any format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..export import ENDINGS, FORMATS, Format, file_name, format_of, require_format
from ..fields import choice
from ..store import RunStore
from ..take_home import take_home
from .app import RunId, app, one_of, runs, sentences
from .output import check_place, write_file


@app.command("export")
@runs.command("export")
@sentences
def export_run(
    run_id: RunId,
    format: Annotated[
        str | None,
        typer.Option(metavar=one_of(*FORMATS), help="Of which format.", show_default="what --out asks for, or weights"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help=f"A file, by itself ending in {', '.join(ENDINGS)}.", show_default="makemore-ID…"),
    ] = None,
) -> None:
    """Write a run to a file: weights, code, tables, or everything."""
    known = _format(format, out)
    store = RunStore()
    run = store.run(store.whole_id(run_id))
    require_format(known, run.config)
    out = out or Path(file_name(run.id, known))
    check_place(out)
    write_file(out, known.write(take_home(store, run.id)))
    typer.echo(str(out))


def _format(name: str | None, out: Path | None) -> Format:
    if name is not None:
        choice("format", name, tuple(FORMATS))
        return FORMATS[name]
    return format_of(out) if out else FORMATS["weights"]
