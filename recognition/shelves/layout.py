"""From boxes and what they are to a numbered shelf: bays, shelves, positions, facings and gaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recognition.shelves.facings import Group, group_facings
from recognition.shelves.gaps import base_lines, bay_edges, find_gaps
from recognition.shelves.rows import rows_and_lines
from recognition.types import Matches, ShelfLayout, Slot, Status

LEAST_SEEN = 0.5  # of the median product's height: of a gap that the border cuts lower, too little is seen
SAME_PLACE = 0.5  # of the smaller width: positions that share more stand above each other


def lay_out(xyxy: NDArray[np.float32], matches: Matches, image_size: tuple[int, int]) -> ShelfLayout:
    """Where each box stands, and every position with its facings.

    xyxy: float32 (n, 4), pixels. matches: of the same n boxes. image_size: width, height of the picture, pixels;
    gaps and lines end at its borders.

    A position is a group of equal recognized units, one unknown or ambiguous box (its slot names no SKU), or a gap.
    Positions count from the left, and from the bottom up where they stand above each other; gaps count too. Shelves
    are counted over the whole photo, positions within a bay. A group's confidence and margin are the means of its
    members': what a unit of the group, picked blindly, deserves.

    Raises:
        ValueError: boxes and matches differ in number.
    """
    if len(xyxy) != len(matches):
        raise ValueError(f"lay_out: {len(xyxy)} boxes and {len(matches)} matches")
    size = np.array(image_size, np.float64)
    rows = rows_and_lines(xyxy)
    lines = base_lines(rows)
    bays = (1 + np.searchsorted(bay_edges(rows), rows.boxes.x)).astype(np.int32)
    # A group never spans two bays: their numbers go in as if they were shelves of their own.
    groups = group_facings(rows.boxes, rows.shelf + int(rows.shelf.max(initial=0) + 1) * (bays - 1), matches.decided)
    slots = _group_slots(groups, xyxy, matches, bays, rows.shelf)
    for bay, shelf, box in find_gaps(rows, bays, lines):
        inside = np.clip(box, 0, np.tile(size, 2))
        if (inside[2:] > inside[:2]).all() and not _sliver(inside, xyxy, image_size[1]):
            slots.append(Slot(bay, shelf + 1, 0, _box(inside), Status.EMPTY, facings_wide=0, facings_high=0))
    numbered = _number(slots)
    positions = np.zeros(len(xyxy), np.int32)
    for slot in numbered:
        positions[list(slot.members)] = slot.position
    return ShelfLayout(bays, (rows.shelf + 1).astype(np.int32), positions, numbered, _clip(lines, size))


def _sliver(gap: NDArray[np.float64], xyxy: NDArray[np.float32], height: int) -> bool:
    """Whether the upper or lower border of the picture leaves hardly anything of a gap (4,), pixels: what is cut there
    is often not found, and its place only looks empty."""
    cut = gap[1] < 1 or gap[3] > height - 1
    return bool(cut and gap[3] - gap[1] < LEAST_SEEN * np.median(xyxy[:, 3] - xyxy[:, 1]))


def _group_slots(
    groups: list[Group],
    xyxy: NDArray[np.float32],
    matches: Matches,
    bays: NDArray[np.int32],
    shelf: NDArray[np.int32],
) -> list[Slot]:
    """The slots of groups, without their positions."""
    decided, margins = matches.decided, matches.margins
    slots = []
    for group in groups:
        members = list(group.members)
        first, boxes, known = members[0], xyxy[members], margins[members][np.isfinite(margins[members])]
        slots.append(
            Slot(
                bay=int(bays[first]),
                shelf=int(shelf[first]) + 1,
                position=0,
                xyxy=_box(np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])),
                status=Status(int(matches.status[first])),
                sku=int(decided[first]),
                facings_wide=group.wide,
                facings_high=group.high,
                members=group.members,
                confidence=float(matches.confidence[members].mean()),
                margin=float(known.mean()) if len(known) else float("nan"),
            )
        )
    return slots


def _box(values: NDArray[np.floating]) -> tuple[float, float, float, float]:
    x_min, y_min, x_max, y_max = (float(value) for value in values)
    return x_min, y_min, x_max, y_max


def _number(slots: list[Slot]) -> tuple[Slot, ...]:
    """The slots by bay, shelf and place, with their positions from 1."""
    numbered: list[Slot] = []
    for bay, shelf in sorted({(slot.bay, slot.shelf) for slot in slots}):
        here = [slot for slot in slots if (slot.bay, slot.shelf) == (bay, shelf)]
        numbered += [replace(slot, position=number) for number, slot in enumerate(_in_order(here), start=1)]
    return tuple(numbered)


def _in_order(slots: list[Slot]) -> list[Slot]:
    """Slots of one shelf from the left; those over (or under) the leftmost one follow it, from the bottom up."""
    columns: list[list[Slot]] = []
    for slot in sorted(slots, key=lambda slot: (slot.xyxy[0], -slot.xyxy[3])):
        if columns and _above_each_other(columns[-1][0], slot):
            columns[-1].append(slot)
        else:
            columns.append([slot])
    return [slot for column in columns for slot in sorted(column, key=lambda slot: -slot.xyxy[3])]


def _above_each_other(one: Slot, other: Slot) -> bool:
    shared = min(one.xyxy[2], other.xyxy[2]) - max(one.xyxy[0], other.xyxy[0])
    return shared > SAME_PLACE * min(one.xyxy[2] - one.xyxy[0], other.xyxy[2] - other.xyxy[0])


def _clip(lines: NDArray[np.float32], size: NDArray[np.float64]) -> NDArray[np.float32]:
    """Lines with their ends inside the picture."""
    return np.clip(lines, 0, size).astype(np.float32)
