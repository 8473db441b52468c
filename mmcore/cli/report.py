"""``report`` and ``verify``: a run as a lab report, and whether its figures come out again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..fields import require
from ..store import RunState, RunStore
from ..take_home import take_home
from .app import Lowercase, RunId, app, sentences
from .output import check_place, progress_bar, write_file
from .words import words_of

if TYPE_CHECKING:
    from ..config import RunConfig
    from ..corpus import Corpus
    from ..export.trained import Trained
    from ..training import Step


@app.command()
@sentences
def report(
    run_id: RunId,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where report.json and report.md are written.", show_default="here")
    ] = Path(),
    question: Annotated[str, typer.Option(help="What the run was to answer.")] = "",
    prediction: Annotated[str, typer.Option(help="What you expected before it was trained.")] = "",
    against: Annotated[
        str | None, typer.Option(metavar="ID", help="Another run: settings that differ, losses beside each other.")
    ] = None,
) -> None:
    """Write a lab report of a run: what was asked, its settings, losses with intervals, curve, samples."""
    from ..export.report import Purpose, report_files

    store = RunStore()
    other = take_home(store, store.whole_id(against)) if against else None
    purpose = Purpose(question=question, prediction=prediction, against=other)
    for name, content in report_files(take_home(store, store.whole_id(run_id)), purpose).items():
        check_place(out / name)
        write_file(out / name, content)
        typer.echo(str(out / name))


@app.command()
@sentences
def verify(
    file: Annotated[Path, typer.Argument(metavar="REPORT", help="A report.json that report or export wrote.")],
    data: Annotated[
        Path | None, typer.Option(help="Its words.", show_default="the store's corpus of that sha256, or the names")
    ] = None,
    lowercase: Lowercase = True,
) -> None:
    """Train a reported run anew, and say of each figure whether it comes out again; exit code 1 if one does not."""
    from ..export.report import read_report, unverifiable, verdicts

    reported = read_report(file)
    require(reported.config.origin is None, "report", "of a run that begins with random numbers", "a branch")
    last = reported.config.train.max_steps
    whole = reported.step == last or bool(reported.config.train.patience)
    require(whole, "report", f"of a run that made all its {last:,} steps", f"one of {reported.step:,}")
    if why := unverifiable(reported.config.train, reported.rates):
        raise ValueError(f"report cannot be verified by training its run anew: {why}")
    corpus = words_of(RunStore(), reported.config.corpus_sha256, data, lowercase=lowercase)
    with progress_bar(reported.config.train.max_steps) as show:
        again = trained_anew(reported.config, corpus, show)
    said = verdicts(reported, again)
    for confirmed, sentence in said:
        typer.echo(f"{'Confirmed' if confirmed else 'Denied'}. {sentence}")
    if not all(confirmed for confirmed, _ in said):
        raise typer.Exit(1)


def trained_anew(config: RunConfig, corpus: Corpus, show: Callable[[Step], None]) -> Trained:
    """A run of these settings in a store of its own, which is gone afterwards; ``ValueError`` if it does not finish."""
    from ..jobs import run_inline

    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(f"sqlite:///{folder}/store.sqlite")
        try:
            store.add_corpus(corpus)
            run = run_inline(store, store.create(config).id, show)
            require(run.state == RunState.FINISHED, "run", "trained to its end", run.error or run.state)
            return take_home(store, run.id)
        finally:
            store.close()
