"""Throw-away models: reproducible, within a budget, one worker shared fairly."""

from __future__ import annotations

import pickle
from concurrent.futures import CancelledError
from pathlib import Path

import pytest
import torch

from mmcore import (
    ARCHITECTURES,
    Corpus,
    RunConfig,
    RunState,
    RunStore,
    TrainConfig,
    TrainingDiverged,
    build_dataset,
    corpus_from_words,
    evaluate,
    load,
    play,
    steps_within,
)
from mmcore.architectures import model_config
from mmcore.diagnosis import longer
from mmcore.jobs import Worker, run_inline
from mmcore.playground import MIN_STEPS, BudgetTooSmall, TooManySteps, keep, request

WORDS = ("anna", "hannah", "bob", "otto", "eve", "ada", "elle", "noon", "level", "kayak", "anna", "nan")


@pytest.fixture
def corpus() -> Corpus:
    return corpus_from_words(WORDS, "palindromes")


@pytest.fixture
def config(corpus: Corpus) -> RunConfig:
    model, train = model_config(embedding_dim=4, hidden_sizes=(8,)), TrainConfig(max_steps=40, batch_size=16)
    return RunConfig(corpus_sha256=corpus.sha256, model=model, train=train)


def test_the_same_config_gives_the_same_model(corpus: Corpus, config: RunConfig) -> None:
    data = build_dataset(corpus, config.split, 3)
    first, second = play(config, data), play(config, data)
    models = [load(result.weights).model for result in (first, second)]
    assert torch.equal(models[0].flat, models[1].flat)
    assert first.losses == second.losses
    assert first.losses["val_loss"] == evaluate(models[0], data.val).loss
    assert (first.step, first.parameters, first.samples) == (40, models[0].flat.numel(), second.samples)
    other = play(config.replace(train=config.train.replace(seed=2)), data)
    assert other.losses != first.losses


def test_the_test_split_is_not_even_built(corpus: Corpus, config: RunConfig) -> None:
    data = build_dataset(corpus, config.split, 3)
    result = play(config, data)
    assert "train" in vars(data)
    assert "test" not in vars(data)
    assert set(result.losses) <= {"train_loss", "val_loss", "val_loss_unseen"}


def test_a_budget_becomes_a_number_of_steps(corpus: Corpus, config: RunConfig, tmp_path: Path) -> None:
    data = build_dataset(corpus, config.split, 3)
    counts = [steps_within(budget, config, data) for budget in (0.05, 5.0)]
    assert counts[0] < counts[1] / 5
    assert all(len(str(count).rstrip("0")) <= 2 for count in counts)
    with pytest.raises(ValueError, match=r"budget must be from 0\.05 to 60 seconds, got 0"):
        steps_within(0, config, data)
    store = RunStore(str(tmp_path / "store.sqlite"))
    store.add_corpus(corpus)
    within = request(Worker(), store.url, config.replace(train=config.train.replace(max_steps=1)), 0.1)
    assert within.step == within.config.train.max_steps >= MIN_STEPS
    again = request(Worker(), store.url, within.config)
    assert again.losses == within.losses, "the steps found, and not the budget, reproduce a result"
    store.close()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_is_compiled_is_ready_before_the_clock_runs(
    corpus: Corpus, config: RunConfig, tmp_path: Path, architecture: str
) -> None:
    store, train = RunStore(f"sqlite:///{tmp_path}/store.sqlite"), config.train.replace(compiled=True)
    store.add_corpus(corpus)
    first = ARCHITECTURES[architecture].samplers[0]
    config = config.replace(model=model_config(architecture=architecture), train=train.replace(sampler=first))
    worker = Worker()
    answers = [request(worker, store.url, config) for _ in range(2)]
    models = [load(answer.weights).model for answer in answers]
    assert answers[0].losses == answers[1].losses and torch.equal(models[0].flat, models[1].flat)


