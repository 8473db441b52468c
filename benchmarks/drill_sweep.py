"""What a sweep withstands: ``python -m benchmarks.drill_sweep --database postgresql --runs 200 --seed 1``.

A sweep of small models is trained by a server's own workers, or with PostgreSQL by those of a Dask cluster. At random
moments of it, drawn with the seed, workers, servers and the scheduler are killed and started again, as whatever looks
after them would, and the database is away for seconds. At the end every run must be there once and have finished, with
the weights of training in one process that nothing disturbs; no point of a curve may be missing that was older than a
second when its worker was killed; no process may be left over. ``AssertionError`` where it is not so.

``--sweep 108`` is the grid of context sizes 1-6 × embedding dimensions 2-32 × 3 seeds of the preset *Blink*. Needs
requirements-dev.txt and, for PostgreSQL, Debian's package. The drill runs on one machine, where a worker is known to
live or not; see tests/cluster for what only a lease can tell.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.databases import Database, PostgreSQL, SQLiteFile, away
from benchmarks.points_log import FOLDER
from benchmarks.report import RESULTS
from benchmarks.sweep import CONTEXTS, DIMENSIONS, SEEDS, as_a_worker, dataset
from mmcore import BUNDLED_NAMES, Pace, RunConfig, RunState, RunStore, TrainConfig, TrainState, load, read_words, train
from mmcore.architectures import model_config
from mmcore.presets import PRESETS
from mmcore.store import RunFilter, StoreUnavailable, SweepState
from mmcore.sweeps import Axis, Sweep

ROOT = Path(__file__).resolve().parents[1]
KEPT = RESULTS / "drill-sweep.json"
MARK = "DRILL_MARK"  # in the environment of every process of a drill
WORKERS = 2
LATEST = 1.0  # seconds: what a worker had before, it must have stored when it is killed
CATCH_UP = 5.0  # seconds after a cut, within which what was kept back is stored
LOOK = 0.1
SERVER = """
import logging, sys, threading
from benchmarks import points_log
from mmcore import JobQueue, ProcessWorkers
from mmcore.jobs import processes
from mmcore.jobs.dask import DaskWorkers
logging.basicConfig(level="INFO", format="%(asctime)s %(message)s")
processes.PRELOAD.append("benchmarks.points_log")
processes.NICE = 0
workers = DaskWorkers(sys.argv[2]) if sys.argv[2] else ProcessWorkers(2)
with JobQueue(sys.argv[1], workers):
    threading.Event().wait()
"""
CLUSTER = {
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}
Figures = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How often what is to happen."""

    worker_kills: int
    server_kills: int
    scheduler_restarts: int
    cuts: tuple[float, ...]  # seconds of each

    def moments(self, drawn: random.Random, ways: Sequence[str]) -> list[tuple[float, str, float]]:
        """By share of the sweep that is trained: what happens, and of a cut for how long."""
        events = [("worker", 0.0)] * self.worker_kills + [("server", 0.0)] * self.server_kills
        events += [("scheduler", 0.0)] * self.scheduler_restarts
        events += [(ways[number % len(ways)], seconds) for number, seconds in enumerate(self.cuts)]
        return sorted((drawn.uniform(0.02, 0.95), what, seconds) for what, seconds in events)


# ---- the processes


