"""Compiled training against the same in PyTorch: batches, gradients, updates, and what goes wrong."""

from __future__ import annotations

import functools
import math
import os
import random
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.dispatcher import Dispatcher

from mmcore import compiled
from mmcore.architectures import model_config
from mmcore.architectures.interface import ModelConfig
from mmcore.architectures.prefix_tree import Tree
from mmcore.backprop import Autograd, Backprop
from mmcore.compiled import kernels, steps
from mmcore.compiled.steps import (
    CompiledBackprop,
    CompiledContexts,
    CompiledRecurrent,
    CompiledTransformer,
    CompiledWords,
    update,
)
from mmcore.config import SplitConfig, TrainConfig
from mmcore.dataset import Dataset, build_dataset
from mmcore.model import Model
from mmcore.optimizer import update as plain_update
from mmcore.samplers import ContextSampler, ExampleSampler, WordSampler
from mmcore.train_state import TrainState
from mmcore.training import Pace, TrainingDiverged, parts_of, train
from mmcore.tree_backprop import TreeBackprop
from tests.models import SMALL, VOCAB_SIZE, mlp_configs, randomised, shaken

ROOT = Path(__file__).resolve().parents[2]
TINY = model_config(embedding_dim=4, hidden_sizes=(16,))


@pytest.fixture(scope="module")
def small() -> Dataset:
    words = ["emma", "olivia", "ava", "mia", "anna", "ella", "liam", "noah", "zoe", "amelia", "bob", "eve"] * 4
    return build_dataset(words, SplitConfig(), 3)


def single(config: ModelConfig, seed: int) -> Model:
    model = Model(config, VOCAB_SIZE)
    model.flat.copy_(randomised(config, seed).flat)
    return model


@settings(max_examples=100)
@given(mlp_configs(), st.integers(1, 40), st.booleans(), st.integers(0, 10_000))
def test_gradients_are_those_of_pytorch_up_to_rounding(
    config: ModelConfig, size: int, distributions: bool, seed: int
) -> None:
    model, g = single(config, seed), torch.Generator().manual_seed(seed)
    contexts = torch.randint(VOCAB_SIZE, (size, config.context_size), generator=g)
    targets = torch.randint(VOCAB_SIZE, (size,), generator=g)
    if distributions:
        targets = torch.rand(size, VOCAB_SIZE, generator=g).softmax(1)

    def drops() -> torch.Generator | None:
        return torch.Generator().manual_seed(seed) if config.dropout else None

    compiled, plain = CompiledBackprop(model, size), Backprop(model, size)
    for _ in range(2):  # the second time over its own buffers
        loss = compiled(contexts, targets, drops())
        assert loss == pytest.approx(plain(contexts, targets, drops()), rel=2e-6)
        for name, gradient in compiled.gradients.items():
            other = plain.gradients[name]
            assert torch.allclose(gradient, other, rtol=1e-5, atol=3e-6 * max(1, other.abs().max().item())), name


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=70))
def test_tanh_is_within_three_ten_millionths(values: list[float]) -> None:
    z = np.array([values], dtype=np.float32)
    right = np.tanh(z.astype(np.float64))
    kernels.tanh(z)
    assert np.abs(z - right).max() <= 3e-7


@given(
    st.integers(2, 30).flatmap(
        lambda size: st.lists(
            st.lists(st.floats(-1e4, 1e4, width=32), min_size=size, max_size=size), min_size=1, max_size=9
        )
    )
)
def test_the_loss_of_any_logits_is_that_of_pytorch(rows: list[list[float]]) -> None:
    logits = torch.tensor(rows)
    targets = logits.argmin(1)
    right = torch.nn.functional.cross_entropy(logits.double(), targets).item()
    p = logits.double().softmax(1)
    for q in (targets, torch.nn.functional.one_hot(targets, logits.shape[1]).float()):
        z, db = logits.T.clone(memory_format=torch.contiguous_format), torch.empty(logits.shape[1])
        loss = kernels.loss_of_ids if q.dim() == 1 else kernels.loss_of_shares
        assert loss(z.numpy(), q.numpy() if q.dim() == 1 else q.T.contiguous().numpy(), db.numpy()) == pytest.approx(
            right, rel=2e-6, abs=2e-6
        )
        wanted = (p - torch.nn.functional.one_hot(targets, logits.shape[1])) / len(rows)
        assert (z.T - wanted).abs().max() <= 1e-6 and (db - wanted.sum(0)).abs().max() <= 2e-6


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["C", "W1", "b1", "W2", "b2"])
@pytest.mark.parametrize("distributions", [False, True])
def test_what_is_not_finite_reaches_the_loss(odd: float, where: str, distributions: bool, small: Dataset) -> None:
    """Wherever PyTorch's loss says that something went too far, this one does."""
    state = TrainState(TINY.replace(activation="relu" if where == "C" else "tanh"), TrainConfig(), small.vocab.size)
    state.model.tensors[where].view(-1)[:] = odd
    sample = (ContextSampler if distributions else ExampleSampler)(small.train, 8)
    contexts, targets = sample(torch.Generator().manual_seed(1))
    plain = Backprop(state.model, 8)(contexts, targets)
    compiled = CompiledBackprop(state.model, 8)(contexts, targets)
    assert math.isfinite(plain) == math.isfinite(compiled)


