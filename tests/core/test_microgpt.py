"""The preset *microgpt* against A. Karpathy's microgpt (2026), written again here in plain Python, number by number."""

from __future__ import annotations

import math

import pytest
import torch

from mmcore.dataset import Dataset
from mmcore.model import Model
from mmcore.presets import PRESETS
from mmcore.train_state import TrainState
from mmcore.training import train
from tests.models import shaken

Vector = list[float]
Matrix = list[Vector]

PRESET = PRESETS["microgpt"]
HEADS, HEAD = 4, 4  # of 16 numbers


def times(x: Vector, W: Matrix) -> Vector:
    """A vector times a matrix (in, out)."""
    return [sum(number * row[column] for number, row in zip(x, W, strict=True)) for column in range(len(W[0]))]


def normalised(x: Vector) -> Vector:
    scale = (sum(number * number for number in x) / len(x) + 1e-5) ** -0.5
    return [number * scale for number in x]


def softmax(scores: Vector) -> Vector:
    shares = [math.exp(score - max(scores)) for score in scores]
    return [share / sum(shares) for share in shares]


def added(x: Vector, y: Vector) -> Vector:
    return [a + b for a, b in zip(x, y, strict=True)]


def microgpt(p: dict[str, Matrix], word: list[int]) -> Matrix:
    """What follows each character of a word, a boundary first: logits, character by character, what was read kept."""
    keys: Matrix = []
    values: Matrix = []
    logits = []
    for place, character in enumerate(word):
        s = normalised(added(p["C"][character], p["wpe"][place]))
        q_k_v = times(normalised(s), p["W_attn1"])
        q, k, v = q_k_v[:16], q_k_v[16:32], q_k_v[32:]
        keys.append(k)
        values.append(v)
        mixed: Vector = []
        for head in range(HEADS):
            part = slice(head * HEAD, (head + 1) * HEAD)
            scores = [sum(a * b for a, b in zip(q[part], k[part], strict=True)) / math.sqrt(HEAD) for k in keys]
            shares = softmax(scores)
            mixed += [sum(share * v[part][i] for share, v in zip(shares, values, strict=True)) for i in range(HEAD)]
        s = added(s, times(mixed, p["W_attn_proj1"]))
        up = [max(0.0, number) for number in times(normalised(s), p["W_fc1"])]
        s = added(s, times(up, p["W_mlp_proj1"]))
        logits.append(times(s, p["W_lm_head"]))
    return logits


def lists(model: Model) -> dict[str, Matrix]:
    return {name: tensor.tolist() for name, tensor in model.tensors.items()}


def test_it_has_4_192_parameters_for_the_letters_and_the_boundary() -> None:
    assert PRESET.model.parameters(27) == 4_192
    assert PRESET.model.shapes(27) == {
        "C": (27, 16),
        "wpe": (16, 16),
        "W_attn1": (16, 3 * 16),
        "W_attn_proj1": (16, 16),
        "W_fc1": (16, 4 * 16),
        "W_mlp_proj1": (4 * 16, 16),
        "W_lm_head": (16, 27),
    }
    assert "4,192" in PRESET.note


@pytest.mark.parametrize("seed", [1, 2])
def test_it_computes_what_plain_python_does(seed: int) -> None:
    model = shaken(PRESET.model, 27, seed)
    word = [0, 5, 13, 13, 1, 26, 2, 9, 9, 14, 3, 1, 20, 8, 1, 7]
    expected = torch.tensor(microgpt(lists(model), word), dtype=torch.float64)
    contexts = torch.tensor([[0] * (16 - n) + word[:n] for n in range(1, 17)])
    assert torch.allclose(model(contexts), expected, rtol=0, atol=1e-12)
    assert expected.std() > 0.1, "logits that differ"


def test_an_update_reads_one_word_and_the_rate_falls_to_zero(small: Dataset) -> None:
    state = TrainState(PRESET.model, PRESET.train.replace(max_steps=4), small.vocab.size)
    rates = [step.learning_rate for step in train(state, small)]
    assert rates[0] == 0.01 and rates[-1] == pytest.approx(0.0025)
    assert (PRESET.train.batch_size, PRESET.train.sampler, PRESET.train.max_steps) == (1, "words", 1_000)
