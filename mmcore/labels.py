"""Where the labels of points go, so that none covers another: beside their points, which stay where they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ANGLES = 24  # directions that are tried around a point
STEP = 4.0  # pixels between two distances that are tried
FAR = 100.0  # pixels; a label further from its point would be no label of it
COVERS = 40.0  # pixels that a label rather goes than over a point or past it


def place_labels(
    points: NDArray[np.floating], sizes: NDArray[np.floating], *, marker: float = 5.0
) -> NDArray[np.float64]:
    """How far from its point the middle of each label goes: offsets (N, 2) in pixels; NaN where there is no room.

    No label overlaps another, and none its own point. They do not in a larger picture either, where the points lie
    further apart by any factor and the offsets are the same: two labels are kept apart to the right and the left, or
    above and below, in the order of their points. The same points give the same offsets.

    Parameters
    ----------
    points : (N, 2), pixels in the smallest picture
    sizes : (N, 2), width and height of each label
    marker : from the middle of a point to its edge, which labels keep off where there is room
    """
    where, boxes = points.astype(np.float64), sizes.astype(np.float64)
    offsets, placed = np.zeros_like(where), list[int]()
    for i in np.argsort(np.linalg.norm(where - where.mean(axis=0), axis=1), kind="stable").tolist():
        offsets[i] = _place(i, where, boxes, offsets, placed, marker)
        if not np.isnan(offsets[i, 0]):
            placed.append(i)
    return offsets


def _place(
    i: int,
    where: NDArray[np.float64],
    sizes: NDArray[np.float64],
    offsets: NDArray[np.float64],
    placed: list[int],
    marker: float,
) -> NDArray[np.float64]:
    """The offset of one label among those that are placed: the nearest with room, where it can be off all points."""
    way = _directions()
    with np.errstate(divide="ignore"):
        clear = ((sizes[i] / 2 + marker) / np.abs(way)).min(axis=1)  # how far out the label just touches its point
    between, others = where[i] - where, np.arange(len(where)) != i
    lowest, best = np.inf, np.full(2, np.nan)
    for further in np.arange(0, FAR, STEP):
        distance = clear + further
        if distance.min() > lowest:
            break
        tried = distance[:, None] * way
        moved, room = tried[:, None] - offsets[placed], (sizes[i] + sizes[placed]) / 2
        free = _apart(between[placed], moved, room).all(axis=1)
        in_the_way = ~_apart(between[others], tried[:, None], sizes[i] / 2 + marker)
        cost = np.where(free, distance + COVERS * in_the_way.sum(axis=1), np.inf)
        if cost.min() < lowest:
            lowest, best = cost.min(), tried[cost.argmin()]
    return best


def _directions() -> NDArray[np.float64]:
    angle = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False) + np.pi / 2  # above its point first
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _apart(points: NDArray[np.float64], offsets: NDArray[np.float64], room: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether two things keep so much room along an axis, in the order of their points; differences (…, 2) of both."""
    gap = points + offsets
    return np.asarray(((np.abs(gap) >= room) & (gap * points >= 0)).any(axis=-1))