@pytest.mark.parametrize("place", [0, 1, 4])
@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_one_logit_that_is_not_finite_is_enough(odd: float, place: int) -> None:
    """Even one of a symbol that is not the target."""
    z, db = np.zeros((5, 3), dtype=np.float32), np.empty(5, dtype=np.float32)
    z[place, 1] = odd
    assert not math.isfinite(kernels.loss_of_ids(z.copy(), np.array([2, 2, 2]), db))
    q = np.zeros((5, 3), dtype=np.float32)
    q[2] = 1
    assert not math.isfinite(kernels.loss_of_shares(z.copy(), q, db))


@pytest.mark.parametrize("size", [1, 7, 64])
def test_batches_are_the_same(size: int, small: Dataset) -> None:
    draws = [make(small.train, size) for make in (ContextSampler, CompiledContexts)]
    generators = [torch.Generator().manual_seed(3) for _ in draws]
    for _ in range(20):
        (contexts, targets), (ids, q) = (draw(g) for draw, g in zip(draws, generators, strict=True))
        assert torch.equal(contexts, ids) and torch.equal(targets, q)


def test_batches_of_many_symbols_are_the_same_too() -> None:
    words = [chr(0x4E00 + 5 * i) + chr(0x4E00 + 5 * i + 1) + chr(0x4E00 + 5 * i + 2) for i in range(1_200)]
    data = build_dataset(words, SplitConfig(), 2)
    draws = [make(data.train, 5) for make in (ContextSampler, CompiledContexts)]
    assert draws[0].targets.table is None, "too large to be kept whole"
    batches = [draw(torch.Generator().manual_seed(3)) for draw in draws]
    assert all(torch.equal(*pair) for pair in zip(*batches, strict=True))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_updates_are_the_same_up_to_rounding(optimizer: str, weight_decay: float, small: Dataset) -> None:
    config = TrainConfig(optimizer=optimizer, weight_decay=weight_decay)
    states = [TrainState(TINY, config, small.vocab.size) for _ in range(2)]
    for _ in range(10):
        gradient = torch.randn(len(states[0].model.flat))
        for state, move in zip(states, (plain_update, update), strict=True):
            move(state, gradient, 0.02)
            state.step += 1
    assert torch.allclose(states[0].model.flat, states[1].model.flat, rtol=1e-5, atol=1e-6)


def trained(config: TrainConfig, dataset: Dataset, model: ModelConfig = TINY) -> TrainState:
    state = TrainState(model, config, dataset.vocab.size)
    for _ in train(state, dataset, pace=Pace(every=1_000)):
        pass
    return state


def test_training_ends_where_pytorchs_does(small: Dataset) -> None:
    def loss(seed: int, compiled: bool) -> float:
        state = trained(TrainConfig(max_steps=200, batch_size=32, seed=seed, compiled=compiled), small)
        examples = small.train
        contexts, targets = torch.from_numpy(examples.contexts), torch.from_numpy(examples.targets)
        return Autograd(state.model)(contexts, targets)

    apart = [abs(loss(seed, True) - loss(seed, False)) for seed in range(5)]
    assert statistics.median(apart) < 1e-3


def test_the_same_seed_gives_the_same_weights_bit_for_bit(small: Dataset) -> None:
    config = TrainConfig(max_steps=50, batch_size=32, compiled=True)
    first, second = (trained(config, small).model.flat for _ in range(2))
    assert torch.equal(first, second)


