"""Labels beside their points: none covers another, in a picture of any size."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from mmcore.labels import place_labels

SIZE = np.array([12.0, 16.0])
MARKER = 5.0


def drawn(count: int, shape: str, pixels: float = 260.0) -> NDArray[np.float64]:
    """Points that fill a square of so many pixels: a cloud, two heaps, or a line."""
    random = np.random.default_rng(count)
    points = random.normal(size=(count, 2))
    points += {"cloud": 0.0, "heaps": 6.0 * random.integers(0, 2, (count, 1)), "line": 4.0 * points[:, ::-1]}[shape]
    points -= points.min(axis=0)
    return np.asarray(points * pixels / max(points.max(), 1e-9))


def overlaps(middles: NDArray[np.float64], sizes: NDArray[np.float64]) -> int:
    pairs = combinations(range(len(middles)), 2)
    return sum(bool((np.abs(middles[i] - middles[j]) < (sizes[i] + sizes[j]) / 2 - 1e-9).all()) for i, j in pairs)


@pytest.mark.parametrize("shape", ["cloud", "heaps", "line"])
@pytest.mark.parametrize("count", [1, 2, 27, 100])
def test_no_two_labels_overlap_in_a_picture_of_this_size_or_larger(count: int, shape: str) -> None:
    points, sizes = drawn(count, shape), np.tile(SIZE, (count, 1))
    offsets = place_labels(points, sizes, marker=MARKER)
    assert np.isfinite(offsets).all(), "each of so many has its label"
    for larger in (1.0, 1.13, 1.5, 2.0, 3.7, 40.0):
        assert overlaps(larger * points + offsets, sizes) == 0
    own = (np.abs(offsets) >= SIZE / 2 + MARKER - 1e-9).any(axis=1)
    assert own.all(), "a label stands clear of its own point"


def test_labels_are_near_and_mostly_off_other_points() -> None:
    points, sizes = drawn(27, "cloud"), np.tile(SIZE, (27, 1))
    offsets = place_labels(points, sizes, marker=MARKER)
    assert np.median(np.linalg.norm(offsets, axis=1)) < 16
    covered = np.abs((points + offsets)[:, None] - points) < SIZE / 2 + MARKER - 1e-9
    assert covered.all(axis=2).sum() <= 1


def test_points_of_one_place_have_labels_around_it_and_the_same_ones_each_time() -> None:
    points, sizes = np.full((9, 2), 50.0), np.tile(SIZE, (9, 1))
    offsets = place_labels(points, sizes)
    assert overlaps(points + offsets, sizes) == 0
    assert np.array_equal(offsets, place_labels(points.copy(), sizes))


def test_a_label_without_room_near_its_point_is_left_out() -> None:
    points, sizes = drawn(400, "cloud"), np.tile(SIZE, (400, 1))
    offsets = place_labels(points, sizes)
    kept = np.isfinite(offsets).all(axis=1)
    assert 50 < kept.sum() < 400
    assert overlaps((points + offsets)[kept], sizes[kept]) == 0


def test_wide_labels_have_their_room_too() -> None:
    points = drawn(27, "cloud")
    sizes = np.stack([np.linspace(12, 60, 27), np.full(27, 16.0)], axis=1)
    assert overlaps(points + place_labels(points, sizes), sizes) == 0
