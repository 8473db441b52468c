"""Exact losses, per-word losses, bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from mmcore.architectures import model_config
from mmcore.architectures.prefix_tree import prefixes
from mmcore.architectures.sequence import SequenceConfig
from mmcore.config import SplitConfig, TrainConfig
from mmcore.dataset import Dataset, Examples, Splits, Vocab, build_dataset, build_examples
from mmcore.evaluation import (
    CELLS,
    Losses,
    Pieces,
    bootstrap_interval,
    evaluate,
    evaluate_splits,
    log_probabilities,
    word_losses,
)
from mmcore.model import MLP, Model
from mmcore.train_state import TrainState
from mmcore.training import train
from tests.models import SMALL


@pytest.fixture(scope="module")
def model(dataset: Dataset) -> MLP:
    """Trained a little, so that its losses are neither uniform nor perfect."""
    state = TrainState(model_config(), TrainConfig(max_steps=200, batch_size=256), dataset.vocab.size)
    for _ in train(state, dataset):
        pass
    return state.model


def naive_loss(model: MLP, examples: Examples) -> float:
    """The mean over every single example, in float64, from the formula of the softmax."""
    twin = MLP(model.config, model.vocab_size, dtype=torch.float64)
    twin.flat.copy_(model.flat)
    with torch.no_grad():
        logits = twin(torch.from_numpy(examples.contexts)).numpy()
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return float(-np.log(p[np.arange(len(p)), examples.targets]).mean())


@pytest.mark.parametrize("part", ["val", "test", "val_unseen", "test_unseen"])
def test_the_loss_is_the_mean_over_all_examples(model: MLP, dataset: Dataset, part: str) -> None:
    examples: Examples = getattr(dataset, part)
    losses = evaluate(model, examples)
    assert losses.loss == pytest.approx(naive_loss(model, examples), abs=1e-6)
    assert losses.examples == len(examples)


def test_many_chunks_give_what_one_gives(model: MLP, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = evaluate(model, dataset.val).loss
    monkeypatch.setattr(type(model.config), "rows_at_once", 100)
    assert evaluate(model, dataset.val).loss == pytest.approx(whole, abs=1e-7)


def test_the_losses_of_the_splits_together_are_those_of_each_alone(
    model: MLP, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {"train_loss": "train", "val_loss": "val", "val_loss_unseen": "val_unseen"}
    sealed = {"test_loss": "test", "test_loss_unseen": "test_unseen"}
    alone = {name: evaluate(model, getattr(dataset, part)).loss for name, part in (parts | sealed).items()}
    rows: list[int] = []

    def counted(*args: Any) -> Iterator[Any]:
        for which, piece in Pieces(*args):
            rows.append(len(which))
            yield which, piece

    monkeypatch.setattr("mmcore.evaluation.Pieces", counted)
    shown = evaluate_splits(model, dataset, test=False)
    assert shown == pytest.approx({name: alone[name] for name in parts}, abs=1e-7)
    distinct = len({*map(tuple, dataset.train.contexts.tolist()), *map(tuple, dataset.val.contexts.tolist())})
    assert sum(rows) == distinct, "each context once"
    rows.clear()
    assert evaluate_splits(model, dataset, test=True, known=shown) == pytest.approx(alone, abs=1e-7)
    assert sum(rows) == len(dataset.test.counts.contexts), "what is known is not computed again"


def test_prefixes_are_found_once_for_all_models_that_read_as_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []

    def counted(contexts: torch.Tensor) -> Any:
        found.append(len(contexts))
        return prefixes(contexts)

    monkeypatch.setattr("mmcore.evaluation.prefixes", counted)
    data = build_dataset(["emma", "olivia", "ava", "mia", "anna", "ella", "liam", "noah"] * 5, SplitConfig(), 4)
    everything, before = len(data.shown.contexts), data.nbytes
    for kind in ("rnn", "transformer", "rnn"):
        for seed in (1, 2):
            model = Model(SMALL[kind].replace(context_size=4), data.vocab.size, seed)
            losses = evaluate_splits(model, data, test=False)
            assert losses["val_loss"] == pytest.approx(naive_loss(model, data.val), abs=1e-6)
    assert found == [everything] and data.nbytes > before + 8 * everything
    monkeypatch.setattr(SequenceConfig, "rows_at_once", 5)
    for _ in range(2):
        assert evaluate_splits(model, data, test=False) == pytest.approx(losses, abs=1e-6)
    assert sum(found) == 2 * everything and found[1] == 5, "anew for other pieces"


def test_c1_with_many_symbols_the_loss_is_computed_on_fewer_contexts_at_once() -> None:
    words = ["".join(chr(0x4E00 + (7 * i + k * k) % 3_000) for k in range(4)) for i in range(3_000)]
    data = build_dataset(words, SplitConfig(), 2)
    model = MLP(model_config(context_size=2, hidden_sizes=(8,), init="lecture"), data.vocab.size, seed=1)
    sizes = [len(rows) for rows, _ in Pieces(model, data.train.counts.contexts, data.train.counts.order)]
    assert max(sizes) * data.vocab.size <= CELLS and sum(sizes) == len(data.train.counts.contexts)
    assert evaluate(model, data.val).loss == pytest.approx(naive_loss(model, data.val), abs=1e-5)
    sums, counts = word_losses(model, data.val)
    assert sums.sum() / counts.sum() == pytest.approx(naive_loss(model, data.val), abs=1e-5)


def test_losses_in_other_units() -> None:
    losses = Losses(math.log(8), 10)
    assert losses.perplexity == pytest.approx(8)
    assert losses.bits_per_char == pytest.approx(3)
    assert Losses(1e4, 1).perplexity == math.inf


def test_no_examples_have_no_loss(model: MLP, dataset: Dataset) -> None:
    losses = evaluate(model, build_examples([], dataset.vocab, 3))
    assert math.isnan(losses.loss) and losses.examples == 0


def test_the_test_split_is_only_evaluated_when_asked_for(small: Dataset) -> None:
    parts = ["train_loss", "val_loss", "val_loss_unseen"]
    closed = evaluate_splits(model_for(small), small, test=False)
    assert list(closed) == parts
    opened = evaluate_splits(model_for(small), small, test=True)
    assert list(opened) == [*parts, "test_loss", "test_loss_unseen"]
    assert opened["val_loss_unseen"] == pytest.approx(naive_loss(model_for(small), small.val_unseen), abs=1e-6)
    assert opened["test_loss"] == pytest.approx(naive_loss(model_for(small), small.test), abs=1e-6)


def model_for(dataset: Dataset) -> MLP:
    return MLP(model_config(init="lecture"), dataset.vocab.size, seed=1)


def test_a_split_without_unseen_words_has_no_entry() -> None:
    words = ("anna", "bob")
    everything_seen = Dataset(Vocab.from_words(words), 3, Splits(words, words, words))
    losses = evaluate_splits(model_for(everything_seen), everything_seen, test=True)
    assert list(losses) == ["train_loss", "val_loss", "test_loss"]


def test_word_losses_add_up(model: MLP, dataset: Dataset) -> None:
    sums, counts = word_losses(model, dataset.val)
    assert len(sums) == len(counts) == len(dataset.val.words)
    assert counts.tolist() == [len(word) + 1 for word in dataset.val.words]
    assert sums.sum() / counts.sum() == pytest.approx(evaluate(model, dataset.val).loss, abs=1e-6)
    alone = build_examples([dataset.val.words[7]], dataset.vocab, 3)
    assert sums[7] / counts[7] == pytest.approx(naive_loss(model, alone), abs=1e-6)


def test_probabilities_sum_to_one(model: MLP, dataset: Dataset) -> None:
    p = log_probabilities(model, dataset.val.counts.contexts).exp().sum(1)
    assert torch.allclose(p, torch.ones_like(p), atol=1e-5)


def test_the_interval_is_deterministic_and_holds_the_loss(model: MLP, dataset: Dataset) -> None:
    sums, counts = word_losses(model, dataset.val)
    low, high = bootstrap_interval(sums, counts)
    assert (low, high) == bootstrap_interval(sums, counts)
    assert (low, high) != bootstrap_interval(sums, counts, seed=1)
    assert low < sums.sum() / counts.sum() < high
    narrow = bootstrap_interval(sums, counts, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Words whose characters' losses depend on each other: resampling characters would cover far less often."""
    rng = np.random.default_rng(0)
    covered, trials = 0, 200
    for trial in range(trials):
        counts = rng.integers(3, 9, 150)
        sums = counts * rng.gamma(4.0, 0.5, 150)  # one level a word; the true mean is 2
        low, high = bootstrap_interval(sums, counts, draws=200, seed=trial)
        covered += low <= 2 <= high
    assert 0.89 <= covered / trials <= 0.99


def test_no_words_have_no_interval() -> None:
    low, high = bootstrap_interval(np.array([]), np.array([], dtype=np.int64))
    assert math.isnan(low) and math.isnan(high)
