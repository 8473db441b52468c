"""Runs on the workers of a Dask cluster: the same weights as here, and none is lost when its parts end."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mmcore.cli
from mmcore import JobQueue, ProcessWorkers, RunConfig, RunState, RunStore, TrainConfig, read_words, run_inline
from mmcore.architectures import model_config
from mmcore.corpus import BUNDLED_NAMES, corpus_from_words
from mmcore.jobs import dask, said, workers_of_environment
from mmcore.jobs.dask import DaskWorkers
from mmcore.store import ENDED, RunFilter, SweepState
from mmcore.sweeps import Axis, Sweep
from tests.cluster.conftest import Cluster
from tests.waiting import until

SHA256 = read_words(BUNDLED_NAMES).sha256
ENDLESS = 10_000_000


def config(seed: int, steps: int = 200) -> RunConfig:
    model = model_config(context_size=2, embedding_dim=4, hidden_sizes=(30,))
    return RunConfig(corpus_sha256=SHA256, model=model, train=TrainConfig(seed=seed, max_steps=steps))


@pytest.fixture
def workers(cluster: Cluster, store: RunStore) -> Iterator[DaskWorkers]:
    found = DaskWorkers(cluster.address)
    found.start(store.url)
    until(lambda: found.count == 2, "both workers are there")
    yield found
    found.close()


def ended(store: RunStore, run_ids: list[str]) -> bool:
    return all(store.run(run_id).state in ENDED for run_id in run_ids)


def test_the_weights_are_those_of_this_machine_to_the_bit(store: RunStore, workers: DaskWorkers) -> None:
    far = [store.create(config(seed)).id for seed in range(4)]
    with JobQueue(store.url, workers):
        until(lambda: ended(store, far), "all have ended")
    places = set()
    for seed, run_id in enumerate(far):
        here = run_inline(store, store.create(config(seed)).id)
        there = store.run(run_id)
        assert there.state is RunState.FINISHED and there.losses == here.losses
        assert store.train_state(run_id) == store.train_state(here.id)
        places.add(there.worker)
    assert len(places) == 2, "both workers had a share"


def test_a_worker_with_several_threads_trains_as_many_runs_and_they_do_not_disturb_each_other(
    store: RunStore, cluster: Cluster, workers: DaskWorkers
) -> None:
    for process in list(cluster.workers):
        cluster.dismiss(process)
    cluster.start_worker(threads=3)
    until(lambda: workers.count == 3, "only the new worker is there")
    far = [store.create(config(seed, 1_000)).id for seed in range(3)]
    most = 0
    with JobQueue(store.url, workers):

        def over() -> bool:
            nonlocal most
            states = [store.run(run_id).state for run_id in far]
            most = max(most, states.count(RunState.RUNNING))
            return all(state in ENDED for state in states)

        until(over, "all have ended")
    assert most == 3
    for seed, run_id in enumerate(far):
        here = run_inline(store, store.create(config(seed, 1_000)).id)
        assert store.train_state(run_id) == store.train_state(here.id)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_whose_worker_ends_is_interrupted_and_can_go_on(
    store: RunStore, cluster: Cluster, workers: DaskWorkers, how: signal.Signals
) -> None:
    run_id = store.create(config(1, ENDLESS)).id
    with JobQueue(store.url, workers) as queue:
        until(lambda: store.run(run_id).weights_step, "weights are saved")
        pid = int((store.run(run_id).worker or "").split(":")[1])
        cluster.dismiss(next(process for process in cluster.workers if process.pid == pid), how)
        until(lambda: store.run(run_id).state is RunState.INTERRUPTED, "it is interrupted")
        saved = store.run(run_id).step
        until(lambda: workers.count == 1, "one worker is left")
        store.continue_run(run_id)
        queue.submit(run_id)
        until(lambda: store.run(run_id).step > saved, "it goes on")
        assert store.run(run_id).worker != f"{pid}"
        store.request_stop(run_id)
        until(lambda: store.run(run_id).state is RunState.STOPPED, "it has stopped")


def test_a_scheduler_that_comes_back_gets_the_next_runs(
    store: RunStore, cluster: Cluster, workers: DaskWorkers
) -> None:
    run_id = store.create(config(1, ENDLESS)).id
    with JobQueue(store.url, workers):
        until(lambda: store.run(run_id).step > 0, "it runs")
        cluster.kill_scheduler()
        until(lambda: store.run(run_id).state is RunState.INTERRUPTED, "its worker leaves with the scheduler")
        next_id = store.create(config(2)).id
        until(lambda: "does not answer; what is queued begins when it does" in workers.problem, "it is said")
        assert workers.count == 0
        cluster.start_scheduler()
        until(lambda: f"has none; start one with: dask worker {cluster.address}" in workers.problem, "so is this")
        cluster.start_worker()
        until(lambda: store.run(next_id).state is RunState.FINISHED, "the next run is trained")


def test_where_runs_are_trained_is_said_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMCORE_SCHEDULER", raising=False)
    assert isinstance(workers_of_environment(), ProcessWorkers)
    monkeypatch.setenv("MMCORE_SCHEDULER", "tcp://127.0.0.1:9")
    cluster = workers_of_environment()
    assert isinstance(cluster, DaskWorkers)
    began = time.monotonic()
    cluster.start("")
    assert cluster.count == 0 and said(cluster).startswith("no worker: "), "nobody is there, and that is no error"
    assert time.monotonic() - began < dask.CONNECT_SECONDS, "nor does anybody wait for it"
    cluster.close()
    monkeypatch.setenv("MMCORE_SCHEDULER", "127.0.0.1")
    with pytest.raises(ValueError, match="MMCORE_SCHEDULER must be the address of a Dask scheduler, such as tcp://"):
        workers_of_environment()


def test_the_command_line_shows_the_clusters_workers_and_sweeps_on_them(
    store: RunStore, cluster: Cluster, workers: DaskWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCORE_SCHEDULER", cluster.address)
    monkeypatch.setenv("MMCORE_STORE", store.url)
    shown = json.loads(CliRunner().invoke(mmcore.cli.app, ["workers", "--json"]).stdout)
    assert shown["scheduler"]["address"] == cluster.address
    assert [(one["threads"], one["runs"]) for one in shown["scheduler"]["workers"]] == [(1, 0), (1, 0)]
    said = CliRunner().invoke(mmcore.cli.app, ["workers"]).stdout
    assert f"The scheduler at {cluster.address} has 2 workers with 2 threads." in said
    tiny = ["--max-steps", "5", "--hidden-size", "8", "--axis", "context_size=1,2", "--seeds", "1,2"]
    swept = CliRunner().invoke(mmcore.cli.app, ["sweep", "run", *tiny, "--json"])
    assert swept.exit_code == 0, swept.stderr
    pids = {(run.worker or "").split(":")[1] for run in store.runs()}
    assert len(store.runs()) == 4 and pids <= {str(process.pid) for process in cluster.workers}


def tiny_sweep(store: RunStore, steps: int, settings: int, seeds: int) -> str:
    """The id of an active sweep over learning rates and seeds, of tiny models on a few words."""
    sha256 = store.add_corpus(corpus_from_words(read_words(BUNDLED_NAMES).words[:300], "few"))
    tiny = model_config(context_size=1, embedding_dim=2, hidden_sizes=(4,))
    base = config(1, steps).replace(corpus_sha256=sha256, model=tiny)
    rates = tuple(round(0.01 * (place + 1), 2) for place in range(settings))
    axes = (Axis(name="learning_rate", values=rates),)
    return store.create_sweep(Sweep(base=base, axes=axes, seeds=tuple(range(seeds))), name="of a test").id


def over(store: RunStore, sweep_id: str) -> bool:
    return store.sweep(sweep_id).state is not SweepState.ACTIVE


def test_a_sweep_of_forty_runs_equals_that_of_the_local_processes_to_the_bit(
    store: RunStore, workers: DaskWorkers, tmp_path: Path
) -> None:
    trained = []
    for folder, who in (("here", ProcessWorkers(2)), ("there", workers)):
        with closing(RunStore(str(tmp_path / f"{folder}.sqlite"))) as own:
            sweep_id = tiny_sweep(own, steps=20, settings=10, seeds=4)
            with JobQueue(own.url, who, sweep_id):
                until(partial(over, own, sweep_id), "the sweep is over")
            runs = own.runs(RunFilter(sweep=sweep_id, states=[RunState.FINISHED]))
            trained.append({run.config: (own.train_state(run.id), run.losses) for run in runs})
    here, there = trained
    assert len(here) == 40 and here == there


def test_a_sweep_uses_a_worker_that_comes_and_continues_the_run_of_one_that_goes(
    store: RunStore, cluster: Cluster, workers: DaskWorkers
) -> None:
    sweep_id = tiny_sweep(store, steps=6_000, settings=3, seeds=3)

    def having(process: subprocess.Popen[bytes], *states: RunState) -> list[str]:
        found = store.runs(RunFilter(sweep=sweep_id, states=states or None))
        return [run.id for run in found if f":{process.pid}:" in (run.worker or "")]

    def caught_at_work() -> list[str]:
        """What a worker has in training, which is paused for as long as one looks."""
        gone.send_signal(signal.SIGSTOP)
        if not (found := having(gone, RunState.RUNNING)):
            gone.send_signal(signal.SIGCONT)
        return found

    with JobQueue(store.url, workers, sweep_id):
        cluster.start_worker()
        gone, new = cluster.workers[0], cluster.workers[-1]
        until(lambda: having(new), "the new worker has a run")
        until(caught_at_work, "the other trains")
        (cut_short,) = having(gone, RunState.RUNNING)
        cluster.dismiss(gone, signal.SIGKILL)
        until(lambda: over(store, sweep_id), "the sweep is over")
    assert cut_short not in having(gone), "another went on with it"
    runs = store.runs(RunFilter(sweep=sweep_id))
    assert [run.state for run in runs] == [RunState.FINISHED] * 9
    here = run_inline(store, store.create(store.run(cut_short).config).id)
    assert store.train_state(cut_short) == store.train_state(here.id), "as if nobody had gone"
