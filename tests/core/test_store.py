"""The store: who may change a run's state and when, what readers see, and files that are not as expected."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import multiprocessing
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from mmcore.architectures import model_config
from mmcore.checkpoint import Checkpoint, TensorUpdate
from mmcore.config import RunConfig, SplitConfig, TrainConfig
from mmcore.corpus import Corpus, corpus_from_words
from mmcore.fields import Config
from mmcore.presets import PRESETS
from mmcore.store import (
    MAX_POINTS,
    MAX_SAMPLES,
    MAX_TAG,
    TRANSITIONS,
    Progress,
    Run,
    RunFilter,
    RunState,
    RunStore,
    SavedWeights,
    StaleToken,
    StoreUnavailable,
    SweepState,
    UnreadableRun,
    schema,
    thinned,
)
from mmcore.store.digest import digest
from mmcore.sweeps import Axis, Sweep
from mmcore.training import Step
from tests.databases import SERVER, STORES, Databases, of_files

S = RunState
WEIGHTS = SavedWeights(weights=b"w")


@pytest.fixture
def store(database: Databases) -> Iterator[RunStore]:
    store = RunStore(database("runs"))
    yield store
    store.close()


@pytest.fixture(autouse=True)
def worker_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process claims the runs of these tests, and must not count as a worker that lives."""
    monkeypatch.setattr("mmcore.store.store.lives", lambda process: False)


@pytest.fixture
def corpus() -> Corpus:
    return corpus_from_words(["emma", "ava", "zoë", "ava"], "four")


@pytest.fixture
def config(store: RunStore, corpus: Corpus) -> RunConfig:
    return RunConfig(corpus_sha256=store.add_corpus(corpus))


def point(step: int, **losses: Any) -> Step:
    return Step(step=step, learning_rate=0.1, seconds=step / 10, **losses)


def checkpoint(step: int, size: int = 100) -> Checkpoint:
    updates = {"C": TensorUpdate(0.001, -0.5, 0.25)} if step else {}
    return Checkpoint(step=step, weights=bytes([step % 256]) * size, updates=updates)


def kept_steps(store: RunStore, run_id: str) -> list[int]:
    return [kept.step for kept in store.checkpoints(run_id)]


def run_in(store: RunStore, config: RunConfig, state: RunState) -> tuple[str, str]:
    """A run in a state, and the token of its worker, by the calls that lead there."""
    run_id = store.create(config).id
    if state is S.QUEUED:
        return run_id, "none yet"
    token = store.claim(run_id, lease=-1 if state is S.INTERRUPTED else 60)
    assert token is not None
    if state is S.STOPPING:
        store.request_stop(run_id)
    elif state is S.INTERRUPTED:
        assert store.expire_leases() == [run_id]
    elif state is not S.RUNNING:
        store.finish(run_id, token, state)
    assert store.run(run_id).state is state
    return run_id, token


def expire(store: RunStore, run_id: str, token: str) -> None:
    store.record(run_id, token, lease=-1)
    assert store.expire_leases() == [run_id]


# Every call that changes a state: the states it may start from, and where it leads.
CALLS: dict[str, tuple[Callable[[RunStore, str, str], Any], dict[RunState, RunState]]] = {
    "claim": (lambda s, run, token: s.claim(run), {S.QUEUED: S.RUNNING}),
    "write": (
        lambda s, run, token: s.record(run, token),
        {S.RUNNING: S.RUNNING, S.STOPPING: S.STOPPING, S.INTERRUPTED: S.RUNNING},
    ),
    "finish": (lambda s, run, t: s.finish(run, t, S.FINISHED), {S.RUNNING: S.FINISHED, S.STOPPING: S.FINISHED}),
    "obey": (lambda s, run, t: s.finish(run, t, S.STOPPED), {S.RUNNING: S.STOPPED, S.STOPPING: S.STOPPED}),
    "fail": (lambda s, run, t: s.finish(run, t, S.FAILED), {S.RUNNING: S.FAILED, S.STOPPING: S.FAILED}),
    "leave": (lambda s, run, t: s.finish(run, t, S.INTERRUPTED), {S.RUNNING: S.INTERRUPTED, S.STOPPING: S.INTERRUPTED}),
    "expire": (expire, dict.fromkeys((S.RUNNING, S.STOPPING, S.INTERRUPTED), S.INTERRUPTED)),
    "stop": (lambda s, run, token: s.request_stop(run), {S.QUEUED: S.STOPPED, S.RUNNING: S.STOPPING}),
    "continue": (lambda s, run, token: s.continue_run(run), {S.STOPPED: S.QUEUED, S.INTERRUPTED: S.QUEUED}),
    "longer": (
        lambda s, run, token: s.continue_run(run, max_steps=s.run(run).max_steps + 1),
        dict.fromkeys((S.STOPPED, S.INTERRUPTED, S.FINISHED), S.QUEUED),
    ),
}


