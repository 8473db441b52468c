"""What a sweep costs beside its training: ``python -m benchmarks.sweep [NAME [DIMENSIONS]]``.

The grid of context sizes 1-6 × embedding dimensions 2-32 × 3 seeds of the preset *Blink*, 108 models, by the queue with
one worker a core; and, in one process as little urgent as a worker, a bare loop over the same models with one of the
seeds: their updates, with and without the exact losses that the table of the sweep shows. Half of the loop comes before
the sweep and half after it, so that a slow minute of the machine hits both. Two such processes at once are measured
too, as two may be less than twice one where the machine is busy or its cores share a memory. Of busy machines the
processor's seconds say more than those of the clock. The sweep begins as a click on *Start the sweep* lets it begin:
with a row in the store, which the queue finds. NAME is what the results call this measurement, DIMENSIONS how many of
the six embedding dimensions it has.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from benchmarks.report import RESULTS
from mmcore import (
    BUNDLED_NAMES,
    Dataset,
    Pace,
    RunConfig,
    RunState,
    RunStore,
    SplitConfig,
    TrainState,
    build_dataset,
    evaluate_splits,
    read_words,
    train,
)
from mmcore.jobs import WORKERS, JobQueue, ProcessWorkers
from mmcore.jobs.processes import NICE
from mmcore.presets import PRESETS
from mmcore.store import RunFilter, SweepState
from mmcore.sweeps import Axis, Sweep

CONTEXTS, DIMENSIONS, SEEDS = (1, 2, 3, 4, 5, 6), (2, 4, 8, 16, 24, 32), (1, 2, 3)
KEPT = RESULTS / "sweep.json"
TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid: int) -> float:
    """That a process of this machine has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@functools.cache
def dataset(split: SplitConfig, context_size: int) -> Dataset:
    """The names; kept, as workers keep theirs."""
    return build_dataset(read_words(BUNDLED_NAMES), split, context_size)


def as_a_worker() -> None:
    """Be as a worker process is: with one thread, and as little urgent."""
    torch.set_num_threads(1)
    os.nice(NICE)


def bare(configs: Sequence[RunConfig]) -> dict[str, float]:
    """What it takes this process to train models one after another, each to its end and its exact losses."""
    took = {"models": float(len(configs)), "clock": 0.0, "processor": 0.0, "updates": 0.0}
    for config in configs:
        data = dataset(config.split, config.model.context_size)
        clock, processor = time.perf_counter(), time.process_time()
        state = TrainState(config.model, config.train, data.vocab.size)
        for _ in train(state, data, pace=Pace(every=config.train.max_steps, losses=False)):
            pass
        updates = time.process_time() - processor
        evaluate_splits(state.model, data, test=False)
        took["clock"] += time.perf_counter() - clock
        took["processor"] += time.process_time() - processor
        took["updates"] += updates
    return took


def swept(store: RunStore, sweep: Sweep) -> dict[str, float]:
    """Seconds of a sweep on warm workers: by the clock, of the workers' processors, and of this process's."""
    with JobQueue(store.url, ProcessWorkers()):
        _trained(store, _warming(sweep))
        workers = {int((run.worker or "").rsplit(":", 2)[1]) for run in store.runs()}
        assert len(workers) == WORKERS, "each has trained something"
        before = [processor_seconds(pid) for pid in workers]
        own, clock = time.process_time(), time.perf_counter()
        runs = _trained(store, sweep)
        took = {"clock": time.perf_counter() - clock, "server": time.process_time() - own}
        took["workers"] = sum(map(processor_seconds, workers)) - sum(before)
        took["in_training"] = sum(run.seconds for run in runs)
    assert len(runs) == sweep.run_count and {run.state for run in runs} == {RunState.FINISHED}
    return took | {"points": sum(len(store.history(run.id)) for run in runs) / len(runs)}


def _warming(sweep: Sweep) -> Sweep:
    """A run for each worker and context size, of another seed than those that are measured."""
    dims = Axis(name="embedding_dim", values=tuple(range(3, 3 + 2 * WORKERS)))
    return sweep.replace(axes=(sweep.axes[0], dims), seeds=(99,), base=_short(sweep.base))


def _short(base: RunConfig) -> RunConfig:
    return base.replace(train=base.train.replace(max_steps=100))


def _trained(store: RunStore, sweep: Sweep) -> list[Any]:
    stored = store.create_sweep(sweep, name="Context × embedding")
    while store.sweep(stored.id).state is SweepState.ACTIVE:
        time.sleep(0.25)
    return store.runs(RunFilter(sweep=stored.id))


def measure(dimensions: int) -> dict[str, Any]:
    """The sweep, and the loop around it."""
    corpus, blink = read_words(BUNDLED_NAMES), PRESETS["blink"]
    base = RunConfig(corpus_sha256=corpus.sha256, model=blink.model, train=blink.train)
    axes = (Axis(name="context_size", values=CONTEXTS), Axis(name="embedding_dim", values=DIMENSIONS[-dimensions:]))
    sweep = Sweep(base=base, axes=axes, seeds=SEEDS)
    alone = [sweep.config(setting, SEEDS[0]) for setting in sweep.grid()]
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, context, as_a_worker) as process,
        ProcessPoolExecutor(1, context, as_a_worker) as other,
    ):
        store = RunStore(str(Path(folder) / "store.sqlite"))
        store.add_corpus(corpus)
        for one in (process, other):
            one.submit(bare, [base, *map(_short, alone[::dimensions])]).result()  # warm
        before = process.submit(bare, alone[::2]).result()
        pair = [one.submit(bare, half) for one, half in ((process, alone[::2]), (other, alone[1::2]))]
        both = max(half.result()["clock"] for half in pair)
        took = swept(store, sweep)
        after = process.submit(bare, alone[1::2]).result()
        store.close()
    loop = {name: before[name] + after[name] for name in before}
    models, beside = sweep.run_count, took["workers"] + took["server"]
    return {
        "models": models,
        "load": os.getloadavg()[0],
        "sweep": took,
        "bare": loop,
        "two_bare_processes_are_so_many": loop["clock"] / both,
        "of_so_many_bare_processes": (models / took["clock"]) / (loop["models"] / loop["clock"]),
        "beside_updates_and_losses": 1 - loop["processor"] / loop["models"] * models / beside,
        "beside_updates": 1 - loop["updates"] / loop["models"] * models / beside,
    }


def main() -> None:
    """Measure, print, keep."""
    name = sys.argv[1] if len(sys.argv) > 1 else "now"
    found = measure(int(sys.argv[2]) if len(sys.argv) > 2 else len(DIMENSIONS))
    known = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    KEPT.write_text(json.dumps(known | {name: found}, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
