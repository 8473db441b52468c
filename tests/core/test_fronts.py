"""The Pareto front, against its definition."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from mmcore.fronts import pareto

few = st.integers(0, 4).map(float) | st.just(math.nan)  # few different ones, so that there are equal ones


def test_the_front_by_hand() -> None:
    costs, losses = [1, 2, 3, 3, 4, 2], [2.5, 2.3, 2.4, 2.1, 2.1, 2.3]
    assert pareto(costs, losses).tolist() == [True, True, False, True, False, True]
    assert pareto([], []).tolist() == []


@given(st.lists(st.tuples(few, few), max_size=12))
def test_on_the_front_is_exactly_what_nothing_beats(points: list[tuple[float, float]]) -> None:
    known = [point for point in points if not any(map(math.isnan, point))]
    wanted = [
        point in known and not any(p[0] <= point[0] and p[1] <= point[1] and p != point for p in known)
        for point in points
    ]
    assert pareto([cost for cost, _ in points], [loss for _, loss in points]).tolist() == wanted
