"""A run in plain words: what is said of a start and of a curve."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from mmcore.dataset import Vocab
from mmcore.diagnosis import FirstLoss, Turn
from mmcore.trace import Neurons
from ui.neurons import layer
from ui.run import in_words

VOCAB = Vocab.from_words(["abcdefghijklmnopqrstuvwxyz"])


def test_a11_a_model_is_called_overconfident_where_it_is_right_less_often_than_it_says() -> None:
    for favourite, right in ((0.21, 0.05), (0.05, 0.21)):
        start = FirstLoss(loss=3.6, uniform=math.log(27), spread=1.0, favourite=favourite, right=right, examples=2_000)
        said = in_words.first_loss_sentence(start, VOCAB)
        assert ("overconfident" in said) == (favourite > right)
        assert f"{100 * favourite:.1f} % on average" in said and f"{100 * right:.1f} %" in said
        assert "knows nothing" not in said and "above ln 27 = 3.2958" in said
    calm = in_words.first_loss_sentence(dataclasses.replace(start, loss=2.9), VOCAB)
    assert "below ln 27" in calm and "same chance for all would be 3.7 %" in calm


def test_a11_parameters_are_counted_and_not_said_to_store() -> None:
    turn = Turn(best_step=10, best_val=2.0, best_train=1.9, last_step=20, last_val=2.5, last_train=1.0)
    said = in_words.curve(turn, 729, 20_067)
    assert "729 parameters for 20,067 train examples" in said and "store" not in said and "no others" not in said


@pytest.mark.parametrize(("activation", "passes"), [("relu", "the slope is 0 and no gradient"), ("tanh", "next to no")])
def test_a11_a_dead_unit_of_relu_gets_no_gradient_at_all(activation: str, passes: str) -> None:
    z = torch.tensor([[-3.0, 3.0], [-4.0, -1.0]], requires_grad=True)
    h = getattr(z, activation)()
    h.sum().backward()
    assert z.grad is not None
    said = layer.dead_units(Neurons(z.detach().numpy(), h.detach().numpy(), activation))
    assert "1 of 2 units is dead:** 0." in said and passes in said
    assert (z.grad[:, 0] == 0).all() == (activation == "relu") and z.grad[:, 0].max() < 0.06
