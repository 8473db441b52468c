"""What one visitor may have waiting and keep, and turns between visitors."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from mmcore import Corpus, Run, RunConfig, RunState, RunStore, TrainConfig, corpus_from_words
from mmcore.architectures import model_config
from mmcore.jobs import run_inline
from mmcore.limits import Limits, Usage
from tests.databases import Databases

WORDS = ("emma", "olivia", "ava", "isabella", "sophia", "mia", "zoë", "amelia") * 3


@pytest.fixture
def store(database: Databases) -> RunStore:
    return RunStore(database("store"))


@pytest.fixture
def config(store: RunStore) -> RunConfig:
    sha256 = store.add_corpus(corpus_from_words(WORDS, "few"))
    return RunConfig(
        corpus_sha256=sha256, model=model_config(hidden_sizes=(8,)), train=TrainConfig(max_steps=20, batch_size=8)
    )


def named(number: int) -> Corpus:
    return corpus_from_words([*WORDS, "x" * (number + 1)], f"corpus {number}")


def begin(store: RunStore) -> Run:
    """Let a worker take the run that is next."""
    run_id = store.queued()[0]
    assert store.claim(run_id)
    return store.run(run_id)


def test_c6_twenty_clicks_of_one_visitor_do_not_hold_back_another(store: RunStore, config: RunConfig) -> None:
    many = [store.create(config, name=f"ada {i}", owner="ada").id for i in range(20)]
    first = begin(store)
    late = store.create(config, owner="bob")
    assert store.queue_position(late.id) == 1
    assert begin(store).id == late.id
    assert first.id == many[0]
    assert store.queued() == many[1:], "of one visitor, the oldest first"


def test_c6_visitors_with_many_runs_take_turns_on_one_worker(store: RunStore, config: RunConfig) -> None:
    for owner in ("ada", "ada", "ada", "bob", "bob", None):
        store.create(config, owner=owner)
    served = []
    for _ in range(6):
        run_id = store.queued()[0]
        run_inline(store, run_id)
        served.append(store.run(run_id).owner)
    assert served == ["ada", "bob", None, "ada", "bob", "ada"]


def test_c6_the_whole_queue_is_in_the_order_in_which_it_will_begin(store: RunStore, config: RunConfig) -> None:
    for owner in ("ada", "ada", "ada", "bob", "bob"):
        store.create(config, owner=owner)
    assert [store.run(run_id).owner for run_id in store.queued()] == ["ada", "bob", "ada", "bob", "ada"]


@pytest.mark.parametrize("owners", ["aaaaaaa", "aaaabb-", "-a-bb--c", "abcdaabbb"])
def test_the_first_of_the_queue_are_those_of_the_whole(store: RunStore, config: RunConfig, owners: str) -> None:
    for owner in owners:
        store.create(config, owner=None if owner == "-" else owner)
    for _ in range(3):
        whole = store.queued()
        for limit in range(len(owners) + 2):
            assert store.queued(limit=limit) == whole[:limit]
        begin(store)


def test_c6_waiting_runs_of_one_visitor_are_limited(
    store: RunStore, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCORE_MAX_WAITING", "2")
    first, _ = (store.create(config, owner="ada") for _ in range(2))
    with pytest.raises(ValueError, match=r"^waiting runs must be at most 2 for one visitor, got 2 and 1 more"):
        store.create(config, owner="ada")
    assert store.usage("ada").said()["waiting"] == "2 of 2 waiting runs"
    store.create(config, owner="bob")
    store.create(config)  # the command line's
    store.request_stop(first.id)
    store.create(config, owner="ada")
    with pytest.raises(ValueError, match="waiting runs must be at most 2"):
        store.continue_run(first.id)
    assert len(store.runs()) == 5


def test_c6_a_run_that_is_stored_as_it_is_does_not_wait(
    store: RunStore, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCORE_MAX_WAITING", "1")
    store.create(config, owner="ada")
    assert store.create(config, owner="ada", token="secret").state is RunState.RUNNING


def test_c6_corpora_of_one_visitor_are_limited(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMCORE_MAX_CORPORA", "2")
    for number in range(2):
        store.add_corpus(named(number), owner="ada")
    store.add_corpus(named(1), owner="ada")  # is there already
    with pytest.raises(ValueError, match=r"^corpora must be at most 2 for one visitor, got 2 and 1 more: delete one"):
        store.add_corpus(named(2), owner="ada")
    store.delete_corpus(named(0).sha256)
    store.add_corpus(named(2), owner="ada")
    store.add_corpus(named(3), owner="bob")
    store.add_corpus(named(4))
    assert store.usage("ada").corpora == 2


def test_c6_what_one_visitor_stores_is_limited(
    store: RunStore, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCORE_MAX_STORED_MB", "1")
    large = corpus_from_words(["ab" * 400 + str(i) for i in range(1_000)], "large")
    store.add_corpus(large, owner="ada")
    assert store.usage("ada").stored == len("\n".join(large.words)) + 1
    with pytest.raises(
        ValueError, match=r"^room for runs and corpora must be at most 1 MB for one visitor, got 804 kB and 3"
    ):
        store.create(config, owner="ada")
    with pytest.raises(ValueError, match="room for runs and corpora must be at most 1 MB"):
        store.add_corpus(corpus_from_words(large.words[:500], "half"), owner="ada")
    store.create(config, owner="bob")


def test_c6_runs_that_have_not_ended_count_as_what_they_will_have(
    store: RunStore, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCORE_MAX_STORED_MB", "1")
    first, _ = (store.create(config, owner="ada") for _ in range(2))
    reserved = store.usage("ada").stored
    assert 2 * 300_000 < reserved < 10**6
    with pytest.raises(ValueError, match="room for runs and corpora must be at most 1 MB"):
        store.create(config, owner="ada")
    run_inline(store, first.id)
    assert store.usage("ada").stored == reserved // 2 + store.stored()[first.id]
    with store._write() as db:
        db.execute(sa.text("UPDATE runs SET config = '{}'"))  # of another version
    store.create(config, owner="ada")


def test_c6_what_a_run_takes_is_counted(store: RunStore, config: RunConfig) -> None:
    run, waiting = store.create(config, owner="ada"), store.create(config)
    run_inline(store, run.id)
    weights, state, film = store.weights(run.id), store.train_state(run.id), store.checkpoints(run.id)
    assert weights and state and film
    blobs = len(weights) + len(state) + sum(len(checkpoint.weights) for checkpoint in film)
    stored = store.stored()
    assert blobs < stored[run.id] < blobs + 30_000
    assert stored[waiting.id] == 0
    assert store.usage("ada") == Usage(waiting=0, corpora=0, stored=stored[run.id])
    store.collect([run.id], limit=0)
    assert store.stored()[run.id] < stored[run.id] - sum(len(checkpoint.weights) for checkpoint in film)


def test_c6_a_corpus_without_runs_can_be_deleted(store: RunStore, config: RunConfig) -> None:
    run = store.create(config)
    with pytest.raises(ValueError, match="a corpus must have no runs to be deleted, got one with 1"):
        store.delete_corpus(config.corpus_sha256)
    store.delete(run.id)
    store.delete_corpus(config.corpus_sha256)
    assert store.corpora().empty
    with pytest.raises(ValueError, match="corpus must be in the store"):
        store.delete_corpus(config.corpus_sha256)


def test_c6_a_note_has_an_end(store: RunStore, config: RunConfig) -> None:
    run = store.create(config)
    store.annotate(run.id, "x" * 2_000)
    with pytest.raises(ValueError, match="note must have at most 2,000 characters, got 2,001"):
        store.annotate(run.id, "x" * 2_001)


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Limits.of_environment() == Limits()
    monkeypatch.setenv("MMCORE_MAX_CORPORA", "3")
    assert Limits.of_environment() == Limits(corpora=3)
    monkeypatch.setenv("MMCORE_MAX_CORPORA", "many")
    with pytest.raises(ValueError, match=r"^MMCORE_MAX_CORPORA must be a whole number from 1, got 'many'$"):
        Limits.of_environment()


def test_a_run_that_another_tab_adds_between_two_looks_is_counted(
    store: RunStore, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create(config, owner="ada")
    whole = store.usage("ada").stored
    monkeypatch.setattr("mmcore.store.usage.stored_bytes", lambda db, which: {})
    assert 0 < store.usage("ada").stored == whole