def test_the_same_tensors_are_read_anew_each_time(small: Dataset) -> None:
    model, V = Model(TINY, small.vocab.size), small.vocab.size
    compiled, contexts = CompiledBackprop(model, 6), torch.empty(6, 3, dtype=torch.int64)
    for targets in (torch.empty(V, 6).T, torch.empty(6, V)):  # as compiled samplers lay them out, and otherwise
        for seed in range(3):
            generator = torch.Generator().manual_seed(seed)
            contexts.random_(0, V, generator=generator)
            targets.uniform_(generator=generator).div_(targets.sum(1, keepdim=True))
            assert compiled(contexts, targets) == CompiledBackprop(model, 6)(contexts, targets)


@pytest.mark.parametrize("schedule", ["constant", "one-cycle"])
def test_a_whole_number_is_a_rate_too(schedule: str, small: Dataset) -> None:
    whole = TrainConfig(learning_rate=1, weight_decay=0, schedule=schedule, max_steps=3, batch_size=8, compiled=True)
    same = whole.replace(learning_rate=1.0, weight_decay=0.0)
    assert torch.equal(*(trained(config, small).model.flat for config in (whole, same)))


def test_a_rate_far_too_high_is_noticed(small: Dataset) -> None:
    config = TrainConfig(optimizer="sgd", learning_rate=1e3, max_steps=500, compiled=True, schedule="constant")
    with pytest.raises(TrainingDiverged, match="The loss was no longer a finite number at step"):
        trained(config, small, TINY.replace(activation="relu"))


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
@given(st.integers(0, 10_000), st.integers(1, 20), st.sampled_from([0.0, 0.3]), st.sampled_from([0.0, 0.2]))
def test_a_recurrent_networks_gradients_are_those_of_pytorch_up_to_rounding(
    kind: str, seed: int, words: int, dropout: float, state_dropout: float
) -> None:
    data, config = lettered(seed), SMALL[kind]
    rates = {"dropout": dropout, "state_dropout": state_dropout}
    config = config.replace(**{name: rate for name, rate in rates.items() if name in config.settings()})
    model = Model(config, data.vocab.size)
    model.flat.copy_(shaken(config, data.vocab.size, seed).flat)
    levels, targets = WordSampler(data.train, words)(torch.Generator().manual_seed(seed))
    compiled, plain = CompiledRecurrent(model), TreeBackprop(model)
    for _ in range(2):
        losses = [by(levels, targets, torch.Generator().manual_seed(seed)) for by in (compiled, plain)]
        assert losses[0] == pytest.approx(losses[1], rel=2e-6)
        for name, gradient in compiled.gradients.items():
            other = plain.gradients[name]
            assert torch.allclose(gradient, other, rtol=1e-5, atol=3e-6 * max(1, other.abs().max().item())), name


transformers = st.builds(
    SMALL["transformer"].replace,
    layers=st.integers(1, 3),
    heads=st.sampled_from([1, 2, 4]),
    normalisation=st.sampled_from(["layer", "rms"]),
    activation=st.sampled_from(["tanh", "relu", "gelu"]),
    bias=st.booleans(),
    dropout=st.sampled_from([0.0, 0.3]),
)


@settings(max_examples=100)
@given(transformers, st.integers(0, 10_000), st.integers(1, 20))
def test_a_transformers_gradients_are_those_of_pytorch_up_to_rounding(
    config: ModelConfig, seed: int, words: int
) -> None:
    data, generator = lettered(seed), torch.Generator
    model = Model(config, data.vocab.size)
    model.flat.copy_(0.5 * shaken(config, data.vocab.size, seed).flat)  # or some losses are in the hundreds
    levels, targets = WordSampler(data.train, words)(generator().manual_seed(seed))
    compiled, plain = CompiledTransformer(model), TreeBackprop(model)
    for _ in range(2):
        losses = [by(levels, targets, generator().manual_seed(seed)) for by in (compiled, plain)]
        assert losses[0] == pytest.approx(losses[1], rel=3e-6)
    for name, gradient in compiled.gradients.items():
        other = plain.gradients[name]
        assert torch.allclose(gradient, other, rtol=1e-4, atol=1e-5 * max(1, other.abs().max().item())), name


