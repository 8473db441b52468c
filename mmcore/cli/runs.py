"""``runs``: the runs in the store."""

from __future__ import annotations

import contextlib
import json
import math
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..differences import distinct_names, losses_table, settings_table
from ..fields import require
from ..losses import LOSSES, SEALED, SHOWN, nats
from ..process import said_place
from ..spreadsheet import csv
from ..store import Run, RunFilter, RunState, RunStore, UnreadableRun, clean_tag, new_token
from ..store.selection import ALL
from .app import AsCsv, AsJson, OpenTest, Out, RunId, RunIds, runs, sentences
from .output import (
    check_writable,
    conclude,
    finite,
    print_columns,
    print_summary,
    print_whole,
    progress_bar,
    run_summary,
    said_loss,
)
from .settings import changed, changed_model, with_settings

if TYPE_CHECKING:
    from ..mixture import Mixed

# ---- runs


def looked_at() -> RunStore:
    """The store, with runs whose worker is gone marked as interrupted; without room for that it can still be read."""
    store = RunStore()
    with contextlib.suppress(OSError):
        store.expire_leases()
    return store


@runs.command("list")
@sentences
def list_runs(
    search: Annotated[str, typer.Option(help="Only runs with these words in name or note.", show_default=False)] = "",
    tag: Annotated[list[str] | None, typer.Option(help="Only runs with this tag; several: with all.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the newest so many.")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Those in the bin instead.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """All runs, newest first."""
    store, which = looked_at(), RunFilter(text=search, tags=tag, deleted=deleted)
    found = store.runs(which, limit=limit)
    for unreadable in store.unreadable(which, limit=limit):
        typer.echo(f"Warning: {unreadable}", err=True)
    if as_json:
        more = [{"created": run.created.isoformat(), "tags": list(run.tags)} for run in found]
        typer.echo(json.dumps([run_summary(run) | own for run, own in zip(found, more, strict=True)]))
        return
    if as_csv:
        table = store.runs_table(which, limit=limit).drop(columns=list(SEALED), errors="ignore")
        typer.echo(csv(table), nl=False)
        return
    if not found:
        typer.echo(_nothing(search, tag, deleted), err=True)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("id", "state", "step", "val loss", "created (UTC)", "name"):
        table.add_column(title, no_wrap=True, justify="right" if title in ("step", "val loss") else "left")
    console = Console()
    narrow = console.is_terminal or "COLUMNS" in os.environ
    room = max(8, console.width - TAKEN) if narrow else None  # what goes to a file or a pipe is not cut
    for run in found:
        cells = (run.id, str(run.state), f"{run.step:,}", said_loss(run.losses.get("val_loss")))
        table.add_row(*cells, f"{run.created:%Y-%m-%d %H:%M}", _cut(run.name, room))
    (console if narrow else Console(width=1_000)).print(table)


def _nothing(search: str, tags: list[str] | None, deleted: bool) -> str:
    if deleted:
        return "No such run is in the bin."
    if search:
        return "No run has these words."
    return f"No run has the tag{'s' * (len(tags) > 1)} {', '.join(tags)}." if tags else "No runs yet: train makes one."


TAKEN = 70  # columns before the name, in the list of runs


def _cut(text: str, room: int | None) -> Text:
    """A name in so many columns of a terminal; whole where there is no limit."""
    shown = Text(text)
    if room is not None:
        shown.truncate(room, overflow="ellipsis")
    return shown


@runs.command("show")
@sentences
def show_run(run_id: RunId, open_test: OpenTest = False, as_json: AsJson = False) -> None:
    """One run: state, losses, settings."""
    store = looked_at()
    run_id = store.whole_id(run_id)
    run = store.run(run_id)
    summary = run_summary(run) | {"note": run.note, "corpus": run.corpus_name, "created": run.created.isoformat()}
    summary |= {"worker": run.worker if as_json else said_place(run.worker)}
    if open_test:
        summary["test_openings"] = store.open_test(run_id)
        opened = store.run(run_id).losses
        summary |= {name: opened.get(name) for name in SEALED}
    summary |= {"from": ancestry(store, run)}
    summary |= {"branches": ", ".join(branch.id for branch in store.runs(RunFilter(parent=run_id))) or None}
    config = run.config.to_dict()
    if as_json:
        print_summary(summary | {"config": config}, as_json)
        return
    settings = config["split"] | config["model"] | config["train"]
    print_summary(summary | {key: str(value) for key, value in settings.items()}, as_json)


@runs.command("continue")
@sentences
def continue_run(
    run_id: RunId,
    more_steps: Annotated[
        int | None, typer.Option(help="Updates beyond those it was to make; needed for a finished run.")
    ] = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Let a run go on that was stopped or interrupted, as if it never had been; or train a finished one longer."""
    from ..diagnosis import longer
    from ..jobs import run_inline

    check_writable(out)
    store = looked_at()
    run = store.run(store.whole_id(run_id))
    require(more_steps is None or more_steps >= 1, "more_steps", "at least 1", more_steps)
    needed = run.state is RunState.FINISHED and more_steps is None
    require(not needed, "more_steps", "given for a finished run", more_steps)
    max_steps, token = run.max_steps + (more_steps or 0), new_token()
    store.continue_run(run.id, max_steps=max_steps if more_steps else None, token=token)
    if more_steps:
        goes_on = store.goes_on(run.id)
        typer.echo(longer(run.config.train, run.step, max_steps, goes_on=goes_on), err=True)
    with progress_bar(max_steps) as show:
        run = run_inline(store, run.id, show, token)
    conclude(store, run, {}, out, as_json)


@runs.command("branch")
@with_settings
@sentences
def branch_run(
    run_id: RunId,
    step: Annotated[
        int | None, typer.Option(help="At which it was so.", show_default="the last whose weights are kept")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the new run.", show_default="the other's, with the step")] = None,
    out: Out = None,
    as_json: AsJson = False,
    **given: Any,
) -> None:
    """Train a new run that begins with the weights of another, at a step that it keeps.

    Options of training and dropout override the other's settings; model, corpus and split stay. Steps count from 0, the
    schedule is the new run's own, and the optimiser starts afresh.
    """
    from ..jobs import run_inline

    check_writable(out)
    store, token = looked_at(), new_token()
    parent = store.run(store.whole_id(run_id))
    kept = store.kept_steps(parent.id)
    require(bool(kept), "run", "one that keeps weights", parent.id)
    step = kept[-1] if step is None else step
    require(step in kept, "step", f"one whose weights are kept ({', '.join(map(str, kept))})", step)
    config = parent.config.replace(
        split=changed(parent.config.split, given),
        model=changed_model(parent.config.model, given),
        train=changed(parent.config.train, given),
    )
    config.check_branch(parent.config)
    run = store.branch(parent.id, step, config.train, model=config.model, name=name, token=token)
    with progress_bar(run.max_steps) as show:
        run = run_inline(store, run.id, show, token)
    conclude(store, run, {"from": ancestry(store, run)}, out, as_json)


def ancestry(store: RunStore, run: Run) -> str | None:
    """Where a branch comes from, the nearest last; None for a run that is none."""
    said = [
        f"{found.run.name if found.run else 'deleted'} ({found.origin.run_id}), step {found.origin.step:,}"
        for found in reversed(store.ancestors(run.config.origin))
    ]
    return " → ".join(said) or None


@runs.command("compare")
@sentences
def compare_runs(run_ids: RunIds, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Settings in which runs differ, and their losses beside each other."""
    store = looked_at()
    found = [store.run(run_id) for run_id in _whole_ids(store, run_ids)]
    settings, losses = settings_table(found), losses_table(found).set_index("id")
    differing = settings[~settings["same"]].drop(columns="same").set_index("setting")
    if as_json:
        rows = {run_id: {name: finite(losses.at[run_id, name]) for name in SHOWN} for run_id in losses.index}
        typer.echo(json.dumps({"settings": differing.T.to_dict("index"), "losses": rows}))
        return
    if as_csv:
        beside = losses[["name", *SHOWN]].join(differing.T)
        typer.echo(csv(beside.reset_index()), nl=False)
        return
    said = losses[list(SHOWN)].map(lambda loss: "–" if math.isnan(loss) else nats(loss))
    said.columns = [name.replace("_", " ") for name in SHOWN]
    print_columns(pd.concat([differing, said.T]), distinct_names(found))


@runs.command("mix")
@sentences
def mix_runs(
    run_ids: RunIds,
    counts: Annotated[
        bool, typer.Option(help="With the count model, of up to 5 characters, that is best on validation.")
    ] = True,
    open_test: OpenTest = False,
    as_json: AsJson = False,
) -> None:
    """Runs as one model: the weights of their probabilities that are best on validation, and the mixture's losses."""
    store = looked_at()
    found = [store.run(run_id) for run_id in _whole_ids(store, run_ids)]
    mixed = _mixed(store, found, counts, open_test)
    if open_test:
        for run in found:
            store.open_test(run.id)
    models = pd.DataFrame({"model": mixed.titles, "weight": mixed.weights} | dict(mixed.losses))
    if as_json:
        rows = [
            {name: finite(value) if isinstance(value, float) else value for name, value in row.items()}
            for row in models.to_dict("records")
        ]
        typer.echo(json.dumps({"losses": mixed.loss, "equal_weights": mixed.equal, "models": rows}))
        return
    together = pd.DataFrame([{"model": "the mixture", "weight": 1.0} | dict(mixed.loss)])
    said = pd.concat([together, models.sort_values("weight", ascending=False)]).set_index("model").map(nats)
    said.columns = [name.replace("_", " ") for name in said.columns]
    print_whole(said.reset_index(), left=1)


def _mixed(store: RunStore, found: list[Run], counts: bool, open_test: bool) -> Mixed:
    """What each run, and the best count model, answers; of one corpus and split, or there is nothing to compare."""
    from ..dataset import build_dataset
    from ..evaluation import target_log_probabilities
    from ..export.artifact import load
    from ..mixture import mix
    from ..ngram import ORDERS, KneserNey

    parts = {name: name.replace("_loss", "") for name in (LOSSES if open_test else SHOWN) if name != "train_loss"}
    alike = {(run.config.corpus_sha256, run.config.split) for run in found}
    require(len(alike) == 1, "runs", "of one corpus, split in one way", len(alike))
    corpus, split = store.corpus(found[0].config.corpus_sha256), found[0].config.split
    models, titles = [], list(distinct_names(found).values())
    for run in found:
        weights = store.weights(run.id)
        require(weights is not None, "runs", "such that have saved weights", f"{run.id}, which has not")
        model = load(weights or b"").model
        models.append((model, build_dataset(corpus, split, model.config.context_size)))
    if counts:
        wide = build_dataset(corpus, split, ORDERS[-1])
        best = min((KneserNey(wide.train, order) for order in ORDERS), key=lambda counted: counted.loss(wide.val))
        titles.append(f"Kneser-Ney, order {best.order}")
    require(len(titles) > 1, "runs", "at least two models", 1)
    answers = {}
    for name, part in parts.items():
        own = [target_log_probabilities(model, getattr(data, part)) for model, data in models]
        if counts:
            own.append(np.log(best.probability(getattr(wide, part).contexts, getattr(wide, part).targets)))
        if len(own[0]):
            answers[name] = np.stack(own)
    return mix(titles, answers)


@runs.command("tag")
@sentences
def tag_runs(
    tag: Annotated[str, typer.Argument(metavar="TAG", help="1 to 40 characters without commas.")],
    run_ids: RunIds,
    remove: Annotated[bool, typer.Option("--remove", help="Take it from them instead.")] = False,
) -> None:
    """Give runs a tag, by which `runs list --tag` finds them."""
    store = RunStore()
    ids = _whole_ids(store, run_ids)
    (store.untag if remove else store.tag)(ids, clean_tag(tag))


@runs.command("delete")
@sentences
def delete_runs(
    run_ids: RunIds,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    for_good: Annotated[bool, typer.Option("--for-good", help="At once, and not into the bin first.")] = False,
) -> None:
    """Delete runs with their curves and weights; for a day `runs restore` brings them back."""
    store = RunStore()
    ids = _whole_ids(store, run_ids)
    if not yes:
        what = ", ".join(_said(store, run_id) for run_id in ids)
        typer.confirm(f"Delete {what}{' for good' if for_good else ''}?", abort=True, err=True)
    store.delete(*ids)
    if for_good:
        store.empty_bin(run_ids=ids)
    typer.echo(f"Deleted {_counted(ids)} {', '.join(ids)}.", err=True)


def _said(store: RunStore, run_id: str) -> str:
    try:
        run = store.run(run_id)
        return f"run {run_id} ({run.name}, {run.step:,} steps)"
    except UnreadableRun as unreadable:
        return f"run {run_id} ({unreadable.name})"


@runs.command("restore")
@sentences
def restore_runs(run_ids: RunIds) -> None:
    """Bring deleted runs back; `runs list --deleted` shows them."""
    store = RunStore()
    ids = store.restore(_whole_ids(store, run_ids, RunFilter(deleted=True)))
    typer.echo(f"Restored {_counted(ids)} {', '.join(ids)}.", err=True)


def _whole_ids(store: RunStore, starts: list[str], which: RunFilter = ALL) -> list[str]:
    """The ids that begin so, each once."""
    return list(dict.fromkeys(store.whole_id(start, which) for start in starts))


def _counted(ids: list[str]) -> str:
    return "run" if len(ids) == 1 else f"{len(ids):,} runs"


@runs.command("gc")
@sentences
def collect_checkpoints(
    run_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", show_default="all runs")] = None,
    max_mb: Annotated[float, typer.Option(help="Megabytes (2^20 bytes) of checkpoints a run may keep.")] = 4.0,
    keep_last_only: Annotated[bool, typer.Option("--keep-last-only", help="Keep no checkpoints at all.")] = False,
    older_than: Annotated[float, typer.Option(metavar="DAYS", help="Only runs made so many days ago or more.")] = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and keep it.")] = False,
) -> None:
    """Empty the bin, and drop the weights that runs keep along the way, beyond a limit.

    The last weights of a run always stay. Where runs are named, the bin stays as it is.
    """
    require(max_mb >= 0, "max_mb", "at least 0", max_mb)
    require(older_than >= 0, "older_than", "at least 0 days", older_than)
    store = RunStore()
    made_before = store.now() - timedelta(days=older_than)
    found = [store.run(store.whole_id(run_id)) for run_id in run_ids] if run_ids else store.runs()
    chosen = [run.id for run in found if run.created <= made_before]
    limit = 0 if keep_last_only else int(max_mb * 2**20)
    in_bin = [] if run_ids else [run.id for run in store.summaries(RunFilter(deleted=True))]
    room = sum(store.stored(in_bin).values())
    dropped, freed = store.collect(chosen, limit=limit, dry_run=dry_run)
    if not dry_run:
        store.empty_bin(run_ids=in_bin)
        store.compact()
    verb = "Would free" if dry_run else "Freed"
    emptied = f"{len(in_bin):,} deleted {'run' if len(in_bin) == 1 else 'runs'} and " if in_bin else ""
    said = f"{emptied}{dropped:,} checkpoints of {len(chosen):,} runs looked at"
    typer.echo(f"{verb} {freed + room:,} bytes: {said}.")
