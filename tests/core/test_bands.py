"""Several curves as a band."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from mmcore.bands import MAX_POINTS, band


def curve(*points: tuple[int, float]) -> pd.DataFrame:
    return pd.DataFrame(points, columns=["step", "val_loss"])


def test_a_band_has_every_measured_step_up_to_the_shortest_curves_end() -> None:
    first = curve((0, 3.0), (5, math.nan), (10, 2.0), (20, 1.0))
    second = curve((0, 3.2), (4, 2.8), (10, 2.2))
    found = band([first, second])
    assert found["step"].tolist() == [0, 4, 10], "20 is beyond the second curve's end"
    assert found["mean"].tolist() == pytest.approx([3.1, (2.6 + 2.8) / 2, 2.1]), "the first is at 2.6 at step 4"
    assert found["low"].tolist() == pytest.approx([3.0, 2.6, 2.0])
    assert found["high"].tolist() == pytest.approx([3.2, 2.8, 2.2])


def test_a_band_of_many_points_is_thinned_and_keeps_its_ends() -> None:
    long = curve(*((step, 3 - step / 1_000) for step in range(1_001)))
    found = band([long, curve((0, 3.0), (1_000, 2.0))])
    assert len(found) == MAX_POINTS and found["step"].iloc[0] == 0 and found["step"].iloc[-1] == 1_000
    assert (found["high"] - found["low"]).max() == pytest.approx(0, abs=1e-12)


def test_of_one_curve_the_band_is_the_curve_and_of_none_it_is_empty() -> None:
    only = curve((0, 3.0), (10, 2.0))
    found = band([only])
    for name in ("mean", "low", "high"):
        assert found[name].tolist() == only["val_loss"].tolist()
    assert band([]).empty and list(band([])) == list(found)
