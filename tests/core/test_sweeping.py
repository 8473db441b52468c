"""Sweeps that go on by themselves: every setting and seed trained once, whatever ends meanwhile."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pandas as pd
import pytest

from mmcore import RunConfig, RunState, RunStore, TrainConfig, corpus_from_words, run_inline
from mmcore.architectures import model_config
from mmcore.comparison import markdown, results, settled
from mmcore.jobs import sweeping as sweeping_module
from mmcore.jobs.sweeping import AHEAD, MOST_INTERRUPTIONS, Sweeping, settings_tried
from mmcore.paired import runs_by_setting
from mmcore.search import Tried, next_setting
from mmcore.store import Progress, RunFilter, SavedWeights, StoredSweep, SweepRun, SweepState
from mmcore.sweeps import Axis, Sweep
from mmcore.training import Step
from tests.databases import Databases
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]

CONTEXTS = Axis(name="context_size", values=(1, 2, 3))
DIMS = Axis(name="embedding_dim", values=(2, 3))
RATE = Axis(name="learning_rate", low=1e-3, high=0.1, log=True)


@pytest.fixture
def store(database: Databases) -> Iterator[RunStore]:
    opened = RunStore(database("store"))
    yield opened
    opened.close()


@pytest.fixture
def base(store: RunStore) -> RunConfig:
    sha256 = store.add_corpus(corpus_from_words(["emma", "olivia", "ava", "mia"] * 5, "names"))
    model = model_config(context_size=2, embedding_dim=2, hidden_sizes=(4,))
    return RunConfig(corpus_sha256=sha256, model=model, train=TrainConfig(max_steps=20, batch_size=8))


def sweep(base: RunConfig, **changes: Any) -> Sweep:
    return Sweep(**{"base": base, "axes": (CONTEXTS, DIMS), "seeds": (1, 2), **changes})


def train_queued(store: RunStore) -> None:
    for run in store.runs(RunFilter(states=[RunState.QUEUED]))[::-1]:
        run_inline(store, run.id)


def train_all(store: RunStore, stored: StoredSweep, workers: int = 1) -> int:
    """Train a sweep to its end; the most runs that ever waited."""
    sweeping, most = Sweeping(store), 0
    while store.sweep(stored.id).state is SweepState.ACTIVE:
        sweeping.advance(workers)
        most = max(most, store.count(RunFilter(states=[RunState.QUEUED])))
        train_queued(store)
    return most


def test_a_grid_trains_every_setting_and_seed_once_and_never_queues_many(store: RunStore, base: RunConfig) -> None:
    stored = store.create_sweep(sweep(base), name="Grid")
    assert train_all(store, stored) == AHEAD
    runs = store.runs(RunFilter(sweep=stored.id))
    assert Counter(run.config for run in runs) == Counter(
        stored.config.config(setting, seed) for setting in stored.config.grid() for seed in (1, 2)
    )
    assert {run.state for run in runs} == {RunState.FINISHED}
    first = [run.config.train.seed for run in runs[::-1]][:6]
    assert first == [1] * 6, "the first seed of every setting comes first"
    assert store.sweep(stored.id).state is SweepState.FINISHED


def test_more_seeds_and_values_train_only_what_is_missing(store: RunStore, base: RunConfig) -> None:
    stored = store.create_sweep(sweep(base, seeds=(1,)), name="Grid")
    train_all(store, stored)
    before = {run.id for run in store.runs()}
    more = Axis(name="context_size", values=(1, 2, 3, 4))
    store.change_sweep(stored.id, sweep(base, axes=(more, DIMS), seeds=(1, 2)))
    train_all(store, stored)
    after = store.runs(RunFilter(sweep=stored.id))
    assert len(after) == 16 and before < {run.id for run in after}


def test_two_servers_add_each_run_once(store: RunStore, base: RunConfig) -> None:
    stored = store.create_sweep(sweep(base), name="Grid")
    one, other = Sweeping(store), Sweeping(RunStore(store.url))
    while store.sweep(stored.id).state is SweepState.ACTIVE:
        one.advance(1)
        other.advance(1)
        train_queued(store)
    assert store.count() == 12


def test_a_stopped_sweep_goes_on_with_the_runs_that_were_cut_short(store: RunStore, base: RunConfig) -> None:
    stored = store.create_sweep(sweep(base), name="Grid")
    Sweeping(store).advance(1)
    store.stop_sweep(stored.id)
    assert store.count(RunFilter(states=[RunState.STOPPED])) == AHEAD
    assert Sweeping(store).advance(1) is False
    store.resume_sweep(stored.id)
    train_all(store, stored)
    assert store.count(RunFilter(sweep=stored.id, states=[RunState.FINISHED])) == store.count() == 12


def interrupt(store: RunStore, run_id: str) -> None:
    token = store.claim(run_id)
    assert token
    store.finish(run_id, token, RunState.INTERRUPTED)


def test_an_interrupted_run_goes_on_but_not_for_ever(store: RunStore, base: RunConfig) -> None:
    stored = store.create_sweep(sweep(base, axes=(Axis(name="context_size", values=(1,)),), seeds=(1,)), name="One")
    sweeping = Sweeping(store)
    sweeping.advance(1)
    (run,) = store.runs()
    for _ in range(MOST_INTERRUPTIONS):
        interrupt(store, run.id)
        sweeping.advance(1)
        assert store.run(run.id).state is RunState.QUEUED
    interrupt(store, run.id)
    sweeping.advance(1)
    ended = store.sweep(stored.id)
    assert (ended.state, store.run(run.id).state) == (SweepState.STOPPED, RunState.INTERRUPTED)
    assert ended.error == f"run {run.id} ended its worker 3 times: too large, or damaged?"


def test_a_run_that_gets_further_each_time_is_not_what_ends_its_workers(store: RunStore, base: RunConfig) -> None:
    stored = store.create_sweep(sweep(base, axes=(Axis(name="context_size", values=(1,)),), seeds=(1,)), name="One")
    sweeping = Sweeping(store)
    sweeping.advance(1)
    (run,) = store.runs()
    for step in range(2 * MOST_INTERRUPTIONS):  # as in a drill, or on machines that may be taken away at any time
        token = store.claim(run.id)
        assert token
        saved = SavedWeights(weights=b"", train_state=b"")
        points = [Step(step=step, learning_rate=0.1, seconds=float(step))]
        store.finish(run.id, token, RunState.INTERRUPTED, Progress(points=points, saved=saved))
        sweeping.advance(1)
        assert store.run(run.id).state is RunState.QUEUED
    assert store.sweep(stored.id).state is SweepState.ACTIVE


def test_a_spent_budget_begins_no_more_runs(store: RunStore, base: RunConfig) -> None:
    stored = store.create_sweep(sweep(base, minutes=1e-9), name="Short")
    train_all(store, stored)
    assert 0 < store.count() <= AHEAD, "what was begun before the first second was spent"


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_drawn_settings_are_new_fit_and_depend_on_results_and_seed_only(
    store: RunStore, base: RunConfig, method: str
) -> None:
    sizes = Axis(name="hidden_sizes", values=((4,), (4, 4)))
    drawn = sweep(base, method=method, axes=(RATE, CONTEXTS, sizes), settings_to_try=8)
    stored = store.create_sweep(drawn, name="Drawn")
    train_all(store, stored, workers=2)
    runs = store.runs(RunFilter(sweep=stored.id))
    tried = settings_tried(drawn, runs)
    assert len(tried) == 8 and len(runs) == 16
    rates = [one.setting["learning_rate"] for one in tried]
    assert all(1e-3 <= rate <= 0.1 for rate in rates) and len({tuple(one.setting.items()) for one in tried}) == 8
    assert all(one.ended and one.loss and math.isfinite(one.loss) for one in tried)
    assert next_setting(drawn, tried) == next_setting(drawn, tried)
    assert next_setting(drawn, tried) != next_setting(drawn.replace(sweep_seed=2), tried)


def test_tpe_draws_near_what_did_well(base: RunConfig) -> None:
    """A loss with its lowest point at a rate of 0.01: of 40 draws, the later half lies nearer to it than at random."""
    distance: dict[str, float] = {}
    for method in ("random", "tpe"):
        drawn, far = sweep(base, method=method, axes=(RATE,)), []
        for seed in range(5):
            tried: list[Tried] = []
            for _ in range(40):
                setting = next_setting(drawn.replace(sweep_seed=seed), tried)
                assert setting
                tried.append(Tried(setting=setting, loss=2 + abs(math.log10(setting["learning_rate"]) + 2)))
            far += [one.loss - 2 for one in tried[20:] if one.loss]
        distance[method] = sum(far) / len(far)
    assert distance["tpe"] < 0.5 * distance["random"]


def test_an_exhausted_list_ends_a_drawn_sweep(store: RunStore, base: RunConfig) -> None:
    stored = store.create_sweep(sweep(base, method="random", axes=(DIMS,), settings_to_try=20, seeds=(1,)), name="Two")
    train_all(store, stored)
    assert store.count() == 2


def test_results_are_means_over_seeds_with_their_standard_error(store: RunStore, base: RunConfig) -> None:
    stored = store.create_sweep(sweep(base, axes=(CONTEXTS,), seeds=(1, 2, 3)), name="Grid")
    train_all(store, stored)
    runs = store.runs(RunFilter(sweep=stored.id))
    found = runs_by_setting(stored.config, runs)
    table = results(stored.config, found, 9)
    assert table["context_size"].tolist() == [1, 2, 3] and table["settled"].tolist() == [3, 3, 3]
    losses = pd.Series([run.losses["val_loss"] for run in runs if run.config.model.context_size == 2])
    row = table[table["context_size"] == 2].iloc[0]
    assert row["val_loss"] == pytest.approx(losses.mean(), abs=1e-12)
    assert row["val_loss_error"] == pytest.approx(losses.sem(), abs=1e-12)
    assert row["parameters"] == stored.config.config({"context_size": 2}, 1).model.parameters(9)
    assert [run.config.train.seed for run in settled(found[(2,)])] == [1, 2, 3]
    lines = markdown(stored.config, table).splitlines()
    assert lines[0].startswith("| Context size | Validation loss |") and len(lines) == 5
    assert f"{row['val_loss']:.4f} ± {row['val_loss_error']:.4f}" in markdown(stored.config, table)


def test_results_before_the_first_run_are_empty_cells(base: RunConfig) -> None:
    table = results(sweep(base), runs_by_setting(sweep(base), []), 9)
    assert len(table) == 6 and table["val_loss"].isna().all() and table["settled"].sum() == 0
    assert "nan" not in markdown(sweep(base), table)


# ---- what may come between


def test_a_run_that_another_server_has_continued_stops_no_sweep(
    store: RunStore, base: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = store.create_sweep(sweep(base), name="Grid")
    Sweeping(store).advance(1)
    interrupt(store, store.queued()[0])
    seen = store.sweep_runs(stored.id)
    other = RunStore(store.url)
    monkeypatch.setattr(other, "sweep_runs", lambda sweep_id: seen)
    assert Sweeping(store).advance(1)
    Sweeping(other).advance(2)
    assert (store.sweep(stored.id).state, store.sweep(stored.id).error) == (SweepState.ACTIVE, None)
    other.close()


def test_what_goes_wrong_with_one_sweep_stops_that_one_only(
    store: RunStore, base: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = store.create_sweep(sweep(base), name="Grid")
    drawn = store.create_sweep(sweep(base, method="random"), name="Drawn")
    monkeypatch.setattr(sweeping_module, "next_setting", MagicMock(side_effect=RuntimeError("nobody expected this")))
    Sweeping(store).advance(1)
    ended = store.sweep(drawn.id)
    assert (ended.state, ended.error) == (SweepState.STOPPED, "RuntimeError: nobody expected this")
    assert store.sweep(grid.id).state is SweepState.ACTIVE and store.count(RunFilter(sweep=grid.id)) == AHEAD


def test_a_stopped_run_that_a_sweep_takes_over_goes_on(store: RunStore, base: RunConfig) -> None:
    config = sweep(base).config({"context_size": 1, "embedding_dim": 2}, 1)
    mine = store.create(config, name="Mine")
    store.request_stop(mine.id)
    stored = store.create_sweep(sweep(base), name="Grid")
    train_all(store, stored)
    assert store.run(mine.id).state is RunState.FINISHED and store.count() == 12


def test_an_end_that_comes_too_late_changes_nothing(store: RunStore, base: RunConfig) -> None:
    seen = store.create_sweep(sweep(base, seeds=(1,)), name="Grid")
    store.change_sweep(seen.id, sweep(base, seeds=(1, 2)))
    store.end_sweep(seen, SweepState.FINISHED)
    assert store.sweep(seen.id).state is SweepState.ACTIVE, "seeds that were added in the meantime are trained"
    store.stop_sweep(seen.id)
    store.end_sweep(store.sweep(seen.id), SweepState.FINISHED)
    assert store.sweep(seen.id).state is SweepState.FINISHED
    store.delete_sweep(seen.id)
    store.end_sweep(seen, SweepState.STOPPED, "too late")
    assert store.sweeps() == []


def test_an_interrupted_run_of_a_sweep_does_not_wait_for_its_owners_limit(
    store: RunStore, base: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCORE_MAX_WAITING", "1")
    stored = store.create_sweep(sweep(base), name="Grid", owner="someone")
    sweeping = Sweeping(store)
    sweeping.advance(1)
    for run_id in store.queued()[:2]:
        interrupt(store, run_id)
    sweeping.advance(1)
    assert store.sweep(stored.id).state is SweepState.ACTIVE and len(store.queued()) == AHEAD
    store.stop_sweep(stored.id)
    store.resume_sweep(stored.id)
    assert len(store.queued()) == AHEAD


# ---- how much waits


@pytest.mark.parametrize(("method", "waiting"), [("grid", 2 * AHEAD), ("random", 2 * AHEAD), ("tpe", 3)])
def test_as_much_waits_as_keeps_two_workers_busy(store: RunStore, base: RunConfig, method: str, waiting: int) -> None:
    stored = store.create_sweep(sweep(base, method=method, seeds=(1,)), name="Sweep")
    Sweeping(store).advance(2)
    assert store.count(RunFilter(sweep=stored.id)) == waiting


def test_a_sweep_that_only_waits_for_its_runs_reads_no_more_of_them(
    store: RunStore, base: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = store.create_sweep(sweep(base, method="tpe", seeds=(1,), settings_to_try=2), name="Drawn")
    monkeypatch.setattr(store, "runs", read := MagicMock(side_effect=store.runs))
    sweeping = Sweeping(store)
    assert [sweeping.advance(2) for _ in range(5)] == [True, False, False, False, False]
    assert read.call_count == 2, "once to draw, once to see that it has all"
    train_queued(store)
    sweeping.advance(2)
    assert store.sweep(stored.id).state is SweepState.FINISHED


def test_the_first_runs_of_a_large_grid_do_not_wait_for_its_last(
    store: RunStore, base: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    dims = Axis(name="embedding_dim", values=tuple(range(2, 42)))
    store.create_sweep(sweep(base, axes=(CONTEXTS, dims), seeds=tuple(range(100))), name="Large")
    monkeypatch.setattr(sweeping_module, "named", made := MagicMock(side_effect=sweeping_module.named))
    assert Sweeping(store).advance(2)
    assert made.call_count == 2 * AHEAD


def some_run(state: RunState, seconds: float) -> SweepRun:
    return SweepRun(id="", state=state, config_digest="", seconds=seconds, weights_step=None)


def test_a_budget_lets_no_more_begin_than_it_has_room_for(base: RunConfig) -> None:
    minute, over, works = sweep(base, minutes=1.0), RunState.FINISHED, RunState.RUNNING
    room = sweeping_module._room
    assert room(minute, [], 2, 0) == 2, "how long a run takes is not known yet"
    assert room(minute, [some_run(over, 1.0)], 2, 0) == 2 * AHEAD
    assert room(minute, [some_run(over, 25.0), some_run(works, 3.0)], 2, 1) == 1
    assert room(minute, [some_run(over, 25.0), some_run(works, 3.0), some_run(works, 0.0)], 2, 2) <= 0
    assert room(minute, [some_run(over, 61.0)], 2, 0) <= 0
    assert room(sweep(base), [some_run(over, 61.0)], 2, 1) == 2 * AHEAD - 1


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_of_short_lists_every_combination_is_found(
    base: RunConfig, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr("mmcore.search.TRIES", 2)
    drawn, tried = sweep(base, method=method), list[Tried]()
    while setting := next_setting(drawn, tried):
        tried.append(Tried(setting=setting, loss=2.0))
    assert len({tuple(one.setting.values()) for one in tried}) == len(tried) == 6 == drawn.setting_count


# ---- drills

SERVER = """
import sys, threading
from mmcore import JobQueue, ProcessWorkers
with JobQueue(sys.argv[1], ProcessWorkers(2)):
    threading.Event().wait(600)
