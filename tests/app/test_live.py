"""The live chart's layout, as far as it is decided before the browser."""

from __future__ import annotations

import pandas as pd
import pytest

from ui.live import Trace, label_room


@pytest.mark.parametrize(
    ("value", "heights"),
    [(2.5, [2.6]), (3.0, [3.1]), (3.01, [3.11]), (3.2, []), (1.9, [])],
    ids=["among the curves", "at their top", "just above it", "far above", "below"],
)
def test_there_is_room_for_the_label_of_a_line_that_is_in_sight(value: float, heights: list[float]) -> None:
    curve = pd.DataFrame({"train": [3.0, 2.0], "val": [2.9, None]})
    traces = [Trace("train", "Train", "train"), Trace("val", "Validation", "validation")]
    assert label_room(curve, traces, {"Line": value}) == pytest.approx(heights)
