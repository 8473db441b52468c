"""A PostgreSQL that is away while a run is trained: cut off, silent or killed, it costs a pause and not the run."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from benchmarks.databases import PostgreSQL, away
from mmcore import BUNDLED_NAMES, JobQueue, RunConfig, RunState, RunStore, TrainConfig, load, read_words
from mmcore.architectures import model_config
from mmcore.dataset import build_dataset
from mmcore.jobs.execution import LONGEST_PAUSE, Training
from mmcore.store import LEASE_SECONDS, StoreUnavailable
from mmcore.train_state import TrainState
from mmcore.training import Step, train
from tests.thread_worker import ThreadWorkers
from tests.waiting import until

if not PostgreSQL.is_there():
    pytest.skip("needs PostgreSQL where Debian puts it", allow_module_level=True)

ENDLESS = 100_000_000
CUT = LEASE_SECONDS + 1.0  # so that the lease expires meanwhile


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    started = PostgreSQL()
    try:
        yield started
    finally:
        started.close()


@pytest.fixture
def store(database: PostgreSQL) -> Iterator[RunStore]:
    """As somebody sees it whom no proxy cuts off."""
    opened = RunStore(database.direct)
    yield opened
    opened.close()


@pytest.fixture
def run_id(store: RunStore) -> str:
    model = model_config(context_size=2, embedding_dim=4, hidden_sizes=(20,))
    constant = TrainConfig(max_steps=ENDLESS, schedule="constant", learning_rate=0.001)
    sha256 = store.add_corpus(read_words(BUNDLED_NAMES))
    return store.create(RunConfig(corpus_sha256=sha256, model=model, train=constant)).id


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """The steps of all points that the worker makes, stored or not, and when."""
    steps: dict[int, float] = {}
    usual = Training.tick

    def tick(training: Training, step: Step) -> bool:
        steps[step.step] = time.monotonic()
        return usual(training, step)

    monkeypatch.setattr(Training, "tick", tick)
    return steps


def undisturbed(store: RunStore, config: RunConfig, steps: int) -> torch.Tensor:
    dataset = build_dataset(store.corpus(config.corpus_sha256), config.split, config.model.context_size)
    state = TrainState(config.model, config.train.replace(max_steps=steps), dataset.vocab.size)
    for _ in train(state, dataset):
        pass
    return state.model.flat


class States:
    """Those in which a run is seen, all the time."""

    def __init__(self, store: RunStore, run_id: str) -> None:
        self.seen, self._over = set[RunState](), threading.Event()
        self._thread = threading.Thread(target=self._look, args=(store, run_id))

    def _look(self, store: RunStore, run_id: str) -> None:
        while not self._over.wait(0.01):
            try:
                self.seen.add(store.run(run_id).state)
            except StoreUnavailable:
                continue

    def __enter__(self) -> States:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.parametrize("how", PostgreSQL.cuts)
def test_a_database_that_is_away_longer_than_the_lease_costs_a_pause_and_no_point(
    database: PostgreSQL,
    store: RunStore,
    run_id: str,
    made: dict[int, float],
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    monkeypatch.setattr("mmcore.store.store.lives", lambda worker: False)  # as of a worker on another machine
    with JobQueue(database.url, ThreadWorkers(1)):
        until(lambda: store.run(run_id).weights_step, "weights are saved")
        with States(store, run_id) as states:
            with away(database, how):
                began = time.monotonic()
                over = began + CUT
                until(lambda: time.monotonic() > over, "the end of the cut")
            newest = max(made)
            until(lambda: store.run(run_id).step >= newest, "what was kept back is stored", LONGEST_PAUSE + 8)
        store.request_stop(run_id)
        until(lambda: store.run(run_id).state is RunState.STOPPED, "it has stopped")
    run = store.run(run_id)
    assert states.seen == {RunState.RUNNING}, "nobody took it for lost"
    lost = [at for step, at in made.items() if step not in set(store.history(run_id)["step"])]
    young = how == "server killed"  # a tick's write is on its disk within a second
    assert all(young and began - 1 < at <= began for at in lost), "every older point of the curve is there"
    weights = load(store.weights(run_id) or b"").model.flat
    assert torch.equal(weights, undisturbed(store, run.config, run.step))