"""


def test_a_sweep_outlives_killed_workers_and_servers(store: RunStore, base: RunConfig) -> None:
    """Every setting and seed is there once, with the weights that it has undisturbed."""
    longer = base.replace(train=base.train.replace(max_steps=3_000))
    stored = store.create_sweep(sweep(longer, seeds=(1, 2)), name="Drill")
    workers, lives = set[int](), 3
    for life in range(lives):
        server = subprocess.Popen([sys.executable, "-c", SERVER, store.url], cwd=ROOT, start_new_session=True)
        try:
            for _ in range(2 if life < lives - 1 else 0):  # kill a worker in mid-run, twice
                until(lambda: (_training(store, stored) - workers) or _over(store, stored), "a new worker trains")
                for pid in list(_training(store, stored) - workers)[:1]:
                    workers.add(pid)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            if life == lives - 1:
                until(lambda: _over(store, stored), "the sweep has finished")
        finally:
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
    runs = store.runs(RunFilter(sweep=stored.id))
    assert len(workers) >= 3
    assert Counter(run.config for run in runs) == Counter(
        stored.config.config(setting, seed) for setting in stored.config.grid() for seed in (1, 2)
    )
    assert {run.state for run in runs} == {RunState.FINISHED}
    for run in runs[::5]:
        undisturbed = run_inline(store, store.create(run.config).id)
        assert store.train_state(run.id) == store.train_state(undisturbed.id)


def _over(store: RunStore, stored: StoredSweep) -> bool:
    return store.sweep(stored.id).state is not SweepState.ACTIVE


def _training(store: RunStore, stored: StoredSweep) -> set[int]:
    """The processes that train a run of a sweep."""
    running = store.runs(RunFilter(sweep=stored.id, states=[RunState.RUNNING]))
    return {int(run.worker.split(":")[1]) for run in running if run.worker and run.step > 0}
