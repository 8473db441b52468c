"""What one database carries: ``python -m benchmarks.load --database postgresql --students 300 --runs 1000``.

Three measurements, on a store that holds some runs with their curves, without any training in the first two:

- *writes*: how many transactions a second the store takes from workers that only write, one point each, as fast as it
  goes;
- *running*: runs that write as one does that somebody watches (a point every 0.15 s, weights every second), more and
  more of them, as long as 95 of 100 writes are done within that time;
- *course*: students who each look at a run once a second, as the live chart does, and now and then at the list of runs,
  at results, or start a run, while a queue trains so many runs of a few steps each. A look's wait counts from when it
  was due, so what queues up is seen.

Everything is on this machine, clients and database: fewer cores for the database than a server of its own has. NAME is
what the results call this measurement. Needs requirements-dev.txt and, for PostgreSQL, Debian's package.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.databases import PostgreSQL, SQLiteFile
from benchmarks.report import RESULTS
from mmcore import BUNDLED_NAMES, RunConfig, RunState, RunStore, TrainConfig, read_words
from mmcore.architectures import model_config
from mmcore.jobs import JobQueue, ProcessWorkers
from mmcore.jobs.execution import SAVE_SECONDS, TICK_SECONDS
from mmcore.presets import PRESETS
from mmcore.store import Progress, RunFilter, SavedWeights, StoreUnavailable
from mmcore.training import Step

KEPT = RESULTS / "load.json"
THREADS = 15  # of a client process: as many connections as its pool has
PROCESSES = 2
SHOWN = 50  # runs that students look at
POINTS = 300  # of each one's curve
STEPS = 30  # of each queued run
Figures = dict[str, Any]


def config(sha256: str, seed: int, steps: int = STEPS) -> RunConfig:
    """A tiny model."""
    model = model_config(context_size=2, embedding_dim=2, hidden_sizes=(8,))
    return RunConfig(corpus_sha256=sha256, model=model, train=TrainConfig(max_steps=steps, seed=seed))


def saved() -> SavedWeights:
    """As large as those of the preset *Quick*."""
    numbers = 4 * PRESETS["quick"].model.parameters(27)
    return SavedWeights(weights=bytes(numbers), train_state=bytes(3 * numbers), losses={"val_loss": 2.1})


def point(step: int) -> Step:
    return Step(step=step, batch_loss=2.3, learning_rate=0.1, seconds=step / 1_000)


@dataclass
class Clock:
    """Things that are due at their times, done by several threads; who comes late says how late."""

    until: float
    due: list[tuple[float, int, Callable[[], tuple[str, float]]]] = field(default_factory=list)
    waits: list[tuple[str, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, at: float, number: int, do: Callable[[], tuple[str, float]]) -> None:
        heapq.heappush(self.due, (at, number, do))

    def work(self) -> None:
        """Do what is due next: it says what it was, and after how long it is due again."""
        while True:
            with self.lock:
                if not self.due or self.due[0][0] > self.until:
                    return
                at, number, do = heapq.heappop(self.due)
            time.sleep(max(0.0, at - time.time()))
            try:
                what, again = do()
            except StoreUnavailable as problem:
                what, again = "failed", 1.0
                self.failed.append(str(problem))
            with self.lock:
                self.waits.append((what, time.time() - at))
                self.add(at + again, number, do)

    def run(self) -> None:
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(lambda _: self.work(), range(THREADS)))


def summed_up(waits: Sequence[float]) -> Figures:
    """Median, 95 % and the longest, in milliseconds."""
    ordered = sorted(waits)
    most = ordered[max(0, math.ceil(0.95 * len(ordered)) - 1)]
    return {"count": len(ordered)} | {
        name: round(1_000 * value, 1)
        for name, value in (("median", statistics.median(ordered)), ("of_95", most), ("longest", ordered[-1]))
    }


# ---- clients, each in a process of its own


def writing(url: str, sha256: str, writers: int, seconds: float) -> tuple[int, float]:
    """How many points so many threads have stored in this time, and the processor's seconds that this took here."""
    store, over, processor = RunStore(url), time.time() + seconds, time.process_time()

    def write(number: int) -> int:
        run_id = store.create(config(sha256, number), token=(token := f"writer {os.getpid()} {number}")).id
        step = 0
        while time.time() < over:
            store.record(run_id, token, Progress(points=[point(step)]))
            step += 1
        store.finish(run_id, token, RunState.STOPPED)
        return step

    with ThreadPoolExecutor(writers) as threads:
        written = sum(threads.map(write, range(writers)))
    store.close()
    return written, time.process_time() - processor


def running(url: str, sha256: str, runs: int, seconds: float) -> list[float]:
    """The waits of the writes of so many runs, each as a run that somebody watches has them."""
    store, begin = RunStore(url), time.time() + 1.0
    clock, weights = Clock(begin + seconds), saved()

    def of(number: int) -> Callable[[], tuple[str, float]]:
        run_id = store.create(config(sha256, number), token=(token := f"run {os.getpid()} {number}")).id
        steps = iter(range(1_000_000))

        def write() -> tuple[str, float]:
            step = next(steps)
            saves = step % round(SAVE_SECONDS / TICK_SECONDS) == 0
            store.record(run_id, token, Progress(points=[point(step)], saved=weights if saves else None))
            return "write", TICK_SECONDS

        return write

    for number in range(runs):
        clock.add(begin + TICK_SECONDS * number / runs, number, of(number))
    clock.run()
    return [wait for _, wait in clock.waits]