@pytest.mark.parametrize("odd", [math.nan, math.inf])
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
@pytest.mark.parametrize("normalisation", ["layer", "rms"])
def test_what_is_not_finite_in_a_transformer_reaches_the_loss(odd: float, activation: str, normalisation: str) -> None:
    data = lettered(1)
    config = SMALL["transformer"].replace(activation=activation, normalisation=normalisation)
    model = Model(config, data.vocab.size)
    levels, targets = WordSampler(data.train, 7)(torch.Generator().manual_seed(1))
    for name, tensor in model.tensors.items():
        kept = tensor.clone()
        tensor.view(-1)[:] = odd
        plain, compiled = (by(model)(levels, targets) for by in (TreeBackprop, CompiledTransformer))
        assert math.isfinite(plain) == math.isfinite(compiled), name
        tensor.copy_(kept)


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=70))
def test_gelu_and_its_slope_are_those_of_pytorch(values: list[float]) -> None:
    z = torch.tensor([values], requires_grad=True)
    right = torch.nn.functional.gelu(z)
    right.sum().backward()
    y, d = np.empty((1, len(values)), np.float32), np.ones((1, len(values)), np.float32)
    kernels._bend(kernels.GELU, z.detach().numpy(), y)
    kernels._bend_backward(kernels.GELU, z.detach().numpy(), y, d)
    assert z.grad is not None
    assert np.allclose(y, right.detach().numpy(), rtol=1e-6, atol=5e-7) and np.allclose(d, z.grad.numpy(), atol=1e-6)


