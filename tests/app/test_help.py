"""What the help of a setting claims (A12), measured where it can be."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
import torch

from mmcore import BUNDLED_NAMES, RunConfig, SplitConfig, TrainConfig, cli, play, read_words
from mmcore.architectures import model_config
from mmcore.dataset import Dataset, Splits, Vocab, build_dataset
from mmcore.model import Model
from mmcore.ngram import NGram
from mmcore.optimizer import update
from mmcore.samplers import ContextSampler, WordSampler
from mmcore.trace import forward_trace
from mmcore.train_state import TrainState
from tests.app.elements import HELP
from ui.playground import sliders

WRONG = ("diverge.", "it is a bigram", "how many places", "along the gradient", "tanh layer", "bends", "silenced")


@pytest.mark.parametrize("claim", WRONG)
def test_a12_no_help_claims_what_is_not_so(claim: str) -> None:
    said = [*HELP.values(), *sliders.HELP.values(), *re.findall(r'help="(.+?)"', inspect.getsource(cli))]
    assert not [text for text in said if claim in text]


@pytest.fixture(scope="module")
def narrow() -> Dataset:
    """Names seen one character at a time."""
    return build_dataset(read_words(BUNDLED_NAMES).words[:2_000], SplitConfig(), 1)


def trained(data: Dataset, rate: float, steps: int) -> float:
    """Train loss of Playground's start at a rate."""
    model = model_config(context_size=1, embedding_dim=10, hidden_sizes=(50,))
    train = TrainConfig(max_steps=steps, learning_rate=rate)
    return play(RunConfig(corpus_sha256="0" * 64, model=model, train=train), data).losses["train_loss"]


def test_a12_a_rate_at_either_end_of_the_slider_ends_with_a_higher_loss(narrow: Dataset) -> None:
    assert "higher loss" in HELP["learning_rate"] and "learns little" in HELP["learning_rate"]
    rates = TrainConfig.settings()["learning_rate"].stops
    slow, good, hot = (trained(narrow, float(rate), 100) for rate in (rates[0], sliders.RATE, rates[-1]))
    assert good < slow and good < hot < 4, "worse at both ends, and no divergence"


def test_a12_with_context_1_no_more_can_be_known_than_a_bigram_does(narrow: Dataset) -> None:
    assert "no more than a bigram" in HELP["context_size"]
    counted = NGram(narrow.train, 1, 1e-9).loss(narrow.train)
    assert counted < trained(narrow, sliders.RATE, 600) < counted + 0.05


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a12_an_update_goes_against_the_gradient_and_adamw_against_a_running_mean(optimizer: str) -> None:
    assert "against the gradient" in HELP["learning_rate"]
    assert "running mean of the gradients" in HELP["optimizer"]
    state = TrainState(model_config(), TrainConfig(optimizer=optimizer, weight_decay=0.0), 5)
    gradient, start = torch.ones_like(state.model.flat), state.model.flat.clone()
    update(state, gradient, 0.01)
    assert (state.model.flat < start).all()
    state.step, before = 1, state.model.flat.clone()
    update(state, -0.1 * gradient, 0.01)
    assert (state.model.flat < before).all() == (optimizer == "adamw"), "the mean is still positive"


@pytest.mark.parametrize("batch_size", [1, 3, 5])
def test_a12_a_batch_counts_contexts_or_whole_words_where_these_are_drawn(batch_size: int) -> None:
    assert "*Contexts* it counts contexts, with *Words* whole words" in HELP["batch_size"]
    words = ("abc", "bca", "cab", "dda", "eee")  # none begins like another
    train, generator = Dataset(Vocab.from_words(words), 4, Splits(words, words, words)).train, torch.Generator()
    assert len(ContextSampler(train, batch_size)(generator)[0]) == batch_size
    (boundary, _), *levels = WordSampler(train, batch_size)(generator)[0]
    assert len(boundary) == 1 and [len(characters) for characters, _ in levels] == [batch_size] * 3


def test_a12_heads_are_patterns_in_parallel_each_on_a_part_of_the_dimensions() -> None:
    assert "patterns" in HELP["heads"] and "its own part of the embedding dimension" in HELP["heads"]
    model = Model(model_config(architecture="transformer", context_size=4, embedding_dim=6, layers=1, heads=3), 5)
    before = forward_trace(model, [0, 1, 2, 3], 4)
    assert before["attention1"].shape[0] == 3
    model.tensors["W_attn1"][:, 2:4] *= 3.0  # the second head's part of the queries
    after = forward_trace(model, [0, 1, 2, 3], 4)
    changed = np.abs(after["attention1"] - before["attention1"]).max(axis=(1, 2)) > 1e-6
    assert changed.tolist() == [False, True, False]
    mixed = np.abs(after["mixed1"] - before["mixed1"]).max(axis=0) > 1e-6
    assert not mixed[[0, 1, 4, 5]].any() and mixed[[2, 3]].any()
