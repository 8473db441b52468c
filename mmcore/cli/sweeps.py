"""``sweep``: many runs over settings × seeds, trained here or on a cluster, and what they say."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

import pandas as pd
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ..comparison import in_words, markdown, results
from ..config import RunConfig, SplitConfig
from ..corpus import BUNDLED_NAMES
from ..dataset import Vocab
from ..fields import require
from ..paired import runs_by_setting
from ..presets import PRESETS
from ..reading import Reading
from ..store import LIVE, Run, RunFilter, RunState, RunStore, StoredSweep, SweepState
from ..sweeps import METHOD, Axis, Sweep, axis_settings, read_axis, read_seeds
from .app import STOPPED_BY_CTRL_C, AsJson, Data, Lowercase, one_of, sentences, sweeps
from .output import print_whole
from .settings import changed, changed_model, with_settings
from .training import chosen_preset
from .words import read_data

LOOK_SECONDS = 0.2

SweepId = Annotated[
    str, typer.Argument(metavar="ID", help="As shown by sweep list, or as much as is one sweep's only.")
]
Axes = Annotated[
    list[str] | None,
    typer.Option(
        "--axis",
        metavar="NAME=VALUES",
        help="What varies, once each: context_size=1,2,3, hidden_sizes=100,100x100 or preset=quick,gru; for a random "
        "or TPE sweep also a range, learning_rate=0.001..0.1, and with :log at its end on a logarithmic axis.",
    ),
]
Seeds = Annotated[str | None, typer.Option(help="Of each setting: 1,2,5 or 1..5.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print the table as CSV.")]
AsMarkdown = Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")]


@sweeps.command("run")
@with_settings
@sentences
def run_sweep(
    axis: Axes = None,
    seeds: Seeds = "1",
    method: Annotated[str, typer.Option(metavar=one_of(*METHOD.options), help=METHOD.first_sentence)] = "grid",
    settings: Annotated[int, typer.Option(help="That a random or TPE sweep tries.")] = 20,
    minutes: Annotated[float, typer.Option(help="Of training, all runs together, then none begins; 0: no limit.")] = 0,
    sweep_seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 1,
    preset: Annotated[str, typer.Option(metavar=one_of(*PRESETS), help="Where the settings start from.")] = "quick",
    data: Data = BUNDLED_NAMES,
    lowercase: Lowercase = True,
    name: Annotated[str | None, typer.Option(help="Of the sweep.", show_default="what varies")] = None,
    question: Annotated[str, typer.Option(help="That it is to answer.")] = "",
    as_json: AsJson = False,
    **given: Any,
) -> None:
    """Train every setting with every seed. What the store has already is not trained again. Ctrl-C stops it."""
    start = chosen_preset(preset, None)
    corpus, _ = read_data(data, None, None, Reading(lowercase=lowercase))
    base = RunConfig(
        corpus_sha256=corpus.sha256,
        split=changed(SplitConfig(), given),
        model=changed_model(start.model, given),
        train=changed(start.train, given),
    )
    require(bool(axis), "axis", "given at least once", None)
    axes = [_axis(base, text) for text in axis or ()]
    _refuse_in_vain(given, {one.name for one in axes})
    sweep = Sweep(
        base=base,
        axes=tuple(axes),
        seeds=read_seeds(seeds or "1"),
        method=method,
        settings_to_try=settings,
        minutes=minutes,
        sweep_seed=sweep_seed,
    )
    store = RunStore()
    store.add_corpus(corpus)
    possible = axis_settings(base)
    stored = store.create_sweep(
        sweep, name=name or " × ".join(possible[one.name].title for one in axes), question=question
    )
    _train(store, stored)
    _print(store, store.sweep(stored.id), as_json=as_json)


def _axis(base: RunConfig, text: str) -> Axis:
    name, found, values = text.partition("=")
    possible = axis_settings(base)
    require(bool(found), "axis", "NAME=VALUES", text)
    require(name in possible, "axis", f"a setting that may vary here ({', '.join(possible)})", name)
    return read_axis(name, possible[name], values.removesuffix(":log"), log=values.endswith(":log"))


def _refuse_in_vain(given: Mapping[str, Any], axes: Collection[str]) -> None:
    """``ValueError`` for a setting that was given and would count for nothing, as each run has its own."""
    for name, value in given.items():
        if value in (None, []) or name in SplitConfig.settings():
            continue
        if name == "seed" or name in axes or f"{name}s" in axes or "preset" in axes:
            why = "seeds are given" if name == "seed" else "presets vary" if "preset" in axes else "it varies"
            got = ", ".join(value) if isinstance(value, list) else value
            raise ValueError(f"{name} must be left out where {why}, got {got}")


@sweeps.command("list")
@sentences
def list_sweeps(as_json: AsJson = False) -> None:
    """All sweeps, newest first."""
    store = RunStore()
    rows: list[dict[str, str | int]] = []
    for stored in store.sweeps():
        count = Counter(run.state for run in store.sweep_runs(stored.id))
        rows.append(
            {
                "id": stored.id,
                "name": stored.name,
                "state": str(stored.state),
                "method": stored.config.method,
                "finished": count[RunState.FINISHED],
                "runs": stored.config.run_count,
            }
        )
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("id", "name", "state", "method", "finished", "runs")
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row.values()))
    Console().print(table)


@sweeps.command("show")
@sentences
def show_sweep(
    sweep_id: SweepId, as_json: AsJson = False, as_csv: AsCsv = False, as_markdown: AsMarkdown = False
) -> None:
    """One sweep: its question, how far it is, and its settings, lowest validation loss first."""
    store = RunStore()
    _print(store, _found(store, sweep_id), as_json=as_json, as_csv=as_csv, as_markdown=as_markdown)


@sweeps.command("resume")
@sentences
def resume_sweep(sweep_id: SweepId, as_json: AsJson = False) -> None:
    """Let a sweep go on that was stopped, with its runs that were cut short."""
    store = RunStore()
    stored = _found(store, sweep_id)
    store.resume_sweep(stored.id)
    _train(store, stored)
    _print(store, store.sweep(stored.id), as_json=as_json)


@sweeps.command("stop")
@sentences
def stop_sweep(sweep_id: SweepId) -> None:
    """Begin no more runs of a sweep, and stop those that wait or run, wherever they are trained."""
    store = RunStore()
    stored = _found(store, sweep_id)
    store.stop_sweep(stored.id)
    typer.echo(f"Stopped sweep {stored.id}.", err=True)


@sweeps.command("add")
@sentences
def add_to_sweep(sweep_id: SweepId, axis: Axes = None, seeds: Seeds = None, as_json: AsJson = False) -> None:
    """Give a sweep more seeds, or more values on its axes, and train what is missing."""
    store = RunStore()
    stored = _found(store, sweep_id)
    sweep = stored.config
    require(bool(axis or seeds), "seeds or axis", "given", None)
    changes: dict[str, Any] = {}
    if seeds:
        changes["seeds"] = tuple(dict.fromkeys([*sweep.seeds, *read_seeds(seeds)]))
    if axis:
        more = {one.name: one for one in (_axis(sweep.base, text) for text in axis)}
        unknown = sorted(set(more) - {one.name for one in sweep.axes})
        require(not unknown, "axis", "one that the sweep has", ", ".join(unknown))
        changes["axes"] = tuple(_wider(one, more[one.name]) if one.name in more else one for one in sweep.axes)
    store.change_sweep(stored.id, sweep.replace(**changes))
    _train(store, stored)
    _print(store, store.sweep(stored.id), as_json=as_json)


def _wider(axis: Axis, more: Axis) -> Axis:
    if axis.is_range or more.is_range:
        return more
    return axis.replace(values=tuple(dict.fromkeys([*axis.values, *more.values])))


@sweeps.command("delete")
@sentences
def delete_sweep(sweep_id: SweepId) -> None:
    """Delete a sweep; its runs stay."""
    store = RunStore()
    stored = _found(store, sweep_id)
    store.delete_sweep(stored.id)
    typer.echo(f"Deleted sweep {stored.id}; its runs are kept.", err=True)


# ---- what the commands share


def _found(store: RunStore, start: str) -> StoredSweep:
    found = [stored for stored in store.sweeps() if start and stored.id.startswith(start)]
    require(len(found) == 1, "id", "the beginning of one sweep's id", start)
    return found[0]


def _train(store: RunStore, stored: StoredSweep) -> None:
    """Have the sweep's runs trained, by this machine or ``MMCORE_SCHEDULER``'s cluster, until the last has ended."""
    from ..jobs import JobQueue, ctrl_c, said, workers_of_environment

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    shown = Progress(*columns, console=Console(stderr=True), transient=True)
    workers = workers_of_environment()
    with ctrl_c() as stopped, shown, JobQueue(store.url, workers, stored.id):
        task = shown.add_task("", total=stored.config.run_count)
        while (now := store.sweep(stored.id)).state is SweepState.ACTIVE or _live(store, stored):
            runs = store.sweep_runs(stored.id)
            count = Counter(run.state for run in runs)
            done = count[RunState.FINISHED] + count[RunState.FAILED]
            of = f"{done:,} of {now.config.run_count:,} runs, {count[RunState.RUNNING]} in training"
            shown.update(task, description=of if workers.count else f"{of}; {said(workers)}", completed=done)
            if stopped.wait(LOOK_SECONDS):
                break
        else:
            stopped.clear()  # too late: all of it has ended
    if stopped.is_set():
        store.stop_sweep(stored.id)
        typer.echo(f"Stopped. Its runs are kept; to go on: sweep resume {stored.id}", err=True)
        raise typer.Exit(STOPPED_BY_CTRL_C)
    if now.error:
        raise ValueError(now.error)


def _live(store: RunStore, stored: StoredSweep) -> bool:
    return store.count(RunFilter(sweep=stored.id, states=LIVE)) > 0


def _print(
    store: RunStore, stored: StoredSweep, *, as_json: bool, as_csv: bool = False, as_markdown: bool = False
) -> None:
    runs = store.runs(RunFilter(sweep=stored.id))
    size = Vocab.of(store.corpus(stored.config.base.corpus_sha256)).size
    table = results(stored.config, runs_by_setting(stored.config, runs), size)
    if as_json:
        typer.echo(json.dumps(_facts(stored, runs) | {"settings": _records(table)}))
    elif as_csv:
        typer.echo(table.to_csv(index=False), nl=False)
    elif as_markdown:
        typer.echo(markdown(stored.config, table), nl=False)
    else:
        _print_table(stored, runs, table)


def _facts(stored: StoredSweep, runs: Sequence[Run]) -> dict[str, Any]:
    finished = sum(run.state is RunState.FINISHED for run in runs)
    facts = {"id": stored.id, "name": stored.name, "question": stored.question, "state": str(stored.state)}
    return facts | {"runs": stored.config.run_count, "finished": finished, "error": stored.error}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as JSON has them: without a number, null."""
    rows = table.to_dict("records")
    return [{str(k): None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()} for row in rows]


def _print_table(stored: StoredSweep, runs: Sequence[Run], table: pd.DataFrame) -> None:
    facts = _facts(stored, runs)
    typer.echo(f"{stored.name} ({stored.id}): {facts['state']}, {facts['finished']} of {facts['runs']} runs finished.")
    if stored.question:
        typer.echo(stored.question)
    print_whole(in_words(stored.config, table), left=len(stored.config.axes))
