"""Text on a page."""

from __future__ import annotations

import math

import pytest

from ui.text import nats


@pytest.mark.parametrize(
    ("loss", "shown"),
    [
        (2.09657, "2.0966"),
        (-0.5, "-0.5000"),
        (34_581.25, "34,581.2500"),
        (4.741e20, "4.74e+20"),
        (math.inf, "∞"),
        (math.nan, "nan"),
    ],
)
def test_a_loss_is_exact_to_four_decimals_until_only_its_size_says_anything(loss: float, shown: str) -> None:
    assert nats(loss) == shown


def test_a_loss_may_have_other_decimals() -> None:
    assert (nats(8.2821, 3), nats(3e21, 3)) == ("8.282", "3e+21")
