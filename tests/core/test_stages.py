"""Every architecture's forward pass written out for one context, and the way back over it."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmcore.architectures import ARCHITECTURES, model_config
from mmcore.architectures.interface import ModelConfig
from mmcore.architectures.sequence import SequenceConfig
from mmcore.backprop import Autograd
from mmcore.model import Model
from mmcore.trace import backward_trace, forward_trace
from tests.models import SMALL, configs, every, shaken

V = 7


@st.composite
def examples(draw: st.DrawFn, config: ModelConfig) -> tuple[list[int], int]:
    """Any ids: with no boundary, boundaries at the beginning, or between two words."""
    ids = st.integers(0, V - 1)
    return draw(st.lists(ids, min_size=config.context_size, max_size=config.context_size)), draw(ids)


@given(configs(), st.data(), st.integers(0, 99))
def test_step_by_step_gives_what_the_model_gives(config: ModelConfig, data: st.DataObject, seed: int) -> None:
    model = shaken(config, V, seed)
    context, target = data.draw(examples(config))
    trace = forward_trace(model, context, target)
    with torch.no_grad():
        logits = model(torch.tensor([context]))[0]
    assert np.abs(trace["logits"] - logits.numpy()).max() < 1e-10
    assert trace.loss == pytest.approx(-logits.log_softmax(0)[target].item(), abs=1e-10)
    if isinstance(config, SequenceConfig):
        read = context[max((i for i, one in enumerate(context) if one == 0), default=0) :]
        assert trace["ids"].tolist() == read


@given(configs(), st.data(), st.integers(0, 99))
def test_every_trained_number_gets_the_gradient_of_autograd(
    config: ModelConfig, data: st.DataObject, seed: int
) -> None:
    model = shaken(config, V, seed)
    context, target = data.draw(examples(config))
    trace, automatic = backward_trace(model, context, target), Autograd(model)
    automatic(torch.tensor([context]), torch.tensor([target]))
    steps = [*trace.steps, *(weight for step in trace.steps for weight in step.weights)]
    gate_order = {"gru": "rzn", "lstm": "ifog"}.get(config.architecture, "")
    for name, expected in automatic.gradients.items():
        if "running" in name:
            continue
        parts = {step.name: step.value for step in steps}
        by_gate = [parts[f"d{name[:-1]}{gate}"] for gate in gate_order] if f"d{name}" not in parts else []
        value = np.concatenate(by_gate, axis=-1) if by_gate else parts[f"d{name}"]
        assert np.abs(value - expected.numpy()).max() < 1e-10, name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_tensor_is_met_on_the_way(architecture: str) -> None:
    """So a walk goes through the whole model, and says what each step is made with."""
    model = Model(model_config(architecture=architecture), V)
    forward = forward_trace(model, [0] * model.config.context_size, 1)
    met = {weight.name for step in forward.steps for weight in step.weights}
    whole = {re.sub("^([Wb]_[ih])[rznifog]$", r"\1h", name) for name in met}  # W_ir and so on are columns of W_ih
    assert whole == set(model.tensors)
    for step in forward.steps:
        for one in (step, *step.weights):
            assert len(one.shape) == len([letter for letter in one.letters.split(", ") if letter]), one.name


@every
def test_the_way_back_is_the_way_there(config: ModelConfig) -> None:
    model = shaken(config, V)
    context = [0, 1, 2, 3, 4, 5, 1, 2][: config.context_size]
    forward, backward = forward_trace(model, context, 3), backward_trace(model, context, 3)
    there = [f"d{name}" for name in forward.names if name not in ("ids", "loss")]
    assert [name for name in backward.names if name in there] == there[::-1]
    assert backward.loss == forward.loss
    for step in forward.steps:
        if f"d{step.name}" in there:
            assert backward[f"d{step.name}"].shape == step.shape


def test_both_ways_to_a_gradient_meet_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand, and by autograd through the perceptron's walk."""
    model = shaken(model_config(embedding_dim=3, hidden_sizes=(5, 4), direct=True), V)
    by_hand = backward_trace(model, [1, 5, 1], 2)
    monkeypatch.setattr("mmcore.trace.example.can_trace", lambda model: False)
    automatic = backward_trace(model, [1, 5, 1], 2)
    assert set(automatic.names) < set(by_hand.names)
    assert {"dh2", "dz2", "dh1", "dz1", "dx", "drows", "dC"} <= set(automatic.names)
    for name in automatic.names:
        assert np.abs(automatic[name] - by_hand[name]).max() < 1e-12, name


def test_a_state_collects_all_that_becomes_of_it() -> None:
    """Not only the last one, which the logits see: ∂h_t = (∂h_{t+1} ⊙ (1 − h²_{t+1})) W_hhᵀ."""
    model = shaken(SMALL["rnn"], V)
    context = [0, 1, 2, 3, 4, 5]
    backward, h = backward_trace(model, context, 3), forward_trace(model, context, 3)["h"]
    dh, p = backward["dh"], {name: tensor.numpy() for name, tensor in model.tensors.items()}
    assert np.allclose(dh[-1], p["W_lm_head"] @ backward["dlogits"], rtol=0, atol=1e-12)
    for t in range(5):
        assert np.allclose(dh[t], p["W_hh"] @ (dh[t + 1] * (1 - h[t + 1] ** 2)), rtol=0, atol=1e-12)
        assert np.abs(dh[t]).min() > 0


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_a_gate_does_what_its_title_says(name: str) -> None:
    f = forward_trace(shaken(SMALL[name], V), [2, 0, 1, 2, 3, 4], 3)
    h, old = f["h"], np.zeros_like(f["h"])
    if name == "gru":
        old[1:] = h[:-1]
        assert np.allclose(h, f["z"] * old + (1 - f["z"]) * f["n"], rtol=0, atol=1e-12)
        assert f["r"].min() > 0 and f["r"].max() < 1
    else:
        old[1:] = f["c"][:-1]
        assert np.allclose(f["c"], f["f"] * old + f["i"] * f["g"], rtol=0, atol=1e-12)
        assert np.allclose(h, f["o"] * np.tanh(f["c"]), rtol=0, atol=1e-12)
    assert h.shape == (5, 16)  # from the boundary on


@given(st.sampled_from([1, 2, 4]), st.integers(1, 3), st.integers(1, 8), st.data(), st.integers(0, 99))
def test_attention_is_shared_among_what_has_been_read(
    heads: int, layers: int, size: int, data: st.DataObject, seed: int
) -> None:
    config = model_config(architecture="transformer", context_size=size, embedding_dim=4, layers=layers, heads=heads)
    trace = forward_trace(shaken(config, V, seed), *data.draw(examples(config)))
    found = [step for step in trace.steps if step.kind == "attention"]
    assert len(found) == layers
    for step in found:
        assert step.shape == (heads, len(trace["ids"]), len(trace["ids"]))
        assert np.abs(step.value.sum(2) - 1).max() < 1e-12
        assert not np.triu(step.value, 1).any()
