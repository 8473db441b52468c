"""Deleted runs: nowhere to be found, back with everything, gone for good after a day; and the tags of runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from mmcore import Run, RunConfig, RunState, RunStore, TrainConfig, corpus_from_words
from mmcore.architectures import model_config
from mmcore.jobs import JobQueue
from mmcore.store import KEPT_SECONDS, Progress, RunFilter, SavedWeights, StaleToken
from mmcore.store.schema import RUNS
from mmcore.sweeps import Axis, Sweep
from mmcore.training import Step
from tests.databases import Databases
from tests.thread_worker import ThreadWorkers
from tests.waiting import until

IN_BIN = RunFilter(deleted=True)


@pytest.fixture
def store(database: Databases) -> RunStore:
    return RunStore(database("store"))


@pytest.fixture
def config(store: RunStore) -> RunConfig:
    sha256 = store.add_corpus(corpus_from_words(["emma", "ava", "zoë", "mia", "ann"], "five"))
    return RunConfig(corpus_sha256=sha256, model=model_config(context_size=2, embedding_dim=2, hidden_sizes=(4,)))


def trained(store: RunStore, config: RunConfig, state: RunState = RunState.FINISHED, **options: Any) -> Run:
    """A run that has ended, with a point, a sample and weights."""
    run = store.create(config, token="mine", **options)
    point = Step(step=0, learning_rate=0.1, seconds=0.0, train_loss=3.0, val_loss=3.1)
    saved = SavedWeights(weights=b"w", train_state=b"t", losses={"val_loss": 3.1})
    store.finish(run.id, "mine", state, Progress(points=[point], samples=(0, ["a"]), saved=saved))
    return store.run(run.id)


def age(store: RunStore, run_id: str, seconds: float) -> None:
    """Make it so many seconds longer that a run has been in the bin."""
    with store._write() as db:
        db.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(deleted=RUNS.c.deleted - seconds))


def test_a_deleted_run_is_found_by_nothing(store: RunStore, config: RunConfig) -> None:
    gone = trained(store, config, name="gone")
    kept = trained(store, config.replace(train=TrainConfig(seed=2)), name="kept")
    store.tag([gone.id], "mine")
    store.delete(gone.id)
    assert [run.id for run in store.runs()] == [kept.id] == [run.id for run in store.summaries()]
    assert store.count() == 1 and list(store.runs_table()["id"]) == [kept.id]
    asked = {"configs": [config], "text": gone.id, "states": [RunState.FINISHED], "ids": [gone.id], "tags": ["mine"]}
    for name, value in asked.items():
        found = store.runs(RunFilter(**{name: value}))
        assert gone.id not in [run.id for run in found], name
    assert store.corpora()["runs"].tolist() == [1]
    assert store.tags() == {} and set(store.stored()) == {kept.id}
    newest = store.latest()
    assert newest and newest.id == kept.id
    assert [run.id for run in store.runs(IN_BIN)] == [gone.id], "in the bin it is"
    assert store.whole_id(gone.id[:6], IN_BIN) == gone.id


CALLS: dict[str, Callable[[RunStore, str], Any]] = {
    "run": lambda store, run: store.run(run),
    "whole_id": lambda store, run: store.whole_id(run),
    "rename": lambda store, run: store.rename(run, "x"),
    "annotate": lambda store, run: store.annotate(run, "x"),
    "open_test": lambda store, run: store.open_test(run),
    "delete": lambda store, run: store.delete(run),
    "stop": lambda store, run: store.request_stop(run),
    "continue": lambda store, run: store.continue_run(run),
    "tag": lambda store, run: store.tag([run], "x"),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_deleted_run_takes_no_orders(store: RunStore, config: RunConfig, call: str) -> None:
    run = trained(store, config, RunState.STOPPED)
    store.delete(run.id)
    with pytest.raises(ValueError, match=f"run must be in the store, got id '{run.id}'"):
        CALLS[call](store, run.id)


def test_a_restored_run_is_as_it_was(store: RunStore, config: RunConfig) -> None:
    run = trained(store, config)
    store.tag([run.id], "mine")
    store.delete(run.id)
    assert store.restore([run.id, "nope"]) == [run.id]
    assert store.run(run.id).tags == ("mine",)
    assert len(store.history(run.id)) == 1 and store.weights(run.id) == b"w" and store.train_state(run.id) == b"t"
    assert store.restore([run.id]) == [], "it was not in the bin"
    assert not store.count(IN_BIN)


def test_several_go_together_or_none(store: RunStore, config: RunConfig) -> None:
    runs = [trained(store, config), store.create(config, token="works"), store.create(config)]
    with pytest.raises(ValueError, match="a run must be stopped before it is deleted, got one that is running"):
        store.delete(*(run.id for run in runs))
    with pytest.raises(ValueError, match="run must be in the store, got id 'nope'"):
        store.delete(runs[0].id, "nope")
    assert store.count() == 3
    store.delete(runs[0].id, runs[2].id)
    assert store.count() == 1


def test_a_run_that_waits_is_stopped_first(store: RunStore, config: RunConfig) -> None:
    run = store.create(config, owner="someone")
    store.delete(run.id)
    assert not store.queued() and store.usage("someone").waiting == 0 and store.claim(run.id) is None
    store.restore([run.id])
    assert store.run(run.id).state is RunState.STOPPED and store.run(run.id).ended
    assert store.continue_run(run.id).state is RunState.QUEUED


def test_a_worker_that_was_only_slow_does_not_take_a_run_out_of_the_bin(store: RunStore, config: RunConfig) -> None:
    run = store.create(config, token="slow")
    with store._write() as db:  # as its lease ends when no one knows the worker
        db.execute(sa.update(RUNS).values(state=RunState.INTERRUPTED))
    store.delete(run.id)
    with pytest.raises(StaleToken):
        store.record(run.id, "slow")
    store.restore([run.id])
    store.record(run.id, "slow")
    assert store.run(run.id).state is RunState.RUNNING


def test_the_bin_takes_room_until_it_is_emptied(store: RunStore, config: RunConfig) -> None:
    run = trained(store, config, owner="someone")
    before = store.usage("someone").stored
    store.delete(run.id)
    assert store.usage("someone").stored == before > 0
    assert store.empty_bin() == 1
    assert store.usage("someone").stored == 0


def test_only_what_has_been_there_for_long_goes_for_good(store: RunStore, config: RunConfig) -> None:
    runs = [trained(store, config.replace(train=TrainConfig(seed=seed))) for seed in range(120)]
    store.delete(*(run.id for run in runs[1:]))
    age(store, runs[1].id, 60)
    assert store.empty_bin(30) == 1 and store.count(IN_BIN) == 118
    assert store.empty_bin(run_ids=[runs[0].id, runs[2].id]) == 1, "what is not in the bin stays"
    assert store.empty_bin() == 117 and store.count() == 1


def test_the_queue_empties_the_bin_after_a_day(store: RunStore, config: RunConfig) -> None:
    old, new = trained(store, config), trained(store, config)
    store.delete(old.id, new.id)
    age(store, old.id, KEPT_SECONDS)
    with JobQueue(store.url, ThreadWorkers(1)):
        until(lambda: store.count(IN_BIN) == 1, "the old one is gone")
    assert store.restore([old.id, new.id]) == [new.id]


def test_a_corpus_takes_its_deleted_runs_with_it_and_not_its_sweeps(store: RunStore, config: RunConfig) -> None:
    run = trained(store, config)
    axis = Axis(name="context_size", values=(1, 2))
    sweep = store.create_sweep(Sweep(base=config, axes=(axis,)), name="two")
    with pytest.raises(ValueError, match="a corpus must have no runs to be deleted, got one with 1"):
        store.delete_corpus(config.corpus_sha256)
    store.delete(run.id)
    with pytest.raises(ValueError, match="a corpus must have no sweeps to be deleted, got one with 1"):
        store.delete_corpus(config.corpus_sha256)
    store.delete_sweep(sweep.id)
    store.delete_corpus(config.corpus_sha256)
    assert not store.count(IN_BIN)


def test_a_sweep_trains_again_what_was_deleted_and_counts_it_once(store: RunStore, config: RunConfig) -> None:
    sweep = store.create_sweep(Sweep(base=config, axes=(Axis(name="context_size", values=(1, 2)),)), name="two")
    elsewhere = trained(store, config)
    store.delete(elsewhere.id)
    (first,) = store.add_to_sweep(sweep.id, [(config, "a")], known=0) or ()
    assert first != elsewhere.id, "what is in the bin is not taken as its own"
    store.delete(first)
    assert store.count(RunFilter(sweep=sweep.id)) == 0
    (again,) = store.add_to_sweep(sweep.id, [(config, "b")], known=0) or ()
    assert again != first
    store.restore([first])
    assert [run.id for run in store.runs(RunFilter(sweep=sweep.id))] == [again], "one of two alike"
    store.delete(again)
    store.restore([again])
    assert [run.id for run in store.runs(RunFilter(sweep=sweep.id))] == [again]


# ---- tags and other ways to find runs


def test_tags_are_given_counted_searched_for_and_taken(store: RunStore, config: RunConfig) -> None:
    first, second, third = (store.create(config).id for _ in range(3))
    store.tag([first, second], " to  keep ")
    store.tag([first], "to keep")
    store.tag([first], "Best")
    assert store.run(first).tags == ("Best", "to keep") and store.run(third).tags == ()
    assert store.tags() == {"Best": 1, "to keep": 2}
    assert {run.id for run in store.runs(RunFilter(tags=["to keep"]))} == {first, second}
    assert {run.id for run in store.runs(RunFilter(tags=["to keep", "Best"]))} == {first}
    assert list(store.runs_table()["tags"])[-1] == "Best, to keep"
    store.untag([first, third], "to keep")
    assert store.tags() == {"Best": 1, "to keep": 1}


@pytest.mark.parametrize(
    ("tag", "sentence"),
    [
        ("  ", "tag must have 1 to 40 characters, got 0"),
        ("x" * 41, "tag must have 1 to 40 characters, got 41"),
        ("a, b", "tag must be without commas, got 'a, b'"),
    ],
)
def test_what_is_no_tag_is_refused(store: RunStore, config: RunConfig, tag: str, sentence: str) -> None:
    run_id = store.create(config).id
    with pytest.raises(ValueError, match=sentence):
        store.tag([run_id], tag)
    with pytest.raises(ValueError, match="run must be in the store, got id 'nope'"):
        store.tag([run_id, "nope"], "fine")
    assert store.tags() == {}


def test_tags_of_many_runs_are_read_with_them(store: RunStore, config: RunConfig) -> None:
    for _ in range(20):
        store.tag([store.create(config).id], "mine")
    statements: list[str] = []
    sa.event.listen(store._connected(), "before_cursor_execute", lambda *seen: statements.append(seen[2]))
    assert [run.tags for run in store.runs()] == [("mine",)] * 20
    assert len([text for text in statements if text.startswith("SELECT")]) == 1


def test_runs_of_an_architecture_are_found(store: RunStore, config: RunConfig) -> None:
    gru = model_config(architecture="gru", context_size=2, embedding_dim=2, hidden_size=4)
    ids = {"mlp": store.create(config).id, "gru": store.create(config.replace(model=gru)).id}
    for name, run_id in ids.items():
        assert [run.id for run in store.runs(RunFilter(architectures=[name]))] == [run_id]
    assert len(store.runs(RunFilter(architectures=["mlp", "gru", "lstm"]))) == 2
    assert not store.runs(RunFilter(architectures=["lstm"])) and not store.runs(RunFilter(architectures=[]))
    with store._write() as db:  # as runs were written when there was one architecture only
        db.execute(sa.text("""UPDATE runs SET config = replace(config, '"architecture": "mlp", ', '')"""))
    assert [run.id for run in store.runs(RunFilter(architectures=["mlp"]))] == [ids["mlp"]]
