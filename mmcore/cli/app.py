"""The command line's frame: its groups, the options that several commands share, and how errors end one."""

from __future__ import annotations

import functools
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer

from .. import logs
from ..export import ENDINGS

app = typer.Typer(
    help="Train character-level neural language models, and use them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
runs = typer.Typer(help="The runs in the store, the app's and the command line's.", no_args_is_help=True)
app.add_typer(runs, name="runs")
sweeps = typer.Typer(help="Many runs over settings and seeds, and what they say.", no_args_is_help=True)
app.add_typer(sweeps, name="sweep")
corpora = typer.Typer(help="The lists of words in the store.", no_args_is_help=True)
app.add_typer(corpora, name="corpora")


def utf8() -> None:
    for stream in (sys.stdout, sys.stderr):  # words of any script, whatever the locale
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")


STOPPED_BY_CTRL_C = 130  # what shells expect: 128 + SIGINT
STOPPED_BY_PIPE = 141  # 128 + SIGPIPE

P = ParamSpec("P")
R = TypeVar("R")


def sentences(command: Callable[P, R]) -> Callable[P, R]:
    """Errors a user can cause end a command with one sentence on stderr and exit code 2, Ctrl-C with 130."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except BrokenPipeError:  # whoever reads has had enough, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains when it ends
            raise typer.Exit(STOPPED_BY_PIPE) from None
        except (ValueError, OSError) as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            typer.echo("Stopped.", err=True)
            raise typer.Exit(STOPPED_BY_CTRL_C) from None

    return wrapped


@app.callback()
@sentences
def start() -> None:
    """Train character-level neural language models, and use them."""
    utf8()
    if logs.style():  # else a message is said as any other sentence on stderr
        logs.write_logs()


def one_of(*options: str) -> str:
    """How a choice is shown in the help; the config refuses what is not among them."""
    return "|".join(options)


Data = Annotated[
    Path,
    typer.Option(help="A text: one word a line, or a table; more with corpora add.", show_default="the bundled names"),
]
Lowercase = Annotated[
    bool, typer.Option("--lowercase/--no-lowercase", help="Lower-case the words, as the app does unless told.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print a table for a spreadsheet.")]
OpenTest = Annotated[bool, typer.Option("--open-test", help="Show the test losses too. Look once, at the end.")]
ModelFile = Annotated[Path, typer.Argument(metavar="MODEL", help="A .safetensors file made by train or export.")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="As shown by runs list, or as much as is one run's only.")]
RunIds = Annotated[
    list[str], typer.Argument(metavar="ID...", help="As shown by runs list, or as much as is one run's only.")
]
Out = Annotated[
    Path | None, typer.Option(help=f"Write it here when it is over: a file ending in {', '.join(ENDINGS)}.")
]
