"""``makemore-lab``: starts the app; every command of ``python -m mmcore`` is one of its own too."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import Annotated, NoReturn

import typer

from .. import logs
from ..installation import APP_FOLDER
from ..store.schema import default_url, full_url, shown_url
from .app import app, sentences, utf8

lab = typer.Typer(
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
lab.registered_commands, lab.registered_groups = app.registered_commands, app.registered_groups


NEEDS = ("streamlit", "plotly", "sklearn", "rapidfuzz")  # of [app] in pyproject.toml


@lab.callback()
@sentences
def start(
    context: typer.Context,
    port: Annotated[
        int | None, typer.Option(help="Of the app's address.", show_default="8501, or the next that is free")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Where runs are kept: a SQLite file or a PostgreSQL URL, as in MMCORE_STORE."),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open it in the browser.")] = False,
) -> None:
    """Start the app. With a command, run that instead."""
    utf8()
    if logs.style():
        logs.write_logs()
    if store is not None:
        os.environ["MMCORE_STORE"] = full_url(store)
    command = context.invoked_subcommand
    if command is None:
        serve(port, no_browser)
    if port is not None or no_browser:
        raise ValueError(f"--port and --no-browser are for the app: leave them out before {command}")


def serve(port: int | None, no_browser: bool) -> NoReturn:
    """Become the app's server."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise ValueError(f"the app needs packages that are missing ({', '.join(missing)}): install makemore-lab[app]")
    options = ["--server.fileWatcherType=none", "--server.showEmailPrompt=false"]
    options += [f"--server.port={port}"] if port is not None else []
    options += ["--server.headless=true"] if no_browser else []
    typer.echo(f"Runs are kept in {shown_url(full_url(default_url()))}", err=True)
    # -P: what lies in the current folder, be it a clone of this, must not be taken for what is installed.
    command = ["-P", "-m", "streamlit", "run", str(APP_FOLDER / "streamlit_app.py"), *options]
    os.execv(sys.executable, [sys.executable, *command])