@pytest.mark.parametrize("state", RunState)
@pytest.mark.parametrize("call", CALLS)
def test_every_call_from_every_state(store: RunStore, config: RunConfig, call: str, state: RunState) -> None:
    act, leads = CALLS[call]
    run_id, token = run_in(store, config, state)
    if state in leads:
        act(store, run_id, token)
    elif call == "claim":
        assert act(store, run_id, token) is None
    elif call == "stop":
        assert act(store, run_id, token) is state
    else:
        with pytest.raises((ValueError, StaleToken)):
            act(store, run_id, token)
    assert store.run(run_id).state is leads.get(state, state)


def test_the_calls_make_exactly_the_transitions_of_the_table() -> None:
    made = {pair for _, leads in CALLS.values() for pair in leads.items() if pair[0] is not pair[1]}
    assert made == set(TRANSITIONS)


@pytest.mark.parametrize(("before", "after"), [p for p in itertools.product(S, S) if p not in TRANSITIONS])
def test_a_worker_cannot_end_a_run_against_the_table(
    store: RunStore, config: RunConfig, before: RunState, after: RunState
) -> None:
    run_id, token = run_in(store, config, before)
    with pytest.raises((ValueError, StaleToken)):
        store.finish(run_id, token, after)
    assert store.run(run_id).state is before


def test_of_many_claims_at_once_one_wins(store: RunStore, config: RunConfig) -> None:
    for _ in range(5):
        run_id, ready = store.create(config).id, threading.Barrier(8)
        with ThreadPoolExecutor(8) as pool:
            claims = [pool.submit(lambda r=run_id, b=ready: (b.wait(), store.claim(r))[1]) for _ in range(8)]
        tokens = [token for claim in claims if (token := claim.result())]
        assert len(tokens) == 1
        store.record(run_id, tokens[0])


def test_of_two_processes_one_wins_each_run(store: RunStore, config: RunConfig) -> None:
    run_ids = [store.create(config).id for _ in range(40)]
    code = """if True:
        import sys
        from mmcore.store import RunStore
        store = RunStore(sys.argv[1])
        print("ready", flush=True)
        input()
        print(*(run_id for run_id in sys.argv[2:] if store.claim(run_id)))
    """
    command = [sys.executable, "-c", code, store.url, *run_ids]
    with contextlib.ExitStack() as stack:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        racers = [stack.enter_context(subprocess.Popen(command, **pipes)) for _ in range(2)]
        for racer in racers:
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            racer.stdin.write("go\n")
            racer.stdin.flush()
        won = [racer.stdout.read().split() for racer in racers]
    assert sorted(won[0] + won[1]) == sorted(run_ids)


def test_a_stale_token_changes_nothing(store: RunStore, config: RunConfig) -> None:
    run_id, old = run_in(store, config, S.INTERRUPTED)
    store.continue_run(run_id)
    new = store.claim(run_id)
    assert new and new != old
    store.record(run_id, new, Progress(points=[point(1)], saved=SavedWeights(weights=b"new")))
    late = Progress(points=[point(2)], saved=SavedWeights(weights=b"old"), samples=(2, ["old"]))
    for write in (store.record, lambda run_id, token, late: store.finish(run_id, token, S.FAILED, late)):
        with pytest.raises(StaleToken):
            write(run_id, old, late)
    assert store.history(run_id).step.tolist() == [1]
    assert store.weights(run_id) == b"new"
    assert store.samples(run_id).empty
    assert store.run(run_id).state is S.RUNNING


def test_writes_renew_the_lease(store: RunStore, config: RunConfig) -> None:
    run_id = store.create(config).id
    token = store.claim(run_id, lease=-1)
    assert token
    store.record(run_id, token)  # late, but before anyone looked
    assert store.expire_leases() == []
    store.record(run_id, token, Progress(points=[point(3)], saved=WEIGHTS), lease=-1)
    assert store.expire_leases() == [run_id]
    run = store.run(run_id)
    assert (run.state, run.step, store.weights(run_id)) == (S.INTERRUPTED, 3, b"w")
    assert run.ended == run.heartbeat


