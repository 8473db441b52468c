"""What a run will need: estimated from its settings, and refused where there is not as much."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mmcore import ARCHITECTURES, PRESETS, Corpus, ModelConfig, RunConfig, RunStore, TrainConfig, corpus_from_words
from mmcore.architectures import model_config
from mmcore.cost import MAX_ROW_BYTES, PROCESS, Estimate, accept, amount, estimate, memory_limit
from mmcore.jobs import run_inline

WIDE = model_config(hidden_sizes=(4096,) * 8)  # 117 million parameters
WIDER = model_config(architecture="lstm", hidden_size=4096, embedding_dim=1024)


def config_of(corpus: Corpus, model: ModelConfig, **train: int | str) -> RunConfig:
    return RunConfig(corpus_sha256=corpus.sha256, model=model, train=TrainConfig(**train))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PRESETS)
def test_c5_every_preset_is_accepted_on_a_small_machine(
    name: str, names: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmcore.cost.memory_limit", lambda: 4 * 10**9)
    preset = PRESETS[name]
    cost = accept(RunConfig(corpus_sha256=names.sha256, model=preset.model, train=preset.train), names.report)
    assert PROCESS < cost.memory < 2 * 10**9
    assert cost.stored < 11 * 10**6


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_c5_a_larger_batch_or_model_needs_more_memory(architecture: str, names: Corpus) -> None:
    model = model_config(architecture=architecture)
    small, large = (estimate(config_of(names, model, batch_size=size), names.report) for size in (64, 65_536))
    assert large.batch == pytest.approx(1024 * small.batch, rel=0.01)
    assert large.memory > small.memory
    assert large.row == small.row == 4 * small.file  # weights, and AdamW's three times as much


def test_c5_weights_that_a_store_could_not_hold_are_refused_with_the_figure(names: Corpus) -> None:
    with pytest.raises(
        ValueError, match=r"^weights and training state together must be at most 1 GB for a run, "
    ) as told:
        accept(config_of(names, WIDE), names.report)
    assert "got about 1.88 GB for these settings: lower hidden_sizes (4096, 4096, " in str(told.value)
    assert accept(config_of(names, WIDE, optimizer="sgd"), names.report).row < MAX_ROW_BYTES


def test_c5_weights_that_could_not_be_read_again_are_refused(names: Corpus) -> None:
    model = model_config(context_size=64, embedding_dim=1024, hidden_sizes=(4096,))
    with pytest.raises(ValueError, match=r"^weights must be at most 537 MB .* 1.07 GB .* embedding_dim \(1024\)$"):
        accept(config_of(names, model, optimizer="sgd"), names.report)


def test_c5_a_batch_that_fits_no_memory_is_refused_with_what_to_lower(
    names: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmcore.cost.memory_limit", lambda: 8 * 10**9)
    config = config_of(names, model_config(architecture="transformer"), batch_size=65_536)
    with pytest.raises(ValueError, match=r"^memory must be at most 4 GB for a run on this machine, got about ") as told:
        accept(config, names.report)
    assert str(told.value).endswith("lower batch_size (65,536)")
    accept(config.replace(train=config.train.replace(batch_size=1_024)), names.report)


def test_c5_a_long_corpus_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmcore.cost.memory_limit", lambda: 12 * 10**8)
    corpus = corpus_from_words(["abcdefghij" * 90] * 1_000, "long")
    with pytest.raises(ValueError, match=r"lower context_size \(64\)$"):
        accept(config_of(corpus, model_config(context_size=64)), corpus.report)
    accept(config_of(corpus, model_config(context_size=3)), corpus.report)


def test_c5_the_store_refuses_before_it_queues(names: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore(str(tmp_path / "store.sqlite"))
    store.add_corpus(names)
    with pytest.raises(ValueError, match="weights and training state together"):
        store.create(config_of(names, WIDE))
    assert store.runs() == []
    run = store.create(config_of(names, model_config(), max_steps=1))
    store.request_stop(run.id)
    monkeypatch.setattr("mmcore.cost.memory_limit", lambda: 10**6)  # on another machine
    with pytest.raises(ValueError, match="memory must be at most 500 kB"):
        store.continue_run(run.id)
    store.close()


def test_c5_what_is_stored_is_what_was_estimated(names: Corpus, tmp_path: Path) -> None:
    store = RunStore(str(tmp_path / "store.sqlite"))
    store.add_corpus(names)
    config = config_of(names, model_config(hidden_sizes=(100,)), max_steps=60, patience=2, check_every=20)
    cost, run = estimate(config, names.report), store.create(config)
    run_inline(store, run.id)
    weights, state = store.weights(run.id), store.train_state(run.id)
    assert weights is not None and state is not None
    assert len(weights) == pytest.approx(cost.file, rel=0.2)  # its header too
    film = sum(len(checkpoint.weights) for checkpoint in store.checkpoints(run.id))
    assert film == cost.film
    assert cost.row <= len(weights) + len(state) <= cost.row + 20_000
    store.close()


def test_the_limit_of_a_row_is_sqlites() -> None:
    assert sqlite3.connect(":memory:").getlimit(sqlite3.SQLITE_LIMIT_LENGTH) >= MAX_ROW_BYTES


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_c5_the_memory_of_the_machine_or_of_its_container_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("mmcore.cost.CGROUP", tmp_path)
    machine = memory_limit()
    assert 10**8 < machine < 10**14
    (tmp_path / name).parent.mkdir(exist_ok=True)
    for said, limit in (("max\n", machine), ("9223372036854771712\n", machine), ("67108864\n", 2**26)):
        (tmp_path / name).write_text(said)
        assert memory_limit() == limit


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 bytes"), (1_500, "1.5 kB"), (4_500_000, "4.5 MB"), (999_600, "1 MB"), (17_2 * 10**8, "17.2 GB")],
)
def test_amounts_are_said_with_three_digits(count: int, said: str) -> None:
    assert amount(count) == said


def test_a_guess_is_said_with_two_digits() -> None:
    assert [amount(count, 2) for count in (421_000_000, 2_360_000, 996_000)] == ["420 MB", "2.4 MB", "1 MB"]


def test_what_takes_no_time_is_said_so() -> None:
    assert str(Estimate(0.04, measured=False)) == "less than 0.1 s, a guess"
    assert str(Estimate(0.06, measured=False)) == "roughly 0.1 s, a guess"
    assert str(Estimate(0.04, measured=True)) == "less than 0.1 s at the speed of earlier runs"
    assert str(Estimate(12, measured=True)) == "about 12 s at the speed of earlier runs"