@functools.lru_cache
def lettered(seed: int) -> Dataset:
    """Words of up to nine of five letters: some are longer than a context, most begin as others do."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcde", k=draw.randint(1, 9))) for _ in range(40)]
    return build_dataset(words, SplitConfig(), SMALL["gru"].context_size)


@pytest.mark.parametrize("sampler", ["words", "contexts"])
@pytest.mark.parametrize("name", SMALL)
def test_every_model_trains_compiled_as_it_does_without(name: str, sampler: str) -> None:
    model = SMALL[name]
    if sampler not in model.samplers:
        return
    data = build_dataset(lettered(1).splits.train, SplitConfig(), model.context_size)
    config = TrainConfig(sampler=sampler, batch_size=8, max_steps=8, optimizer="sgd", learning_rate=0.1)
    plain, compiled = (trained(config.replace(compiled=on), data, model).model.flat for on in (False, True))
    assert torch.allclose(plain, compiled, atol=1e-5)


def signatures() -> dict[str, int]:
    """How many kinds of arguments each function has been compiled for."""
    return {name: len(found.signatures) for name, found in vars(kernels).items() if isinstance(found, Dispatcher)}


def load_and_train(name: str) -> None:
    """In a process of its own: there, no other test has had something compiled."""
    rates = dict.fromkeys({"dropout", "state_dropout"} & SMALL[name].settings().keys(), 0.2)
    data = build_dataset(lettered(1).splits.train, SplitConfig(), SMALL[name].context_size)
    compiled.load(SMALL[name])
    before = signatures()
    for model in (SMALL[name], SMALL[name].replace(**rates)):
        trained(TrainConfig(sampler=model.samplers[0], batch_size=8, max_steps=3, compiled=True), data, model)
    assert signatures() == before, {name: n for name, n in signatures().items() if n != before[name]}


@pytest.mark.parametrize("name", ["mlp", "gru", "transformer"])
def test_nothing_is_compiled_once_training_has_begun(name: str) -> None:
    """So that no clock runs meanwhile."""
    program = f"from tests.core.test_compiled import load_and_train; load_and_train({name!r})"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def ended(*lines: str, folder: Path | None = None) -> str:
    """What a fresh process that trains says on stderr."""
    train = [
        "from mmcore import *",
        "data = build_dataset('emma ava mia anna ella noah zoe bob eve liam'.split(), SplitConfig(), 3)",
        "list(train(TrainState(model_config(), TrainConfig(max_steps=1, compiled=True), data.vocab.size), data))",
    ]
    environment = os.environ | ({"NUMBA_CACHE_DIR": str(folder)} if folder else {})
    command = [sys.executable, "-c", "\n".join([*lines, *train])]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment).stderr


@pytest.mark.parametrize("missing", ["numba", "scipy", "threadpoolctl"])
def test_without_numba_one_sentence_says_what_is_missing(missing: str) -> None:
    said = ended(f"import sys; sys.modules['{missing}'] = None")
    assert "ValueError: compiled must be off without Numba, SciPy and threadpoolctl (pip install 'makemore-" in said


def test_what_is_compiled_is_in_one_file() -> None:
    """Numba keeps what it compiled until the file of a function changes, and would not see a change in another file."""
    found = [value for module in (kernels, steps) for value in vars(module).values() if isinstance(value, Dispatcher)]
    assert len(found) > 20 and {one.__module__ for one in found} == {kernels.__name__}


def test_what_is_kept_and_damaged_is_named(tmp_path: Path) -> None:
    assert ended(folder=tmp_path) == ""
    kept = list(tmp_path.rglob("*.nbi"))
    assert kept
    for index in kept:
        index.write_bytes(b"")  # as after a power cut
    assert "ValueError: compiled must be off where Numba cannot keep or read what it compiles (" in ended(
        folder=tmp_path
    )


def test_where_nothing_can_be_kept_one_sentence_says_so() -> None:
    said = ended("import numba.core.caching as caching", "caching.CacheImpl._locator_classes = []")
    assert "ValueError: compiled must be off where Numba cannot keep or read what it compiles (" in said


@pytest.mark.parametrize("name", ["mlp", "gru"])
def test_examples_that_a_model_cannot_read_are_refused(name: str) -> None:
    data, config = lettered(1), TrainConfig(compiled=True, sampler="words" if name == "gru" else "contexts")
    model = SMALL[name].replace(context_size=data.context_size)
    few = TrainState(model, config, data.vocab.size - 1)
    with pytest.raises(ValueError, match="vocabulary must be of as many symbols as the model has"):
        parts_of(few, data)
    with pytest.raises(ValueError, match="contexts must be of the model's size"):
        parts_of(TrainState(model.replace(context_size=2), config, data.vocab.size), data)


def test_a_batch_of_another_size_is_refused(small: Dataset) -> None:
    state = TrainState(TINY, TrainConfig(), small.vocab.size)
    with pytest.raises(ValueError, match=r"batch must be of \(4, 3\), got \(5, 3\)"):
        CompiledBackprop(state.model, 4)(*ExampleSampler(small.train, 5)(torch.Generator()))


def test_far_out_tanh_is_one_and_its_slope_nothing() -> None:
    z = np.array([[8, 50, math.inf, -8, -math.inf, math.nan]], dtype=np.float32)
    kernels.tanh(z)
    assert z[0, :5].tolist() == [1, 1, 1, -1, -1] and math.isnan(z[0, 5])


@pytest.mark.parametrize("shift", [0.0, 1e3, 1e5])
def test_the_loss_over_many_symbols_is_as_exact_as_over_few(shift: float) -> None:
    """Thousands of equal shares, whose rounding all goes one way, and logits far from 0."""
    V, B = 20_000, 4
    logits = torch.randn(V, B, generator=torch.Generator().manual_seed(1)) + shift
    q = torch.full((V, B), 1 / 3)
    q[3:] = 1 / 30_000
    right = -(q.double() * logits.double().log_softmax(0)).sum(0).mean().item()
    assert kernels.loss_of_shares(logits.numpy(), q.numpy(), np.empty(V, np.float32)) == pytest.approx(right, rel=1e-6)


def test_an_older_version_reads_what_is_not_compiled() -> None:
    assert "compiled" not in TrainConfig().to_dict()
    config = TrainConfig(compiled=True)
    assert config.to_dict()["compiled"] is True and TrainConfig.from_dict(config.to_dict()) == config


@given(st.integers(0, 10_000), st.integers(1, 60))
def test_batches_of_words_are_the_same(seed: int, size: int) -> None:
    data = lettered(seed)
    draws = [make(data.train, size) for make in (WordSampler, CompiledWords)]
    generators = [torch.Generator().manual_seed(seed) for _ in draws]
    for _ in range(3):
        (levels, targets), (same, q) = (draw(g) for draw, g in zip(draws, generators, strict=True))
        tree = Tree.of(levels)
        assert torch.allclose(targets, q, rtol=1e-6) and same.sizes == tree.sizes
        assert torch.equal(same.characters, tree.characters) and torch.equal(same.parents, tree.parents)