def test_times_are_the_databases_not_those_of_whoever_writes_or_looks(
    store: RunStore, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose clock is an hour ahead takes no run from a worker, and dates nothing wrong."""
    run_id, token = run_in(store, config, S.RUNNING)
    before, real = store.run(run_id).created, time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3_600)
    assert store.expire_leases() == []
    store.record(run_id, token, lease=-1)
    later = store.create(config)
    assert max((later.created - before).total_seconds(), (store.now() - before).total_seconds()) < 600
    monkeypatch.setattr(time, "time", lambda: real() - 3_600)
    assert store.expire_leases() == [run_id]


@of_files("a connection that must not write")
def test_e2_reading_writes_nothing(store: RunStore, config: RunConfig) -> None:
    run_id = store.create(config).id
    store.claim(run_id, lease=-1)
    sa.event.listen(store._connected(), "checkout", lambda c, *_: c.execute("PRAGMA query_only = ON"))
    assert [run.state for run in (store.run(run_id), store.latest(), *store.runs()) if run] == [S.RUNNING] * 3
    with pytest.raises(StoreUnavailable, match=r"store must be writable, got /.*readonly database"):
        store.expire_leases()


@of_files("a damaged file")
def test_e5_damage_inside_a_file_is_one_sentence(store: RunStore, config: RunConfig) -> None:
    run_id, token = run_in(store, config, S.RUNNING)
    store.record(run_id, token, Progress(points=[point(step) for step in range(2_000)]))
    store.compact()
    store.close()
    path = Path(sa.make_url(store.url).database or "")
    with closing(sqlite3.connect(path)) as database:
        (size,) = database.execute("PRAGMA page_size").fetchone()
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'steps'").fetchone()
    whole, here = path.read_bytes(), size * (page - 1)
    path.write_bytes(whole[:here] + bytes([255]) * size + whole[here + size :])
    with pytest.raises(StoreUnavailable, match=r"^store must be readable, got /.* \(database disk image is"):
        store.history(run_id)


def test_b4_as_much_of_an_id_as_is_one_runs_only(store: RunStore, config: RunConfig) -> None:
    ids = ["3f00000000", "3f00000001", "a_00000000"]
    for run_id in ids:
        made = store.create(config).id
        with store._write() as db:
            db.execute(sa.text("UPDATE runs SET id = :new WHERE id = :old"), {"new": run_id, "old": made})
    assert store.whole_id("a_") == store.whole_id(ids[2]) == ids[2]
    assert store.whole_id(ids[0]) == ids[0]
    with pytest.raises(ValueError, match=r"^id must begin the id of one run, got '3f', which begins 3f00000000, 3f0"):
        store.whole_id("3f")
    for nothing in ("", "%", "zz", "_"):
        with pytest.raises(ValueError, match="run must be in the store"):
            store.whole_id(nothing)


def damage(store: RunStore, run_id: str, config: str) -> None:
    with store._write() as db:
        db.execute(sa.text("UPDATE runs SET config = :config WHERE id = :id"), {"config": config, "id": run_id})


@pytest.mark.parametrize("config_text", ['{"model": {"architecture": "mamba"}}', "{", "[]", "null", '{"model": 3}'])
def test_e5_one_run_that_cannot_be_read_hides_no_other(store: RunStore, config: RunConfig, config_text: str) -> None:
    good, bad = store.create(config), store.create(config, name="From tomorrow")
    damage(store, bad.id, config_text)
    assert [run.id for run in store.runs()] == [good.id]
    assert len(store.runs_table()) == 1
    newest = store.latest()
    assert newest and newest.id == good.id
    (unreadable,) = store.unreadable()
    assert (unreadable.id, unreadable.name) == (bad.id, "From tomorrow")
    with pytest.raises(UnreadableRun, match=rf"^run {bad.id} \(From tomorrow\) cannot be read: \w") as told:
        store.run(bad.id)
    assert str(told.value) == str(unreadable)
    store.delete(bad.id)
    assert not store.unreadable()


def test_continue_overwrites_what_the_saved_state_did_not_know(store: RunStore, config: RunConfig) -> None:
    run_id = store.create(config).id
    token = store.claim(run_id)
    assert token
    for step in range(5):
        saved = SavedWeights(weights=b"w", train_state=b"s", losses={"val_loss": 2.5}) if step == 2 else None
        store.record(run_id, token, Progress(points=[point(step, batch_loss=1.0)], samples=(step, ["a"]), saved=saved))
    store.finish(run_id, token, S.INTERRUPTED)
    assert (store.run(run_id).step, store.run(run_id).weights_step) == (4, 2)
    assert (store.train_state(run_id), store.run(run_id).losses) == (b"s", {"val_loss": 2.5})
    store.continue_run(run_id)
    assert store.run(run_id).ended is None
    token = store.claim(run_id)
    assert token
    store.record(run_id, token, Progress(points=[point(2, batch_loss=3.0)], samples=(2, ["b"])))
    assert store.history(run_id).batch_loss.tolist() == [1, 1, 3]
    assert store.samples(run_id).words.tolist() == [["a"], ["a"], ["b"]]


def test_checkpoints_are_read_back_and_a_continued_run_overwrites_those_it_did_not_know(
    store: RunStore, config: RunConfig
) -> None:
    run_id, token = run_in(store, config, S.RUNNING)
    store.record(run_id, token, Progress(points=[point(2)], checkpoints=[checkpoint(0), checkpoint(1), checkpoint(2)]))
    store.record(run_id, token, Progress(points=[point(4)], checkpoints=[checkpoint(3), checkpoint(4)], saved=WEIGHTS))
    assert store.checkpoints(run_id) == [checkpoint(step) for step in range(5)]
    assert store.weights(run_id) == b"w"
    store.record(run_id, token, Progress(points=[point(1)]))  # it goes on from here
    assert kept_steps(store, run_id) == [0, 1]
    store.record(run_id, token, Progress(points=[point(3)], checkpoints=[checkpoint(1, 7), checkpoint(3)]))
    assert store.checkpoints(run_id) == [checkpoint(0), checkpoint(1, 7), checkpoint(3)]
    assert store.weights(run_id) == b"w"


def test_a_number_that_was_not_finite_is_read_back_as_none(store: RunStore, config: RunConfig) -> None:
    run_id, token = run_in(store, config, S.RUNNING)
    bad = {"b1": TensorUpdate(math.inf, math.nan, 0.0)}
    store.record(run_id, token, Progress(checkpoints=[Checkpoint(step=1, weights=b"", updates=bad)]))
    update = store.checkpoints(run_id)[0].updates["b1"]
    assert math.isnan(update.ratio) and math.isnan(update.gradient_mean) and update.gradient_std == 0


def test_updates_that_an_older_version_wrote_have_todays_names(store: RunStore, config: RunConfig) -> None:
    config = config.replace(model=model_config(architecture="gru"))
    run_id, token = run_in(store, config, S.RUNNING)
    older = {"C": 1.0, "Wx": 2.0, "bh": 3.0, "W": 4.0, "b": 5.0}
    updates = {name: TensorUpdate(ratio, 0.0, 0.0) for name, ratio in older.items()}
    store.record(run_id, token, Progress(checkpoints=[Checkpoint(step=1, weights=b"", updates=updates)]))
    found = {name: update.ratio for name, update in store.checkpoints(run_id)[0].updates.items()}
    assert found == {"C": 1.0, "W_ih": 2.0, "b_hh": 3.0, "W_lm_head": 4.0, "b_lm_head": 5.0}


def test_collecting_keeps_the_ends_within_the_limit_and_the_last_weights(store: RunStore, config: RunConfig) -> None:
    run_id, token = run_in(store, config, S.RUNNING)
    film = [checkpoint(step) for step in range(0, 20, 2)]
    store.record(run_id, token, Progress(points=[point(20)], checkpoints=film, saved=WEIGHTS))
    assert store.collect([run_id], limit=0) == (0, 0)  # a worker has it
    store.finish(run_id, token, S.FINISHED)
    assert store.collect([run_id]) == (0, 0)
    assert store.collect([run_id], limit=499, dry_run=True) == (6, 600)
    assert len(store.checkpoints(run_id)) == 10
    assert store.collect([run_id], limit=499) == (6, 600)
    assert kept_steps(store, run_id) == [0, 6, 12, 18]
    assert store.collect([run_id], limit=100) == (4, 400)
    assert (kept_steps(store, run_id), store.weights(run_id)) == ([], b"w")
    with pytest.raises(ValueError, match="limit must be a whole number from 0"):
        store.collect([run_id], limit=-1)


@of_files("PostgreSQL's own vacuum does so")
def test_compacting_gives_the_space_back(store: RunStore, config: RunConfig) -> None:
    run_id, token = run_in(store, config, S.RUNNING)
    store.record(run_id, token, Progress(checkpoints=[checkpoint(step, 100_000) for step in range(20)]))
    store.finish(run_id, token, S.FINISHED)
    path = Path(sa.make_url(store.url).database or "")
    store.compact()
    before = path.stat().st_size
    store.collect([run_id], limit=0)
    store.compact()
    assert path.stat().st_size < before - 1_900_000
    assert store.run(run_id).state is S.FINISHED


def test_the_queue_is_in_order_of_queueing(store: RunStore, config: RunConfig) -> None:
    first, second, third = (store.create(config).id for _ in range(3))
    assert [store.queue_position(r) for r in (first, second, third)] == [1, 2, 3]
    store.request_stop(first)
    assert [store.queue_position(r) for r in (first, second, third)] == [None, 1, 2]
    store.continue_run(first)
    assert store.queued() == [second, third, first]


def test_a_long_curve_is_thinned_evenly(store: RunStore, config: RunConfig) -> None:
    run_id, token = run_in(store, config, S.RUNNING)
    for start in range(0, 9_000, 100):
        store.record(run_id, token, Progress(points=[point(10 * i) for i in range(start, start + 100)]))
        if start % 500 == 0:
            assert len(store.history(run_id)) <= MAX_POINTS
    steps = store.history(run_id).step.to_numpy()
    assert (steps[0], steps[-1]) == (0, 89_990)
    assert len(steps) > 0.4 * MAX_POINTS
    assert np.diff(steps).max() < 3 * 90_000 / (0.4 * MAX_POINTS)
    for step in range(MAX_SAMPLES + 1):
        store.record(run_id, token, Progress(samples=(step, ["a"])))
    assert len(store.samples(run_id)) <= MAX_SAMPLES
    assert store.samples(run_id).step.iloc[-1] == MAX_SAMPLES


@pytest.mark.parametrize("steps", [range(2_001), [0, 1, *range(5_000, 9_000)], [7, 8], [0, 10**8]])
def test_thinned_keeps_the_ends_and_no_hole(steps: Any) -> None:
    kept = sorted(thinned(list(steps), 100))
    assert len(kept) <= 100
    assert (kept[0], kept[-1]) == (steps[0], steps[-1])
    assert set(kept) <= set(steps)
    widest = max(b - a for a, b in itertools.pairwise(steps))
    assert max(b - a for a, b in itertools.pairwise(kept)) <= widest + (steps[-1] - steps[0]) / 30


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_stored_as_missing(store: RunStore, config: RunConfig, bad: float) -> None:
    run_id, token = run_in(store, config, S.RUNNING)
    store.record(run_id, token, Progress(points=[point(0, batch_loss=2.0), point(1, batch_loss=bad, train_loss=bad)]))
    store.record(run_id, token, Progress(saved=SavedWeights(weights=b"w", losses={"train_loss": bad, "val_loss": 2.0})))
    with store._read() as db:
        rows = db.execute(sa.text("SELECT batch_loss, train_loss FROM steps ORDER BY step")).all()
    assert rows == [(2.0, None), (None, None)]
    assert store.run(run_id).batch_loss == 2.0
    assert store.run(run_id).losses == {"val_loss": 2.0}


def test_test_losses_are_sealed_until_opened(store: RunStore, config: RunConfig) -> None:
    run_id, token = run_in(store, config, S.RUNNING)
    losses = {"val_loss": 2.0, "test_loss": 3.0, "test_loss_unseen": 4.0}
    store.finish(run_id, token, S.FINISHED, Progress(saved=SavedWeights(weights=b"w", losses=losses)))
    assert store.run(run_id).losses == {"val_loss": 2.0}
    assert math.isnan(store.runs_table().test_loss[0])
    assert [store.open_test(run_id), store.open_test(run_id)] == [1, 2]
    assert store.run(run_id).losses == losses
    assert store.runs_table().test_loss[0] == 3.0


def test_the_first_opening_of_the_test_split_is_kept_with_its_time(store: RunStore, config: RunConfig) -> None:
    """A2."""
    run = store.create(config)
    assert run.test_opened is None
    store.open_test(run.id)
    first = store.run(run.id).test_opened
    assert first is not None and first > run.created
    store.open_test(run.id)
    assert store.run(run.id).test_opened == first
    assert store.create(config).created > first


def test_what_is_written_is_read_back(store: RunStore, config: RunConfig, corpus: Corpus) -> None:
    assert store.latest() is None
    assert store.runs_table().empty
    store.add_corpus(corpus)
    assert store.corpora().words.tolist() == [4]
    assert store.corpus(corpus.sha256) == corpus
    quick = PRESETS["quick"]
    config = config.replace(model=quick.model, train=quick.train)
    first = store.create(config, owner="me")
    second = store.create(config.replace(model=model_config(hidden_sizes=(5, 6))))
    assert (first.config, first.owner, first.corpus_name, first.state) == (config, "me", "four", S.QUEUED)
    assert (first.name, second.name) == (quick.title, "MLP, context 3, dimension 10, hidden 5 × 6")
    assert [run.id for run in store.runs()] == [second.id, first.id]
    assert store.latest() == second
    assert store.runs_table().hidden_sizes.tolist() == [(5, 6), (200,)]
    store.rename(first.id, "  a   name ")
    store.annotate(first.id, "a\nnote")
    assert (store.run(first.id).name, store.run(first.id).note) == ("a name", "a\nnote")
    assert store.weights(first.id) is None
    assert store.history(first.id).empty


def test_runs_are_found_by_what_is_asked_for(store: RunStore, config: RunConfig) -> None:
    other = RunConfig(corpus_sha256=store.add_corpus(corpus_from_words(["a", "b", "c"], "letters")))
    halves = config.replace(split=SplitConfig(train_fraction=0.5))
    made = [
        store.create(config, name="100 % of it", owner="ada"),
        store.create(other, name="Letters"),
        store.create(halves, name="Half of it", owner="ada"),
    ]
    store.annotate(made[1].id, "UNDERFITS, half of the time")
    store.request_stop(made[2].id)
    first, second, third = (run.id for run in made)

    def found(**wanted: Any) -> list[str]:
        which = RunFilter(**wanted)
        ids = [run.id for run in store.runs(which)]
        assert [run.id for run in store.summaries(which)] == ids and store.count(which) == len(ids)
        return ids

    assert found() == [third, second, first]
    assert found(states=[S.STOPPED]) == [third] and found(states=[]) == []
    assert found(owner="ada") == [third, first]
    assert found(corpus_sha256=config.corpus_sha256, split=config.split) == [first]
    assert found(split=config.split) == [second, first]
    assert found(configs=[halves, other]) == [third, second]
    assert found(text=" half  OF ") == [third, second] and found(text="% of") == [first] and found(text="_") == []
    assert found(text=first[:8]) == [first] and found(text=first[1:]) == []
    assert found(queued_after=made[1].queued) == [third]
    assert [run.id for run in store.runs(limit=1, offset=1)] == [second]
    (summary,) = store.summaries(limit=1, offset=2)
    assert {name: getattr(made[0], name) for name in vars(summary)} == vars(summary)


def test_a_run_that_goes_on_for_longer_is_found_by_its_new_settings(store: RunStore, config: RunConfig) -> None:
    run_id, _ = run_in(store, config, S.STOPPED)
    longer = store.continue_run(run_id, max_steps=9_999).config
    assert [store.count(RunFilter(configs=[which])) for which in (config, longer)] == [0, 1]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Before(Config):
    architecture: str = "toy"
    rate: float = 0.5
    sizes: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class After(Before):
    added: int = 0


def test_a_setting_that_is_added_later_leaves_the_digests_of_older_runs() -> None:
    assert digest(Before(rate=0.1)) == digest(After(rate=0.1)) != digest(After(rate=0.1, added=1))
    assert digest(Before(rate=1)) == digest(Before(rate=1.0)) != digest(Before())
    assert digest(Before(architecture="toy")) != digest(Before(architecture="other"))
    presets = [config for preset in PRESETS.values() for config in (preset.model, preset.train)]
    assert len({digest(config) for config in presets}) == len(set(presets))


def test_the_first_train_loss_of_each_curve(store: RunStore, config: RunConfig) -> None:
    (slow, token), (none, _) = (run_in(store, config, S.RUNNING) for _ in range(2))
    points = [point(0), point(3, train_loss=3.25, val_loss=3.5), point(5, train_loss=2.0)]
    store.record(slow, token, Progress(points=points))
    assert store.first_losses([slow, none]) == {slow: 3.25}
    assert store.first_losses([]) == {}


def test_what_runs_take_is_kept_and_always_what_they_take(store: RunStore, config: RunConfig) -> None:
    run_id, token = run_in(store, config, S.RUNNING)

    def taken() -> int:
        kept = store.stored()[run_id]
        with store._write() as db:
            before = db.scalar(sa.text("SELECT stored FROM runs"))
            db.execute(sa.text("UPDATE runs SET stored = NULL"))
        assert store.stored() == {run_id: kept}
        with store._write() as db:
            db.execute(sa.text("UPDATE runs SET stored = :stored"), {"stored": before})
        return kept

    film = [checkpoint(step) for step in range(10)]
    sizes = [taken()]
    store.record(run_id, token, Progress(points=[point(9)], checkpoints=film), lease=-1)
    sizes.append(taken())
    store.expire_leases()
    assert taken() == sizes[-1]
    store.record(run_id, token, Progress(points=[point(9), point(10)], samples=(10, ["a"]), saved=WEIGHTS))
    sizes.append(taken())
    store.finish(run_id, token, S.FINISHED, Progress(points=[point(11)]))
    sizes.append(taken())
    assert sizes == sorted(set(sizes))
    assert store.collect([run_id], limit=0) == (10, 1_000)
    assert taken() == sizes[-1] - 10 * (100 + 1_000)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT id FROM runs ORDER BY created DESC, id LIMIT 50", "ix_runs_created"),
        ("SELECT count(*) FROM runs WHERE corpus_sha256 = 'x'", "ix_runs_corpus_sha256"),
        ("SELECT id FROM runs WHERE config_digest IN ('x', 'y')", "ix_runs_config_digest"),
        ("SELECT owner, max(started) FROM runs GROUP BY owner", "ix_runs_owner"),
        ("SELECT id FROM runs WHERE state IN ('running') AND lease_until < 0", "ix_runs_state"),
    ],
)
@of_files("how it explains a query")
def test_what_is_asked_for_often_has_an_index(store: RunStore, query: str, index: str) -> None:
    with store._read() as db:
        plan = db.execute(sa.text(f"EXPLAIN QUERY PLAN {query}")).all()
    assert index in str(plan)


def test_delete_takes_all_and_is_refused_while_a_worker_has_it(store: RunStore, config: RunConfig) -> None:
    run_id, token = run_in(store, config, S.RUNNING)
    store.record(
        run_id, token, Progress(points=[point(0)], saved=WEIGHTS, samples=(0, ["a"]), checkpoints=[checkpoint(0)])
    )
    with pytest.raises(ValueError, match="must be stopped"):
        store.delete(run_id)
    store.finish(run_id, token, S.FINISHED)
    store.delete(run_id)
    assert store.empty_bin() == 1
    with store._read() as db:
        for table in ("runs", "steps", "samples", "checkpoints"):
            assert db.scalar(sa.text(f"SELECT count(*) FROM {table}")) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.run("nope"),
        lambda s: s.rename("nope", "x"),
        lambda s: s.annotate("nope", "x"),
        lambda s: s.delete("nope"),
        lambda s: s.request_stop("nope"),
        lambda s: s.continue_run("nope"),
        lambda s: s.open_test("nope"),
    ],
)
def test_an_unknown_run_is_named(store: RunStore, call: Callable[[RunStore], Any]) -> None:
    with pytest.raises(ValueError, match=r"run must be in the store, got id 'nope'"):
        call(store)


AXES = (Axis(name="batch_size", values=(1, 2)),)
UNKEPT = "a\0b\ud800"  # no PostgreSQL text has the one, no UTF-8 the other
KEPT = "a\ufffdb\ufffd"


def test_what_no_text_of_a_database_holds_is_kept_as_a_replacement_character(
    store: RunStore, config: RunConfig, corpus: Corpus
) -> None:
    run_id = store.create(config, name=UNKEPT, owner=UNKEPT).id
    store.annotate(run_id, UNKEPT)
    store.tag([run_id], UNKEPT)
    token = store.claim(run_id)
    assert token
    store.record(run_id, token, Progress(samples=(1, [UNKEPT])))
    store.finish(run_id, token, S.FAILED, error=UNKEPT, error_type=UNKEPT)
    run = store.run(run_id)
    assert [run.name, run.note, run.owner, run.error, run.error_type, *run.tags] == [KEPT] * 6
    assert store.samples(run_id).words[0] == [UNKEPT], "of JSON it is part, as an escape"
    other = Corpus(UNKEPT, (*corpus.words, "eve"), corpus.report)
    assert store.corpus(store.add_corpus(other, UNKEPT)).name == KEPT
    sweep = store.create_sweep(Sweep(base=config, axes=AXES), name=UNKEPT, question=UNKEPT, owner=UNKEPT)
    store.end_sweep(sweep, SweepState.STOPPED, UNKEPT)
    sweep = store.sweep(sweep.id)
    assert [sweep.name, sweep.question, sweep.owner, sweep.error] == [KEPT] * 4
    assert store.usage(UNKEPT).corpora == 1


def test_looking_for_what_no_text_of_a_database_holds_finds_what_was_kept_of_it_and_nothing_else(
    store: RunStore, config: RunConfig
) -> None:
    store.create(config, name="ab")
    run_id = store.create(config, name=UNKEPT, owner=UNKEPT).id
    store.tag([run_id], UNKEPT)
    for which in (RunFilter(text="\0"), RunFilter(owner=UNKEPT), RunFilter(tags=[UNKEPT]), RunFilter(text=UNKEPT)):
        assert [run.id for run in store.runs(which)] == [run_id]
    assert store.runs(RunFilter(ids=[f"{run_id}\0"])) == store.runs(RunFilter(sweep="\0", parent="\0")) == []
    for call in (store.run, store.whole_id, store.request_stop, lambda wrong: store.delete(run_id, wrong)):
        with pytest.raises(ValueError, match="run must be in the store, got id"):
            call(f"{run_id}\0")
    with pytest.raises(ValueError, match="corpus must be in the store"):
        store.corpus("\0")
    with pytest.raises(ValueError, match="sweep must be in the store"):
        store.sweep("\0")
    store.untag([run_id], UNKEPT)
    assert store.tags() == {}


def test_text_and_numbers_are_no_longer_than_a_column(store: RunStore, config: RunConfig, corpus: Corpus) -> None:
    owner = "é" * 256
    other = Corpus("x" * 300, (*corpus.words, "eve"), corpus.report)
    for call in (
        lambda: store.create(config, owner=owner),
        lambda: store.add_corpus(other, owner),
        lambda: store.create_sweep(Sweep(base=config, axes=AXES), name="x", owner=owner),
    ):
        with pytest.raises(ValueError, match=r"^owner must be at most 255 characters, got 'éé"):
            call()
    assert store.corpus(store.add_corpus(other, owner[1:])).name == "x" * 255
    run_id, token = run_in(store, config, S.RUNNING)
    store.finish(run_id, token, S.FAILED, error="é" * 100_000, error_type="E" * 100)
    run = store.run(run_id)
    assert (run.error, run.error_type) == ("é" * 100_000, "E" * 64)
    store.tag([run_id], "é" * MAX_TAG)
    assert store.runs(RunFilter(owner=owner, tags=["é" * 1_000])) == store.runs(RunFilter(ids=["x" * 1_000])) == []
    for step in (2**31, 2**70, -1):
        with pytest.raises(ValueError, match="step must be one whose weights run"):
            store.origin(run_id, step)
    assert store.collect([run_id], limit=2**40) == (0, 0)


def test_invalid_requests_are_refused(store: RunStore, config: RunConfig) -> None:
    with pytest.raises(ValueError, match="corpus must be in the store"):
        store.create(RunConfig(corpus_sha256="0" * 64))
    with pytest.raises(ValueError, match="corpus must be in the store"):
        store.corpus("0" * 64)
    with pytest.raises(ValueError, match="name must have 1 to 200 characters, got 0"):
        store.rename(store.create(config).id, "  ")
    with pytest.raises(ValueError, match="name must have 1 to 200 characters, got 201"):
        store.create(config, name="x" * 201)


# ---- files


@pytest.mark.parametrize("version", range(1, schema.SCHEMA_VERSION + 1))
def test_a_store_of_every_released_schema_opens(database: Databases, version: int) -> None:
    store = RunStore(database.old(version))
    waiting, run = store.runs()
    assert (run.name, run.owner, run.note) == (f"From schema {version}", "someone", "written by write_store.py")
    assert (run.state, run.step, run.test_openings) == (S.FINISHED, 20, 1)
    assert run.config.train == TrainConfig(max_steps=20, batch_size=8)
    assert set(run.losses) >= {"train_loss", "val_loss", "test_loss"}
    assert store.history(run.id).step.iloc[-1] == 20
    assert len(store.samples(run.id).words.iloc[-1]) == 8
    assert store.weights(run.id)
    assert store.train_state(run.id)
    kept = [checkpoint.step for checkpoint in store.checkpoints(run.id)]
    assert (run.checkpoints, kept) == ((0, []) if version == 1 else (40, list(range(21))))
    assert (run.test_opened is not None) == (version >= 3), "A2: before, the time was not kept"
    assert "zoë" in store.corpus(run.config.corpus_sha256).words
    token = store.claim(waiting.id)
    assert token
    store.record(waiting.id, token, Progress(points=[point(0)], checkpoints=[checkpoint(0)]))
    assert store.checkpoints(waiting.id) == [checkpoint(0)]
    store.close()
    copied = database.folder / f"schema-{version}.sqlite.schema{version}.bak"
    assert copied.exists() == (version < schema.SCHEMA_VERSION and SERVER is None)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE schema_version (version INTEGER)")
        database.execute(f"INSERT INTO schema_version VALUES ({schema.SCHEMA_VERSION + 1})")
        database.commit()


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE recipes (title TEXT)")
        database.commit()


def truncated(path: Path) -> None:
    path.write_bytes((STORES / "schema-1.sqlite").read_bytes()[:5_000])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (newer, f"schema version {schema.SCHEMA_VERSION} or older, got {schema.SCHEMA_VERSION + 1}"),
        (foreign, "must be empty or hold runs, got .* with tables recipes"),
        (truncated, "must be a database that can be opened"),
        (lambda path: path.write_bytes(b"emma\nolivia\n" * 999), "must be a database that can be opened"),
    ],
)
def test_a_file_that_is_no_store_of_ours_is_left_untouched(
    tmp_path: Path, make: Callable[[Path], Any], message: str
) -> None:
    make(tmp_path / "file.sqlite")
    before = contents(tmp_path)
    store = RunStore(str(tmp_path / "file.sqlite"))
    for _ in range(2):
        with pytest.raises(ValueError, match=message):
            store.runs()
    store.close()
    assert contents(tmp_path) == before


def child_writes(store: RunStore, parents: sa.Engine, run_id: str, token: str) -> None:
    assert store._connected() is not parents
    for step in range(50):
        store.record(run_id, token, Progress(points=[point(step)]))


def test_a_forked_process_makes_its_own_connection(store: RunStore, config: RunConfig) -> None:
    run_id, token = run_in(store, config, S.RUNNING)
    engine = store._connected()
    child = multiprocessing.get_context("fork").Process(target=child_writes, args=(store, engine, run_id, token))
    child.start()
    runs: list[Run] = [run for _ in range(50) for run in store.runs()]
    child.join(20)
    assert child.exitcode == 0
    assert store._connected() is engine
    assert len(runs) == 50
    assert len(store.history(run_id)) == 50


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://", "must be a file or a server"),
        ("sqlite:///:memory:", "must be a file or a server"),
        ("://", "must be a file or a URL, such as postgresql"),
        ("mysql://u:secret@h/x", r"must be a SQLite file or a PostgreSQL database, got 'mysql://u:\*\*\*@h/x'"),
        ("postgresql://u:secret@h:port/x", r"must be a file or a URL, such as .*, got 'postgresql://\*\*\*@h:port/x'"),
    ],
)
def test_an_impossible_url_is_refused(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RunStore(url)


@pytest.mark.parametrize(
    "url", ["postgresql+nosuchdriver://u:secret@h/x", "postgresql+none://h/x?password=secret", "sqlite:////proc/x/y"]
)
def test_a_database_that_cannot_be_opened_is_named_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="must be a database that can be opened, got ") as caught:
        RunStore(url).runs()
    assert "secret" not in str(caught.value)


def test_the_default_is_in_the_project_and_may_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    monkeypatch.delenv("MMCORE_STORE", raising=False)
    assert RunStore().url == f"sqlite:///{tmp_path}/runs/makemore.sqlite"
    monkeypatch.setenv("MMCORE_STORE", "postgresql://u:p@h/x")
    assert RunStore().url == "postgresql://u:p@h/x"


def test_store_and_jobs_do_not_import_torch_or_streamlit() -> None:
    code = "import sys, mmcore.store, mmcore.jobs; print(sorted({'torch', 'streamlit'} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
