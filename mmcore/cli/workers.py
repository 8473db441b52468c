"""``workers``: who trains what now, and what waits."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict
from typing import Any

import typer
from rich.console import Console
from rich.table import Column, Table

from ..process import place
from ..store import WORKING, Run, RunFilter, RunStore
from .app import AsJson, app, sentences
from .output import said
from .runs import looked_at


@app.command("workers")
@sentences
def show_workers(as_json: AsJson = False) -> None:
    """Which processes have runs of the store in training, how many runs wait, and a cluster's workers.

    The cluster is that of MMCORE_SCHEDULER. Processes that have nothing to train are known to it alone.
    """
    from ..jobs import scheduler_address

    store, address = looked_at(), scheduler_address()
    processes, queued = _processes(store), len(store.queued())
    if not as_json:
        _print_processes(processes, queued)
    scheduler = {"address": address, "workers": _cluster(address)} if address else None
    if as_json:
        typer.echo(json.dumps({"queued": queued, "processes": processes, "scheduler": scheduler}))
    elif scheduler:
        _print_cluster(scheduler)


def _processes(store: RunStore) -> list[dict[str, Any]]:
    """Those that have runs, with the seconds since each wrote last."""
    held: dict[str, list[Run]] = defaultdict(list)
    for run in store.runs(RunFilter(states=WORKING)):
        held[run.worker or ""].append(run)
    now, found = store.now(), []
    for worker, runs in sorted(held.items()):
        host, pid = place(worker) or (None, None)
        wrote = max((run.heartbeat for run in runs if run.heartbeat), default=None)
        silent = round(max(0.0, (now - wrote).total_seconds()), 1) if wrote else None
        named = [{"id": run.id, "name": run.name, "step": run.step, "max_steps": run.max_steps} for run in runs]
        found.append({"host": host, "pid": pid, "silent_seconds": silent, "runs": named})
    return found


def _cluster(address: str) -> list[dict[str, Any]]:
    from ..jobs.dask import cluster_workers

    return [asdict(worker) for worker in cluster_workers(address)]


def _print_processes(processes: list[dict[str, Any]], queued: int) -> None:
    working = sum(len(process["runs"]) for process in processes)
    typer.echo(f"{working:,} {'run' if working == 1 else 'runs'} in training, {queued:,} queued.")
    columns = [Column("process"), Column("wrote last"), Column("run"), Column("step", justify="right"), Column("name")]
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for process in processes:
        who = f"{process['pid']} on {process['host']}" if process["host"] else "not known"
        wrote = "" if process["silent_seconds"] is None else f"{process['silent_seconds']} s ago"
        for run in process["runs"]:
            table.add_row(said(who), wrote, run["id"], f"{run['step']:,} of {run['max_steps']:,}", said(run["name"]))
            who = wrote = ""
    if processes:
        Console(soft_wrap=True).print(table)


def _print_cluster(scheduler: dict[str, Any]) -> None:
    workers = scheduler["workers"]
    threads = sum(worker["threads"] for worker in workers)
    of = f"{len(workers):,} {'worker' if len(workers) == 1 else 'workers'} with {threads:,} threads"
    typer.echo(f"The scheduler at {scheduler['address']} has {of if workers else 'no worker'}.")
    columns = [Column("worker"), Column("threads", justify="right"), Column("runs", justify="right")]
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for worker in workers:
        table.add_row(worker["address"], str(worker["threads"]), str(worker["runs"]))
    if workers:
        Console(soft_wrap=True).print(table)
