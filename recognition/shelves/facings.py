"""Neighbouring units of one SKU on one shelf, gathered into facings wide x high."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition.shelves.perspective import Floats, Upright

Bools = NDArray[np.bool_]

ROOM = 1.0  # of a product's width: the widest free space between two columns of one group
MISSED = 1.3  # of a product's height: the highest free space in a column, one unit that was not found
SHARED = 0.5  # of the smaller size: what units above each other share sideways, and units side by side in height


@dataclass(frozen=True)
class Group:
    """One position. members: rows; wide: columns; high: units of the highest column."""

    members: tuple[int, ...]
    wide: int
    high: int


def group_facings(boxes: Upright, shelf: NDArray[np.int32], skus: NDArray[np.int64]) -> list[Group]:
    """Groups of equal neighbours, each box in exactly one, in order of their first member.

    shelf: int32 (n,). skus: int64 (n,), -1 = unknown or ambiguous: each such box is a group of its own, since two
    unknown products side by side need not be the same. Units above each other make a column; columns side by side,
    with nothing else between them and no space wider than a product, make a group.
    """
    above, beside = _links(boxes, shelf, skus)
    labels = connected(above | beside)
    groups = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        columns = connected(above[np.ix_(members, members)])
        high = max(_units(boxes, members[columns == column]) for column in np.unique(columns))
        groups.append(Group(tuple(int(m) for m in members), len(np.unique(columns)), high))
    return groups


def connected(links: Bools) -> NDArray[np.intp]:
    """Smallest row that each row reaches over the links, int (n,). links: bool (n, n), symmetric."""
    count = len(links)
    reach = links | np.eye(count, dtype=bool)
    labels = np.arange(count)
    while count:
        smaller = np.where(reach, labels, count).min(axis=1)
        if (smaller == labels).all():
            break
        labels = smaller
    return labels


def free(start: Floats, end: Floats) -> tuple[Floats, Floats]:
    """Free length between each two intervals (negative = shared length), and the smaller of the two lengths, (n, n)."""
    apart = np.maximum(start[:, None], start) - np.minimum(end[:, None], end)
    return apart, np.minimum((end - start)[:, None], end - start)


def _links(boxes: Upright, shelf: NDArray[np.int32], skus: NDArray[np.int64]) -> tuple[Bools, Bools]:
    """Pairs of one SKU that stand above each other, and side by side, bool (n, n) each."""
    apart_x, narrower = free(boxes.left, boxes.right)
    apart_y, lower = free(boxes.top, boxes.bottom)
    equal = (shelf[:, None] == shelf) & (skus[:, None] == skus) & (skus >= 0)
    level, in_line = apart_y < -SHARED * lower, apart_x < -SHARED * narrower
    width = (boxes.width[:, None] + boxes.width) / 2
    beside = equal & level & (apart_x < ROOM * width)
    above = equal & in_line & (apart_y < MISSED * lower)
    other = (shelf[:, None] == shelf) & (skus[:, None] != skus)
    return (
        above & ~_parted(above, boxes.bottom, other & in_line),
        beside & ~_parted(beside, boxes.x, other & level),
    )


def _parted(links: Bools, place: Floats, other: Bools) -> Bools:
    """Links with another product between their two ends. other: bool (n, n), products that can part from each row."""
    first, second = np.nonzero(links)
    low, high = np.minimum(place[first], place[second]), np.maximum(place[first], place[second])
    between = (place > low[:, None]) & (place < high[:, None]) & other[first] & other[second]
    parted = np.zeros_like(links)
    parted[first, second] = between.any(axis=1)
    return parted


def _units(boxes: Upright, column: NDArray[np.intp]) -> int:
    """Units of one column, boxes of nearly the same place counted once."""
    units, top = 0, np.inf
    for box in column[np.argsort(-boxes.bottom[column], kind="stable")]:
        if boxes.bottom[box] < top + SHARED * boxes.height[box]:
            units, top = units + 1, boxes.top[box]
    return units
