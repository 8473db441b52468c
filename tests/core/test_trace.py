"""The passes written out step by step, against the model, autograd, evaluation and finite differences."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcore.architectures import model_config
from mmcore.architectures.interface import ModelConfig
from mmcore.backprop import Autograd
from mmcore.config import SplitConfig, TrainConfig
from mmcore.corpus import Corpus
from mmcore.dataset import Dataset, Vocab, build_dataset, build_examples
from mmcore.evaluation import evaluate
from mmcore.model import MLP
from mmcore.trace import (
    backward_trace,
    forward_trace,
    gradient_check,
    gradient_history,
    neuron_history,
    neuron_report,
    one_update,
    shifted,
    stable_softmax_demo,
    update_ratios,
    without_unit,
)
from mmcore.train_state import TrainState
from mmcore.training import train
from tests.models import VOCAB_SIZE, mlp_configs, randomised

VOCAB = Vocab(("", *"abcdef"))


@given(mlp_configs(), st.text("abcdef", min_size=1, max_size=8), st.integers(0, 8), st.integers(0, 10_000))
def test_the_loss_is_that_of_evaluate(config: ModelConfig, word: str, position: int, seed: int) -> None:
    examples = build_examples([word], VOCAB, config.context_size)
    row = position % len(examples)
    one = replace(examples, ends=examples.ends[row : row + 1])
    for model in (randomised(config, seed), MLP(config, VOCAB_SIZE, seed)):
        trace = forward_trace(model, one.contexts[0].tolist(), int(one.targets[0]))
        assert trace.loss == pytest.approx(evaluate(model, one).loss, abs=1e-6, rel=1e-6)
        assert np.allclose(trace["logits"], model(torch.from_numpy(one.contexts)).detach()[0], atol=1e-4)
        assert float(trace["p"].sum()) == pytest.approx(1, abs=1e-5)


@settings(max_examples=100)
@given(mlp_configs(), st.data(), st.integers(0, 10_000))
def test_hand_gradients_are_those_of_autograd(config: ModelConfig, data: st.DataObject, seed: int) -> None:
    model = randomised(config, seed)
    ids = st.integers(0, VOCAB_SIZE - 1)
    context, target = (
        data.draw(st.lists(ids, min_size=config.context_size, max_size=config.context_size)),
        data.draw(ids),
    )
    trace = backward_trace(model, context, target)
    automatic = Autograd(model)
    automatic(torch.tensor([context]), torch.tensor([target]))
    for name, gradient in automatic.gradients.items():
        assert np.abs(trace[f"d{name}"] - gradient.numpy()).max() < 1e-10, name
    assert abs(float(trace["dlogits"].sum())) < 1e-12


def test_the_gradient_of_every_step_in_between_is_right_too() -> None:
    """dh, dz and dx are no parameters: nudge the value itself and run the rest of the pass."""
    model = randomised(model_config(embedding_dim=2, hidden_sizes=(4, 3), direct=True), 3)
    context, target, p = [1, 5, 1], 2, model.tensors
    back, forward = backward_trace(model, context, target), forward_trace(model, context, target)

    def loss(h1: torch.Tensor, x: torch.Tensor) -> float:
        h2 = torch.tanh(h1 @ p["W2"] + p["b2"])
        return -torch.log_softmax(h2 @ p["W3"] + p["b3"] + x @ p["W"], 0)[target].item()

    h1, x = (torch.from_numpy(np.asarray(forward[name])) for name in ("h1", "x"))
    for unit in range(4):
        nudge = torch.zeros_like(h1)
        nudge[unit] = 1e-6
        slope = (loss(h1 + nudge, x) - loss(h1 - nudge, x)) / 2e-6
        assert float(back["dh1"][unit]) == pytest.approx(slope, abs=1e-8)
        assert float(back["dz1"][unit]) == pytest.approx(slope * (1 - h1[unit].item() ** 2), abs=1e-8)


def test_the_steps_have_the_names_of_the_lecture() -> None:
    model = MLP(model_config(), 27)
    assert forward_trace(model, [0, 0, 5], 13).names == ("ids", "rows", "x", "z1", "h1", "logits", "p", "loss")
    names = ("dp", "dlogits", "db2", "dW2", "dh1", "dz1", "db1", "dW1", "dx", "drows", "dC")
    assert backward_trace(model, [0, 0, 5], 13).names == names


def test_a_character_that_stands_twice_collects_both_gradients() -> None:
    trace = backward_trace(MLP(model_config(), 27, 1), [0, 0, 5], 13)
    assert np.allclose(trace["dC"][0], trace["drows"][0] + trace["drows"][1], atol=1e-7)
    assert set(np.flatnonzero(np.abs(trace["dC"]).sum(1))) == {0, 5}


@settings(max_examples=15)
@given(mlp_configs(), st.integers(1, 5), st.integers(0, 10_000))
def test_three_ways_to_a_gradient_agree(config: ModelConfig, size: int, seed: int) -> None:
    model = randomised(config, seed)
    g = torch.Generator().manual_seed(seed)
    contexts = torch.randint(VOCAB_SIZE, (size, config.context_size), generator=g)
    before = model.flat.clone()
    table = gradient_check(model, contexts, torch.randint(VOCAB_SIZE, (size,), generator=g), entries=None)
    assert table["tensor"].tolist() == list(model.tensors)
    assert table["hand_autograd"].max() < 1e-10
    assert table["autograd_numeric"].max() < 1e-5
    assert torch.equal(model.flat, before)


def test_a_wrong_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmcore.backprop.ACTIVATE_BACKWARD", {"tanh": lambda grad, h: grad * (1 - h)})
    table = gradient_check(randomised(model_config(), 1), torch.tensor([[0, 1, 2]]), torch.tensor([3])).set_index(
        "tensor"
    )
    assert table["hand_autograd"]["W1"] > 1e-3 and not table["exact"]["W1"]
    assert table["hand_autograd"]["W2"] < 1e-10 and table["autograd_numeric"].max() < 1e-5


@pytest.mark.parametrize("model", [model_config(architecture="wavenet"), model_config(normalisation="batch")])
def test_what_no_gradient_reaches_is_neither_checked_nor_updated(model: ModelConfig, names: Corpus) -> None:
    data = build_dataset(names.words[:400], SplitConfig(), model.context_size)
    state = TrainState(model, TrainConfig(max_steps=30), data.vocab.size)
    for _ in train(state, data):
        pass
    contexts = torch.from_numpy(data.train.contexts[:4])
    table = gradient_check(state.model, contexts, torch.tensor([0, 1, 2, 3]), entries=8)
    assert table["autograd_numeric"].max() < 1e-6  # a running mean moves the loss, and has no gradient
    updates = update_ratios(state.model, contexts, torch.tensor([0, 1, 2, 3]), 0.1)
    trained = [name for name in state.model.tensors if "running" not in name]
    assert len(trained) < len(state.model.tensors)
    assert table["tensor"].tolist() == updates["tensor"].tolist() == trained


def test_the_check_of_a_large_tensor_nudges_its_largest_gradient() -> None:
    table = gradient_check(MLP(model_config(), 27, 1), torch.tensor([[0, 1, 2]]), torch.tensor([3]), entries=8)
    assert table["nudged"].between(5, 8).all()
    assert table["autograd_numeric"].max() < 1e-8


def test_a_small_update_does_what_its_gradient_predicted(dataset: Dataset) -> None:
    model = MLP(model_config(), 27, 1)
    contexts, targets = (torch.from_numpy(part[:32]) for part in (dataset.train.contexts, dataset.train.targets))
    before = model.flat.clone()
    small, huge = (one_update(model, contexts, targets, rate) for rate in (1e-4, 1e3))
    assert small.after - small.before == pytest.approx(small.predicted, rel=1e-2)
    assert huge.after > huge.before
    assert torch.equal(model.flat, before)


def test_the_update_is_measured_beside_the_weights(dataset: Dataset) -> None:
    model = MLP(model_config(), 27, 1)
    contexts, targets = (torch.from_numpy(part[:32]) for part in (dataset.train.contexts, dataset.train.targets))
    table = update_ratios(model, contexts, targets, 0.1).set_index("tensor")
    automatic = Autograd(model)
    automatic(contexts, targets)
    for name in ("C", "W1", "W2"):
        weights, gradient = model.tensors[name].numpy(), automatic.gradients[name].numpy()
        assert table["ratio"][name] == pytest.approx(0.1 * gradient.std() / weights.std(), rel=1e-4)
    assert math.isnan(table["ratio"]["b1"])  # biases start at 0


def test_saturated_and_dead_units_are_counted() -> None:
    model = MLP(model_config(hidden_sizes=(4,)), 27, 1)
    model.tensors["b1"][2] = 50.0
    contexts = np.random.default_rng(0).integers(0, 27, (200, 3))
    report = neuron_report(model, contexts)
    assert report.dead.tolist() == [2]
    assert report.unit_saturation[2] == 1
    assert report.saturated == pytest.approx((np.abs(report.outputs) > 0.97).mean())
    assert np.allclose(np.tanh(report.sums), report.outputs, atol=1e-6)


def test_a_silent_relu_unit_is_dead() -> None:
    model = MLP(model_config(hidden_sizes=(3, 4), activation="relu"), 27, 1)
    model.tensors["b2"][1] = -1e4
    assert 1 in neuron_report(model, np.zeros((5, 3), dtype=np.int64), layer=2).dead


def test_a_unit_switched_off_is_one_that_says_nothing() -> None:
    model = MLP(model_config(hidden_sizes=(5,)), 27, 1)
    context = torch.tensor([[0, 5, 13]])
    off = without_unit(model, 1, 3)
    h = torch.from_numpy(neuron_report(model, context.numpy()).outputs)
    lost = h[:, 3:4] @ model.tensors["W2"][3:4]
    assert torch.allclose(off(context), model(context) - lost, atol=1e-5)


def test_the_naive_softmax_overflows_where_the_stable_one_does_not() -> None:
    logits = np.array([1.0, -2.0, 0.5])
    table = stable_softmax_demo(logits, 1, [1, 10, 80, 88.7, 88.8, 1000]).set_index("scale")
    exact = math.log(sum(math.exp(v) for v in logits)) - logits[1]
    assert table["naive"][1] == pytest.approx(exact, abs=1e-6) and table["stable"][1] == pytest.approx(exact, abs=1e-6)
    assert math.isfinite(table["naive"][10]) and not math.isfinite(table["naive"][88.8])
    assert np.isfinite(table["stable"]).all()
    assert table["stable"][1000] == pytest.approx(3000)


def test_what_cannot_be_traced_is_refused() -> None:
    model = MLP(model_config(), 27)
    for context, target, says in (
        ([0, 1], 2, "context must be 3 ids"),
        ([0, 1, 27], 2, "from 0 to 26"),
        ([0] * 3, -1, "target"),
    ):
        with pytest.raises(ValueError, match=says):
            forward_trace(model, context, target)
    with pytest.raises(ValueError, match="layer must be a hidden layer from 1 to 1"):
        neuron_report(model, np.zeros((1, 3), dtype=np.int64), layer=2)


def learned(init: str, layers: tuple[int, ...] = (12,), activation: str = "tanh") -> list[MLP]:
    """A model at three checkpoints: as it starts, and with weights twice and ten times as large."""
    models = [MLP(model_config(hidden_sizes=layers, init=init, activation=activation), 27, seed=5) for _ in range(3)]
    for model, factor in zip(models, (1, 2, 10), strict=True):
        model.flat.mul_(factor)
    return models


@pytest.mark.parametrize(("layer", "activation"), [(1, "tanh"), (2, "tanh"), (1, "relu")])
def test_the_history_of_a_layer_is_its_report_at_every_checkpoint(small: Dataset, layer: int, activation: str) -> None:
    models, contexts = learned("lecture", (12, 9), activation), small.train.contexts[:200]
    history = neuron_history(models, contexts, layer, bins=20)
    for i, model in enumerate(models):
        report = neuron_report(model, contexts, layer)
        assert history.saturated[i] == pytest.approx(report.saturated)
        assert history.dead[i] == pytest.approx(len(report.dead) / report.outputs.shape[1])
        for spread, values in ((history.sums, report.sums), (history.outputs, report.outputs)):
            low, high = spread.edges[[0, -1]]
            counts, _ = np.histogram(np.clip(values.astype(np.float64), low, high), spread.edges)
            assert spread.shares[i] == pytest.approx(counts / values.size, abs=2 / values.size + 1e-6)
            assert spread.shares[i].sum() == pytest.approx(1, abs=1e-6)
    assert history.outputs.edges[0] == (0 if activation == "relu" else -1)
    with pytest.raises(ValueError, match="models must be at least one, got 0"):
        neuron_history([], contexts)


def test_the_history_of_gradients_is_that_of_autograd(small: Dataset) -> None:
    models = learned("scaled")
    contexts, targets = torch.from_numpy(small.train.contexts[:64]), torch.from_numpy(small.train.targets[:64])
    history = gradient_history(models, contexts, targets, bins=16)
    assert list(history) == ["C", "W1", "b1", "W2", "b2"]
    tops = {name: spread.edges[-1] for name, spread in history.items()}
    largest = dict.fromkeys(history, 0.0)
    for i, model in enumerate(models):
        automatic = Autograd(model)
        automatic(contexts, targets)
        for name, gradient in automatic.gradients.items():
            sizes = gradient.abs().double().numpy()
            largest[name] = max(largest[name], sizes.max())
            counted = (sizes > 10 ** history[name].edges[8]).mean()  # the upper half of the bins
            assert history[name].shares[i, 8:].sum() == pytest.approx(counted, abs=2 / sizes.size + 1e-6)
            assert history[name].shares[i].sum() == pytest.approx(1, abs=1e-6)
    for name, top in tops.items():
        assert 10**top == pytest.approx(largest[name], rel=1e-4)
        assert history[name].edges[0] == pytest.approx(top - 8)
    unseen = 1 - len(set(contexts.flatten().tolist())) / 27  # rows of C without a gradient are in the lowest bin
    assert history["C"].shares[0, 0] >= unseen - 1e-6 > 0


def test_one_number_of_a_copy_is_shifted() -> None:
    model = MLP(model_config(hidden_sizes=(5,)), 27, seed=2)
    before = model.flat.clone()
    twin = shifted(model, "W2", (3, 26), 0.5)
    assert torch.equal(model.flat, before)
    moved = (twin.flat - before).nonzero().flatten()
    assert len(moved) == 1
    assert twin.tensors["W2"][3, 26].item() == pytest.approx(model.tensors["W2"][3, 26].item() + 0.5)
    assert shifted(model, "b1", (4,), -2.0).tensors["b1"].tolist() == [0, 0, 0, 0, -2]
    with pytest.raises(ValueError, match="tensor must be one of C, W1, b1, W2, b2, got 'W3'"):
        shifted(model, "W3", (0,), 1.0)
    for index in ((5, 0), (0,), (-1, 0)):
        with pytest.raises(ValueError, match=r"index must be a place in W2, of shape \(5, 27\)"):
            shifted(model, "W2", index, 1.0)
    with pytest.raises(ValueError, match="delta must be a finite number, got inf"):
        shifted(model, "W2", (0, 0), math.inf)
