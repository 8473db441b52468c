"""A Dask cluster's workers beside this machine's own: ``python -m benchmarks.cluster [ROUNDS [RUNS]]``.

Both train on one PostgreSQL, two runs at once: in turn, each round, a grid of the preset *Blink*; and a queue of RUNS
models of a tenth of a second each, whose time beyond training and exact losses is what queue, store and, with the
cluster, its scheduler take. Needs requirements-dev.txt and Debian's package postgresql. Take no machine that has other
work.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.databases import PostgreSQL
from benchmarks.report import RESULTS
from benchmarks.sweep import as_a_worker, bare
from mmcore import BUNDLED_NAMES, RunConfig, RunState, RunStore, read_words
from mmcore.architectures import model_config
from mmcore.config import TrainConfig
from mmcore.jobs import JobQueue, ProcessWorkers
from mmcore.jobs.dask import DaskWorkers
from mmcore.jobs.queue import Workers
from mmcore.presets import PRESETS
from mmcore.store import RunFilter, SweepState
from mmcore.sweeps import Axis, Sweep
from tests.cluster.conftest import Cluster

KEPT = RESULTS / "cluster.json"
ROUNDS, RUNS = 5, 1_000
TENTH = 0.1  # seconds of training
LOOK = 0.05
WARMING = 20  # runs
seeds = itertools.count(1)  # none is trained twice: a sweep takes what is there already


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A scheduler and two workers with one thread each."""
    started = Cluster(folder)
    started.have_two_workers()
    try:
        yield started
    finally:
        started.stop()


def swept(store: RunStore, workers: Workers, base: RunConfig) -> float:
    """Models a second of a grid of 36, by workers that have trained before."""
    with JobQueue(store.url, workers):
        _sweep(store, base.replace(train=base.train.replace(max_steps=100)))
        began = time.perf_counter()
        runs = _sweep(store, base)
        return runs / (time.perf_counter() - began)


def _sweep(store: RunStore, base: RunConfig) -> int:
    axes = (Axis(name="context_size", values=(1, 2, 3, 4, 5, 6)), Axis(name="embedding_dim", values=(4, 32)))
    sweep = store.create_sweep(Sweep(base=base, axes=axes, seeds=tuple(next(seeds) for _ in range(3))), name="Grid")
    while store.sweep(sweep.id).state is SweepState.ACTIVE:
        time.sleep(LOOK)
    runs = store.runs(RunFilter(sweep=sweep.id))
    assert {run.state for run in runs} == {RunState.FINISHED}
    return len(runs)


def of_a_tenth(base: RunConfig, process: ProcessPoolExecutor) -> RunConfig:
    """A small model with as many updates as a process makes in a tenth of a second."""
    small = base.replace(model=model_config(hidden_sizes=(32,)), train=TrainConfig(max_steps=1_000, batch_size=64))
    process.submit(bare, [small]).result()
    seconds = process.submit(bare, [small] * 3).result()["updates"] / 3
    return small.replace(train=small.train.replace(max_steps=round(1_000 * TENTH / seconds)))


def queued(store: RunStore, workers: Workers, config: RunConfig, count: int) -> float:
    """Seconds that two workers take for so many runs that wait, once each has trained some; by the store's clock."""
    ids = [_create(store, config) for _ in range(WARMING + count)]
    with JobQueue(store.url, workers):
        while store.count(RunFilter(states=[RunState.QUEUED, RunState.RUNNING])):
            time.sleep(LOOK)
    runs = store.runs(RunFilter(ids=ids))
    assert {run.state for run in runs} == {RunState.FINISHED}
    ended = sorted(run.ended for run in runs if run.ended)
    return (ended[-1] - ended[WARMING - 1]).total_seconds()


def _create(store: RunStore, config: RunConfig) -> str:
    return store.create(config.replace(train=config.train.replace(seed=next(seeds))), checkpoints=0).id


def measure(rounds: int, runs: int) -> dict[str, Any]:
    """Grids in turn, and a queue of small models by each."""
    corpus, blink = read_words(BUNDLED_NAMES), PRESETS["blink"]
    base = RunConfig(corpus_sha256=corpus.sha256, model=blink.model, train=blink.train)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, cluster(Path(folder)) as started:
        database = PostgreSQL()
        try:
            store = RunStore(database.direct)
            store.add_corpus(corpus)
            kinds = {"pool": lambda: ProcessWorkers(2), "cluster": lambda: DaskWorkers(started.address)}
            grids: dict[str, list[float]] = {name: [] for name in kinds}
            for number in range(rounds):
                for name in list(kinds) if number % 2 else reversed(kinds):
                    grids[name].append(swept(store, kinds[name](), base))
                    print(f"{name}: {grids[name][-1]:.2f} models/s", file=sys.stderr, flush=True)
            with ProcessPoolExecutor(1, context, as_a_worker) as process:
                small = of_a_tenth(base, process)
                alone = [process.submit(bare, [small] * 20).result()]
                took = {name: queued(store, make(), small, runs) for name, make in kinds.items()}
                alone.append(process.submit(bare, [small] * 20).result())
            store.close()
        finally:
            database.close()
    each = statistics.mean(found["clock"] / found["models"] for found in alone)
    return {
        "load": os.getloadavg()[0],
        "models_a_second": grids,
        "cluster_of_pool": statistics.median(c / p for c, p in zip(grids["cluster"], grids["pool"], strict=True)),
        "runs": runs,
        "bare_seconds": each,
        "beyond_seconds": {name: 2 * seconds / runs - each for name, seconds in took.items()},
    }


def main() -> None:
    """Measure, print, keep."""
    rounds, runs = (*map(int, sys.argv[1:]), *(ROUNDS, RUNS)[len(sys.argv) - 1 :])
    found = measure(rounds, runs)
    KEPT.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