class Lab:
    """Servers, and with a cluster its scheduler and workers; who has ended is started again."""

    def __init__(self, folder: Path, url: str, servers: int, cluster: bool) -> None:
        self.folder, self.url = folder, url
        self.mark = secrets.token_hex(8)
        self.points = folder / "points"  # what each worker writes down
        self.points.mkdir()
        self.environment = os.environ | CLUSTER | {MARK: self.mark, FOLDER: str(self.points), "PYTHONPATH": str(ROOT)}
        self.address = ""
        if cluster:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []
        self.servers: list[subprocess.Popen[bytes]] = []
        self.server_count, self.started = servers, Counter[str]()

    def _start(self, what: str, *arguments: str) -> subprocess.Popen[bytes]:
        self.started[what] += 1
        with (self.folder / f"{what}.log").open("a") as log:
            command = [sys.executable, *arguments]
            return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)

    def tend(self) -> None:
        """Start what has ended, as systemd or a container's restart policy would."""
        if self.address:
            port = self.address.rsplit(":", 1)[1]
            if self.scheduler is None or self.scheduler.poll() is not None:
                where = ("--host", "127.0.0.1", "--port", port, "--no-dashboard", "--dashboard-address", "127.0.0.1:0")
                self.scheduler = self._start("scheduler", "-m", "dask", "scheduler", *where)
            self.workers = [worker for worker in self.workers if worker.poll() is None]
            one = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder))
            one += ("--preload", "benchmarks.points_log")
            while len(self.workers) < WORKERS:
                self.workers.append(self._start("worker", "-m", "dask", "worker", self.address, *one))
        self.servers = [server for server in self.servers if server.poll() is None]
        while len(self.servers) < self.server_count:
            self.servers.append(self._start("server", "-c", SERVER, self.url, self.address))

    def close(self) -> None:
        """End everything, as a terminal would."""
        everyone = [*self.servers, *self.workers, *([self.scheduler] if self.scheduler else [])]
        for process in everyone:
            process.terminate()
        for process in everyone:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def left(self) -> set[int]:
        """Processes of this drill that live."""
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes():
                    found.add(int(folder.name))
            except OSError:
                continue
        return found - {os.getpid()}


# ---- what is done to them


@dataclass
class Drill:
    """A sweep in training, and what is done to it."""

    lab: Lab
    database: Database
    store: RunStore
    sweep_id: str
    run_count: int
    drawn: random.Random
    done: Counter[str] = field(default_factory=Counter)
    cuts: list[tuple[float, float]] = field(default_factory=list)  # from and until when the database was away
    late: list[tuple[str, float]] = field(default_factory=list)  # points that a killed worker had not stored: run, age

    def go(self, events: list[tuple[float, str, float]]) -> None:
        """Until the sweep has ended, do what is to be done when its time has come."""
        while not self.over():
            self.lab.tend()
            while events and self.share() >= events[0][0]:
                _, what, seconds = events.pop(0)
                if seconds:
                    self.cut(what, seconds, events)
                else:
                    self.kill(what)
                self.lab.tend()
            time.sleep(LOOK)
        sweep = self.store.sweep(self.sweep_id)
        assert sweep.state is SweepState.FINISHED, sweep.error
        assert not events, f"the sweep ended before {events}"

    def over(self) -> bool:
        return self.store.sweep(self.sweep_id).state is not SweepState.ACTIVE

    def share(self) -> float:
        """Of the sweep that is trained."""
        finished = self.store.count(RunFilter(sweep=self.sweep_id, states=[RunState.FINISHED]))
        running = self.store.runs(RunFilter(sweep=self.sweep_id, states=[RunState.RUNNING]))
        return (finished + sum(run.step / run.max_steps for run in running)) / self.run_count

    def cut(self, how: str, seconds: float, events: list[tuple[float, str, float]]) -> None:
        """Take the database away; none, one or two of the kills to come fall into this time."""
        kills = sorted(self.drawn.uniform(0, seconds) for _ in range(self.drawn.choice((0, 1, 2))))
        began = time.time()
        with away(self.database, how):
            while (passed := time.time() - began) < seconds:
                self.lab.tend()
                able = ("worker", "server") if self._trained() else ("server",)  # new workers wait for the database
                next_kill = next((n for n, event in enumerate(events) if event[1] in able), None)
                if kills and passed > kills[0] and next_kill is not None:
                    kills.pop(0)
                    self.kill(events.pop(next_kill)[1], while_away=True)
                time.sleep(LOOK)
        self.cuts.append((began, time.time()))
        self._did(f"database: {how}, {seconds:g} s")

    def kill(self, what: str, while_away: bool = False) -> None:
        """End a process at once."""
        if what == "worker":
            self._kill_worker(while_away)
        else:
            process = self.lab.scheduler if what == "scheduler" else self.drawn.choice(self.lab.servers)
            assert process is not None
            process.kill()
            process.wait()
        self._did(f"{what} killed" + (" while the database is away" if while_away else ""))

    def _trained(self) -> list[int]:
        """Workers that live and have trained something."""
        return sorted(int(file.name) for file in self.lab.points.iterdir() if alive(file))

    def _kill_worker(self, while_away: bool) -> None:
        """One that has trained something; then see what it had not stored, unless the database is or just was away."""
        while not (pids := self._trained()):
            self.lab.tend()  # all have been killed a moment ago
            time.sleep(LOOK)
        pid = self.drawn.choice(pids)
        os.kill(pid, signal.SIGKILL)
        now = time.time()
        if while_away or (self.cuts and now < self.cuts[-1][1] + CATCH_UP):
            return
        points = points_of(self.lab.points / str(pid))
        run_id = points[-1].run_id
        stored = set(self.store.history(run_id)["step"])
        theirs = [point for point in points if point.run_id == run_id and point.step not in stored]
        self.late += [(run_id, now - point.at) for point in theirs if now - point.at > LATEST]

    def _did(self, what: str) -> None:
        self.done[what] += 1
        print(f"{time.strftime('%X')} {self.share_said()} {what}", file=sys.stderr, flush=True)

    def share_said(self) -> str:
        try:
            return f"{self.share():.0%}"
        except StoreUnavailable:
            return "?"