def test_a_budget_that_the_losses_alone_use_up_is_refused_with_the_seconds_needed(
    corpus: Corpus, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = build_dataset(corpus, config.split, 3)
    unhindered = steps_within(1.0, config, data)
    monkeypatch.setattr("mmcore.evaluation.expected_seconds", lambda *_: 0.45)
    assert MIN_STEPS <= steps_within(1.0, config, data) < unhindered / 2, "0.1 s are left, not 0.6"
    with pytest.raises(
        BudgetTooSmall, match=r"budget must be at least 0\.9 seconds for this MLP, got 0\.5: an "
    ) as told:
        steps_within(0.5, config, data)
    copied = pickle.loads(pickle.dumps(told.value))
    assert (str(copied), copied.needed) == (str(told.value), told.value.needed)


def test_c4_training_ends_at_the_limit_and_says_how_far_it_got(corpus: Corpus, config: RunConfig) -> None:
    data = build_dataset(corpus, config.split, 3)
    endless = config.replace(train=config.train.replace(max_steps=1_000_000))
    with pytest.raises(
        TooManySteps, match=r"steps must be at most about [\d,]+ for this MLP, got 1,000,000: a"
    ) as told:
        play(endless, data, limit=0.2)
    assert 0 < told.value.parts[2] < 1_000_000
    assert f"enough for {told.value.parts[2]:,} updates" in str(told.value)
    assert str(pickle.loads(pickle.dumps(told.value))) == str(told.value)


def test_c2_losses_that_take_long_are_left_when_nobody_waits(
    corpus: Corpus, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = build_dataset(corpus, config.split, 3)
    monkeypatch.setattr(type(config.model), "rows_at_once", 1)
    asked: list[int] = []

    def wanted() -> bool:
        asked.append(len(asked))
        return len(asked) < 4

    with pytest.raises(CancelledError):
        play(config, data, wanted=wanted)
    assert len(asked) <= 6 < len(data.train.counts.contexts), "within the first losses"


def test_c4_a_worker_ends_a_request_that_was_withdrawn(corpus: Corpus, config: RunConfig, tmp_path: Path) -> None:
    store = RunStore(str(tmp_path / "store.sqlite"))
    store.add_corpus(corpus)
    withdrawn = tmp_path / "withdrawn"
    withdrawn.touch()
    endless = config.replace(train=config.train.replace(max_steps=1_000_000))
    with pytest.raises(CancelledError):
        request(Worker(), store.url, endless, None, withdrawn)
    withdrawn.unlink()
    assert request(Worker(), store.url, config, None, withdrawn).step == 40
    store.close()


def test_c4_a_worker_has_a_limit_of_its_own(
    corpus: Corpus, config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore(str(tmp_path / "store.sqlite"))
    store.add_corpus(corpus)
    monkeypatch.setattr("mmcore.playground.MOST_SECONDS", 0.2)
    with pytest.raises(TooManySteps, match=r"a model may train for 0\.2 s here"):
        request(Worker(), store.url, config.replace(train=config.train.replace(max_steps=1_000_000)))
    store.close()


def test_keeping_stores_a_finished_run(corpus: Corpus, config: RunConfig, tmp_path: Path) -> None:
    store = RunStore(str(tmp_path / "store.sqlite"))
    store.add_corpus(corpus)
    result = play(config, build_dataset(corpus, config.split, 3))
    run = keep(store, result, "kept")
    assert (run.state, run.name, run.config, run.step) == (RunState.FINISHED, "kept", config, 40)
    assert run.losses == result.losses
    assert store.weights(run.id) == result.weights
    assert store.history(run.id).val_loss.iloc[-1] == result.losses["val_loss"]
    assert store.samples(run.id).words.iloc[-1] == result.samples
    store.open_test(run.id)
    test = build_dataset(corpus, config.split, 3).test
    assert store.run(run.id).losses["test_loss"] == evaluate(load(result.weights).model, test).loss
    store.close()


def test_one_that_was_kept_is_trained_longer_from_the_first_step_on(
    corpus: Corpus, config: RunConfig, tmp_path: Path
) -> None:
    store = RunStore(str(tmp_path / "store.sqlite"))
    store.add_corpus(corpus)
    dataset = build_dataset(corpus, config.split, 3)
    kept = keep(store, play(config, dataset))
    assert not store.goes_on(kept.id)
    assert longer(config.train, 40, 80, goes_on=False).startswith("80 steps in all, from the first one: ")
    run = run_inline(store, store.continue_run(kept.id, max_steps=80).id)
    at_once = play(run.config, dataset)
    weights = store.weights(run.id)
    assert weights is not None and store.goes_on(run.id)
    assert torch.equal(load(weights).model.flat, load(at_once.weights).model.flat)
    assert store.history(run.id).step.iloc[[0, -1]].tolist() == [0, 80]
    store.close()


def test_divergence_survives_the_way_between_processes() -> None:
    problem = TrainingDiverged(7, 0.5, 0.05)
    copied = pickle.loads(pickle.dumps(problem))
    assert (copied.step, copied.learning_rate, str(copied)) == (7, 0.5, str(problem))
