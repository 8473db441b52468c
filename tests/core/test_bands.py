"""Several curves as a band."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from mmcore.bands import band


def curve(*points: tuple[int, float]) -> pd.DataFrame:
    return pd.DataFrame(points, columns=["step", "val_loss"])


def test_a_band_has_the_steps_that_all_have_measured() -> None:
    first = curve((0, 3.0), (5, math.nan), (10, 2.0), (20, 1.0))
    second = curve((0, 3.2), (5, 2.6), (10, 2.4))
    third = curve((0, 3.4), (5, 2.7), (10, 2.5), (20, 5.0))
    found = band([first, second, third])
    assert found["step"].tolist() == [0, 10]
    assert found["mean"].tolist() == pytest.approx([3.2, 2.3])
    assert found["low"].tolist() == [3.0, 2.0] and found["high"].tolist() == [3.4, 2.5]


def test_of_one_curve_the_band_is_the_curve_and_of_none_it_is_empty() -> None:
    only = curve((0, 3.0), (10, 2.0))
    found = band([only])
    for name in ("mean", "low", "high"):
        assert found[name].tolist() == only["val_loss"].tolist()
    assert band([]).empty and list(band([])) == list(found)