@dataclass(frozen=True)
class Point:
    """One that a worker had of a run's curve, and when."""

    run_id: str
    at: float
    step: int


def points_of(file: Path) -> list[Point]:
    """All that a worker has written down."""
    rows = (line.split() for line in file.read_text().splitlines())
    return [Point(run_id, float(at), int(step)) for run_id, at, step in rows]


def alive(file: Path) -> bool:
    """Whether the worker that writes its points down there has made one, and has not ended."""
    try:
        state = Path(f"/proc/{file.name}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return file.stat().st_size > 0 and state not in "ZX"
    except OSError:
        return False


# ---- what must be so at the end


def undisturbed(config: RunConfig) -> bytes:
    """The weights after training in one process that writes nothing."""
    data = dataset(config.split, config.model.context_size)
    state = TrainState(config.model, config.train, data.vocab.size)
    for _ in train(state, data, pace=Pace(every=config.train.max_steps, losses=False)):
        pass
    return state.model.flat.numpy().tobytes()


def check(drill: Drill, sweep: Sweep) -> Figures:
    """Every run is there once and finished, with the weights it has undisturbed; no curve has lost a point."""
    store = drill.store
    runs = store.runs(RunFilter(sweep=drill.sweep_id))
    wanted = Counter(sweep.config(setting, seed) for setting in sweep.grid() for seed in sweep.seeds)
    assert Counter(run.config for run in runs) == wanted, "each setting and seed once"
    assert {run.state for run in runs} == {RunState.FINISHED}, Counter(run.state for run in runs)
    assert store.count() == len(runs), "and no other run"
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn"), as_a_worker) as processes:
        for run, weights in zip(runs, processes.map(undisturbed, [run.config for run in runs]), strict=True):
            assert load(store.weights(run.id) or b"").model.flat.numpy().tobytes() == weights, run
    assert not drill.late, f"points older than {LATEST} s at a kill that were not stored: {drill.late}"
    return _curves(drill, {run.id: set(store.history(run.id)["step"]) for run in runs})


def _curves(drill: Drill, curves: dict[str, set[int]]) -> Figures:
    """Of every worker's points those before the one that the run went on from must be in its curve."""
    lives: dict[str, list[list[Point]]] = {run_id: [] for run_id in curves}
    for file in drill.lab.points.iterdir():
        for run_id in curves:
            if points := [point for point in points_of(file) if point.run_id == run_id]:
                lives[run_id].append(points)
    again = []
    for run_id, of_run in lives.items():
        of_run.sort(key=lambda points: points[0].at)
        for points, following in itertools.pairwise(of_run):
            begun = following[0].step
            lost = {point.step for point in points if point.step < begun} - curves[run_id]
            assert not lost, f"run {run_id} has lost the points at {sorted(lost)}"
            since = max((point.at for point in points if point.step <= begun), default=points[0].at)
            again.append(points[-1].at - since)
    return {"continued": len(again), "trained_again_most": max(again, default=0.0), "trained_again": sum(again)}


# ---- from the command line


def blink_grid(corpus_sha256: str) -> Sweep:
    """6 context sizes × 6 embedding dimensions × 3 seeds."""
    blink = PRESETS["blink"]
    base = RunConfig(corpus_sha256=corpus_sha256, model=blink.model, train=blink.train)
    axes = (Axis(name="context_size", values=CONTEXTS), Axis(name="embedding_dim", values=DIMENSIONS))
    return Sweep(base=base, axes=axes, seeds=SEEDS)


def small_runs(corpus_sha256: str, count: int, steps: int) -> Sweep:
    """So many runs, of four context sizes."""
    model = model_config(embedding_dim=4, hidden_sizes=(30,))
    base = RunConfig(corpus_sha256=corpus_sha256, model=model, train=TrainConfig(max_steps=steps))
    contexts = Axis(name="context_size", values=(1, 2, 3, 4))
    return Sweep(base=base, axes=(contexts,), seeds=tuple(range(1, max(1, count // 4) + 1)))


def drilled(chosen: argparse.Namespace, folder: Path) -> Figures:
    """Train the sweep, do what is planned, and check what came of it."""
    database: Database = PostgreSQL() if chosen.database == "postgresql" else SQLiteFile(folder)
    store = RunStore(getattr(database, "direct", database.url))  # the drill itself looks past the proxy
    try:
        sha256 = store.add_corpus(read_words(BUNDLED_NAMES))
        sweep = blink_grid(sha256) if chosen.sweep else small_runs(sha256, chosen.runs, chosen.steps)
        stored = store.create_sweep(sweep, name="Drill")
        lab = Lab(folder, database.url, chosen.servers, chosen.cluster)
        drill = Drill(lab, database, store, stored.id, sweep.run_count, random.Random(chosen.seed))
        took, load_before = _gone_through(drill, chosen), os.getloadavg()[0]
        settings = {name: value for name, value in vars(chosen).items() if name != "name"}
        found = {"settings": settings, "runs": sweep.run_count, "seconds": took, "load": load_before}
        return found | {"done": dict(drill.done)} | check(drill, sweep)
    finally:
        store.close()
        database.close()


def _gone_through(drill: Drill, chosen: argparse.Namespace) -> float:
    """The seconds that it took, with no process left."""
    cuts = (*[10.0] * chosen.short_cuts, *[60.0] * chosen.long_cuts)
    plan = Plan(chosen.worker_kills, chosen.server_kills, chosen.scheduler_restarts if chosen.cluster else 0, cuts)
    began, lab = time.monotonic(), drill.lab
    try:
        drill.go(plan.moments(drill.drawn, drill.database.cuts))
        took = time.monotonic() - began
    except BaseException:
        print(*(log.read_text()[-5_000:] for log in lab.folder.glob("*.log")), file=sys.stderr)
        raise
    finally:
        lab.close()
    until_gone = time.monotonic() + 10
    while (left := lab.left()) and time.monotonic() < until_gone:
        time.sleep(LOOK)
    assert not left, f"processes left: {left}"
    return took


def main() -> None:
    """Drill, print, keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--cluster", action="store_true", help="train on a Dask cluster")
    parser.add_argument("--sweep", choices=("108",), help="instead of small runs: the grid of Blink")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--name", help="what the results call it; not kept without one")
    numbers = {"runs": 200, "steps": 6_000, "servers": 1, "worker-kills": 100, "server-kills": 20}
    numbers |= {"scheduler-restarts": 10, "short-cuts": 10, "long-cuts": 3}
    for number, usual in numbers.items():
        parser.add_argument(f"--{number}", type=int, default=usual)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = drilled(chosen, Path(folder))
    print(json.dumps(found, indent=1))
    if chosen.name:
        known = json.loads(KEPT.read_text()) if KEPT.exists() else {}
        KEPT.write_text(json.dumps(known | {chosen.name: found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
