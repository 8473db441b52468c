"""What commands print, and the files they write."""

from __future__ import annotations

import contextlib
import json
import math
import os
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ..export import format_of
from ..fields import require
from ..losses import SHOWN, nats
from ..store import Run, RunState, RunStore
from ..take_home import take_home

if TYPE_CHECKING:
    import pandas as pd

    from ..training import Step
from .app import STOPPED_BY_CTRL_C


def conclude(store: RunStore, run: Run, facts: dict[str, Any], out: Path | None, as_json: bool) -> None:
    """Write and say what a training came to; that a file could not be written, after all that was said."""
    problem, has_weights = None, run.weights_step is not None
    if out and has_weights:
        try:
            write_file(out, format_of(out).write(take_home(store, run.id)))
        except OSError as error:
            problem = f"{out} could not be written ({error.strerror}); export {run.id} tries again"
        except ValueError as error:
            problem = str(error)
    written = str(out) if out and has_weights and not problem else None
    print_summary(run_summary(run) | facts | {"out": written}, as_json)
    if problem:
        raise ValueError(problem)
    _end(run)


@contextlib.contextmanager
def progress_bar(max_steps: int) -> Iterator[Callable[[Step], None]]:
    """A bar on stderr with loss, speed and time left; yields what shows a step."""
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[losses]}"),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=max_steps, losses="", speed="")
        first: list[Step] = []

        def show(step: Step) -> None:
            if not first:
                first.append(step)
            elapsed, done = step.seconds - first[0].seconds, step.step - first[0].step
            values: dict[str, Any] = {"completed": step.step}
            values |= {"speed": f"{done / elapsed:,.0f} steps/s"} if elapsed > 0 else {}
            values |= {"losses": losses_line(step)} if step.val_loss is not None else {}
            progress.update(task, **values)

        yield show


def losses_line(step: Step) -> str:
    """The losses of an evaluated step, in a few words."""
    return f"train {said_loss(step.train_loss)}, validation {said_loss(step.val_loss)}"


def run_summary(run: Run) -> dict[str, Any]:
    """What a run came to, without its test losses."""
    summary: dict[str, Any] = {"run": run.id, "name": run.name, "state": str(run.state), "error": run.error}
    summary |= {name: finite(run.losses.get(name)) for name in SHOWN}
    return summary | {"steps": run.step, "max_steps": run.max_steps, "seconds": round(run.seconds, 3)}


def finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def check_writable(out: Path | None) -> None:
    """Say before training what would go wrong after it."""
    if out is not None:
        format_of(out)
        check_place(out)


def check_place(out: Path) -> None:
    """``ValueError`` where a file cannot be written, whatever is to be in it."""
    require(not out.is_dir(), "out", "a file", str(out))
    try:
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise ValueError(f"out must be in a folder that can be written, got {out} ({error.strerror})") from None


def write_file(out: Path, content: bytes) -> None:
    """Write a file, beside it first: a full disk leaves no half of one."""
    handle, beside = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with open(handle, "wb") as file:
            file.write(content)
        os.chmod(beside, 0o666 & ~_umask())
        os.replace(beside, out)
    except OSError:
        os.unlink(beside)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def print_summary(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(summary))
        return
    shown = {key: value for key, value in summary.items() if value not in (None, {})}
    if "splits" in shown:
        shown["splits"] = ", ".join(f"{name} {count:,} examples" for name, count in shown["splits"].items())
    table = Table.grid(padding=(0, 2))
    for key, value in shown.items():
        table.add_row(key.replace("_", " "), said_loss(value) if isinstance(value, float) else said(value))
    Console().print(table)


def print_columns(rows: pd.DataFrame, titles: Mapping[str, str]) -> None:
    """A table of text, a column a run under its title."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for run_id in rows.columns:
        table.add_column(escape(titles[run_id]), justify="right", overflow="fold")
    for title, *values in rows.itertuples():
        table.add_row(escape(title), *map(escape, values))
    console = Console()
    (console if console.is_terminal or "COLUMNS" in os.environ else Console(width=1_000)).print(table)


def print_whole(shown: pd.DataFrame, left: int) -> None:
    """Print a table of texts with nothing cut off, however narrow the terminal; the first columns to the left."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, title in enumerate(map(str, shown.columns)):
        cells = shown.iloc[:, place].astype(str)
        lines = textwrap.wrap(title, max(map(len, [*title.split(), *cells])))
        table.add_column("\n".join(lines), no_wrap=True, justify="left" if place < left else "right")
    for row in shown.astype(str).to_numpy().tolist():
        table.add_row(*map(Text, row))
    Console(width=1_000).print(table)


def said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def _end(run: Run) -> None:
    """The exit code that says how a run ended, and a sentence if it did not finish."""
    if run.state is RunState.FINISHED:
        return
    if run.state is RunState.STOPPED:
        typer.echo(f"Stopped at step {run.step:,} of {run.max_steps:,}; run {run.id} is kept in the store.", err=True)
        raise typer.Exit(STOPPED_BY_CTRL_C)
    raise ValueError(run.error or f"run {run.id} was {run.state} at step {run.step:,}; it is kept in the store")


def print_losses(values: Mapping[str, tuple[float, int]], of: str, noun: str) -> None:
    """Losses as a table, in three units; `noun`: what a symbol is called."""
    table = Table(of, "loss (nats)", "perplexity", f"bits per {noun}", "examples")
    for label, (loss, examples) in values.items():
        perplexity = f"{math.exp(loss):.2f}" if loss < 20 else f"{math.exp(loss):.2g}" if loss < 700 else "∞"
        table.add_row(label, said_loss(loss), perplexity, said_loss(loss / math.log(2)), f"{examples:,}")
    Console().print(table)


def said_loss(loss: float | None) -> str:
    """As on screen; nothing where there is none."""
    return "" if loss is None else nats(loss)