def attending(url: str, sha256: str, shown: Sequence[str], students: int, seconds: float) -> list[tuple[str, float]]:
    """The waits of so many students."""
    store, begin = RunStore(url), time.time() + 1.0
    clock = Clock(begin + seconds)

    def student(number: int) -> Callable[[], tuple[str, float]]:
        drawn = random.Random(number)

        def looks() -> tuple[str, float]:
            run_id, what = drawn.choice(shown), drawn.random()
            if what < 0.9:  # the live chart, once a second
                store.run(run_id)
                store.history(run_id)
                return "look", 1.0
            if what < 0.96:
                store.count()
                store.runs(limit=50)
                return "list of runs", 1.0
            if what < 0.99:
                store.run(run_id)
                store.history(run_id)
                store.samples(run_id)
                store.weights(run_id)
                return "results", 1.0
            store.create(config(sha256, drawn.randrange(2**31 - 1)), owner=f"student {number}")
            return "start of a run", 1.0

        return looks

    for number in range(students):
        clock.add(begin + number / students, number, student(number))
    clock.run()
    return clock.waits


# ---- what is measured


def filled(store: RunStore, sha256: str) -> list[str]:
    """Runs that students look at."""
    ids = []
    for number in range(SHOWN):
        run = store.create(config(sha256, number), token="filling")
        store.record(run.id, "filling", Progress(points=[point(step) for step in range(POINTS)], saved=saved()))
        store.finish(run.id, "filling", RunState.STOPPED, Progress(samples=(POINTS - 1, ["emma"] * 8)))
        ids.append(run.id)
    return ids


def all_at_once(clients: ProcessPoolExecutor, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What each client process gives."""
    return [future.result() for future in [clients.submit(function, *arguments) for _ in range(PROCESSES)]]


def most_writes(
    clients: ProcessPoolExecutor, url: str, sha256: str, seconds: float, server: Callable[[], float]
) -> list[Figures]:
    """Transactions a second by how many write at once, and what one takes of the processors: here, and of a server."""
    found = []
    for writers in (1, 2, 4, 8):
        before = server()
        told = all_at_once(clients, writing, url, sha256, writers, seconds)
        written, processor = sum(one for one, _ in told), sum(one for _, one in told)
        figures = {"writers": PROCESSES * writers, "a_second": written / seconds}
        figures["ms_of_client"] = 1_000 * processor / max(written, 1)
        found.append(figures | {"ms_of_server": 1_000 * (server() - before) / max(written, 1)})
    return found


def most_running(clients: ProcessPoolExecutor, url: str, sha256: str, seconds: float) -> list[Figures]:
    """More and more running runs, until their writes are late."""
    found = []
    for runs in (4, 8, 12, 16, 24, 32, 48, 64, 96):
        waits = [wait for one in all_at_once(clients, running, url, sha256, runs // PROCESSES, seconds) for wait in one]
        found.append({"runs": runs, "writes_a_second": len(waits) / seconds} | summed_up(waits))
        if found[-1]["of_95"] > 1_000 * TICK_SECONDS:
            break
    return found


def course(
    clients: ProcessPoolExecutor, url: str, sha256: str, shown: list[str], chosen: argparse.Namespace
) -> Figures:
    """Students beside a queue that trains."""
    store = RunStore(url)
    queued = [store.create(config(sha256, number, STEPS), checkpoints=0).id for number in range(chosen.runs)]
    with JobQueue(url, ProcessWorkers()):
        while store.count(RunFilter(ids=queued[:2], states=[RunState.FINISHED])) < 2:  # the workers are warm
            time.sleep(0.05)
        began, before = time.monotonic(), _over(store)
        each = chosen.students // PROCESSES
        told = all_at_once(clients, attending, url, sha256, shown, each, chosen.seconds)
        trained, took = _over(store) - before, time.monotonic() - began
        alone, rest = time.monotonic(), _over(store)
        while store.count(RunFilter(states=[RunState.QUEUED])) and time.monotonic() < alone + chosen.seconds:
            time.sleep(0.05)
        left = (_over(store) - rest) / max(time.monotonic() - alone, 1e-9)
    store.close()
    waits: dict[str, list[float]] = {}
    for what, wait in (pair for one in told for pair in one):
        waits.setdefault(what, []).append(wait)
    figures = {what: summed_up(of) for what, of in sorted(waits.items())}
    return {"students": chosen.students, "waits": figures, "runs_a_second": trained / took, "without_students": left}


def _over(store: RunStore) -> int:
    return store.count(RunFilter(states=[RunState.FINISHED]))


def measure(chosen: argparse.Namespace, folder: Path) -> Figures:
    """All three."""
    database = PostgreSQL(fsync=True) if chosen.database == "postgresql" else SQLiteFile(folder)
    url = getattr(database, "direct", database.url)
    store = RunStore(url)
    sha256 = store.add_corpus(read_words(BUNDLED_NAMES))
    shown = filled(store, sha256)
    found: Figures = {"database": chosen.database, "load": os.getloadavg()[0]}
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as clients:
        all_at_once(clients, writing, url, sha256, 1, 0.5)  # warm
        server = database.processor_seconds if isinstance(database, PostgreSQL) else lambda: 0.0
        found["writes"] = most_writes(clients, url, sha256, chosen.short, server)
        print(found, file=sys.stderr, flush=True)
        found["running"] = most_running(clients, url, sha256, chosen.short)
        print(found["running"], file=sys.stderr, flush=True)
        found["course"] = course(clients, url, sha256, shown, chosen)
    store.close()
    database.close()
    return found


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--students", type=int, default=300)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=30.0, help="of the course")
    parser.add_argument("--short", type=float, default=5.0, help="seconds of each other measurement")
    parser.add_argument("--name", help="what the results call it; not kept without one")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(chosen, Path(folder))
    print(json.dumps(found, indent=1))
    if chosen.name:
        known = json.loads(KEPT.read_text()) if KEPT.exists() else {}
        KEPT.write_text(json.dumps(known | {chosen.name: found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
