"""Which shelf each product stands on, from the boxes alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition.shelves.perspective import (
    Floats,
    Pencil,
    Upright,
    fit_pencil,
    neighbour_pairs,
    row_pairs,
    upright,
)

Bools = NDArray[np.bool_]
Labels = NDArray[np.int32]

BLUR = 0.1  # of a product's height: how far its base may be from its board
TOUCH = 0.28  # of the smallest side: how far apart two units of a stack may be drawn; boards are thicker
ALIKE = 0.15  # of a width or height: by how much units of one stack may differ, in their edges and in size
INSIDE = 0.22  # of a height: a board that passes further inside a product than this is not its board
STACKED = 0.25  # of a level's products: so many touch what is below where it is one of stacks
FEW = 0.25  # of a board's products: a level with fewer must prove that it is a board
CROWD = 6  # products on the fullest board of a photo that counts as crowded
NEAR = 1.5  # widths: products nearer than this share boards


@dataclass(frozen=True, eq=False)
class Rows:
    """Shelf of each box, int32 (n,), 0 = bottom; the pencil of lines that the boards follow; the boxes in its terms.

    grounded: bool (n,), whether a box stands on the board itself, not on another product.
    """

    shelf: Labels
    pencil: Pencil
    boxes: Upright
    grounded: Bools


def find_rows(xyxy: NDArray[np.float32]) -> Labels:
    """Shelf of each box, int32 (n,), 0 = bottom. xyxy: float32 (n, 4), pixels. See `rows_and_lines`."""
    return rows_and_lines(xyxy).shelf


def rows_and_lines(xyxy: NDArray[np.float32]) -> Rows:
    """Shelf of each box and the lines of the boards. xyxy: float32 (n, 4), pixels.

    Base points are brought upright with a pencil of lines fitted to neighbours, gathered by the height of their
    base (tall and short products share it), and the pencil is fitted again to whole rows. A row whose products
    touch what is below them, or that would cut through products beside it, is a layer of a stack: its products
    belong to the shelf of what they stand on.
    """
    if len(xyxy) == 0:
        return Rows(np.zeros(0, np.int32), Pencil(), upright(xyxy, Pencil()), np.zeros(0, bool))
    pencil = fit_pencil(xyxy, neighbour_pairs(xyxy))
    for _ in range(2):
        boxes = upright(xyxy, pencil)
        pencil = fit_pencil(xyxy, row_pairs(_levels(boxes), boxes.x), pencil)
    boxes = upright(xyxy, pencil)
    levels = _levels(boxes)
    support = _over_holes(boxes, levels, _standing_on(boxes))
    shelves = _boards(boxes, levels, support)
    grounded = np.isin(levels, [level for shelf in shelves for level in shelf])
    return Rows(_settle(boxes, levels, shelves, support), pencil, boxes, grounded)


def _levels(boxes: Upright) -> Labels:
    """Groups of boxes whose bases are level, int32 (n,), from the top; peaks of the density of bases."""
    blur = BLUR * np.clip(boxes.height, 0.5 * np.median(boxes.height), 2 * np.median(boxes.height))
    bases = np.unique(boxes.bottom)
    middles = (bases[1:] + bases[:-1]) / 2
    places = np.sort(np.concatenate([bases, middles]))  # peaks are near bases, valleys near the middles between them
    density = np.exp(-0.5 * ((places[:, None] - boxes.bottom) / blur) ** 2).sum(axis=1)
    return np.searchsorted(places[_valleys(density)], boxes.bottom).astype(np.int32)


def _valleys(density: Floats) -> NDArray[np.intp]:
    """Indices of the valleys that part two peaks: those at most 0.6 of the lower peak."""
    walled = np.concatenate([[-1.0], density, [-1.0]])
    peaks = np.flatnonzero((density >= walled[:-2]) & (density > walled[2:]))
    cuts: list[int] = []
    last = int(peaks[0])
    for peak in peaks[1:]:
        valley = last + int(np.argmin(density[last : peak + 1]))
        if density[valley] <= 0.6 * min(density[last], density[peak]):
            cuts.append(valley)
            last = int(peak)
        elif density[peak] > density[last]:
            last = int(peak)
    return np.array(cuts, np.intp)


def _standing_on(boxes: Upright) -> NDArray[np.int64]:
    """The box on which each one stands, -1 = none: it overlaps sideways, and its top is at the other's bottom."""
    narrower = np.minimum(boxes.width[:, None], boxes.width)
    small = np.minimum(narrower, np.minimum(boxes.height[:, None], boxes.height))
    shared = np.minimum(boxes.right[:, None], boxes.right) - np.maximum(boxes.left[:, None], boxes.left)
    gap = np.abs(boxes.top - boxes.bottom[:, None]) / np.maximum(small, 1e-6)
    touching = (gap < TOUCH) & (shared > 0.4 * narrower) & (boxes.bottom > boxes.bottom[:, None])
    return np.where(touching.any(axis=1), np.where(touching, gap, np.inf).argmin(axis=1), -1)


def _over_holes(boxes: Upright, levels: Labels, support: NDArray[np.int64]) -> NDArray[np.int64]:
    """`support`, also for boxes of stacks in which the unit between them and the one below was not found.

    Such a box is as large as the one below, stands right over it, and one unit fits between them. So may equal
    products on two boards: only a level of which a quarter touches what is below is taken for one of stacks.
    """
    stacks = [level for level in np.unique(levels) if (support[levels == level] >= 0).mean() >= STACKED]
    upper = np.flatnonzero((support < 0) & np.isin(levels, stacks))
    left, right, bottom = (edge[upper, None] for edge in (boxes.left, boxes.right, boxes.bottom))
    width, height = (np.maximum(np.minimum(size[upper, None], size), 1e-6) for size in (boxes.width, boxes.height))
    off = np.maximum(np.abs(left - boxes.left), np.abs(right - boxes.right)) / width
    unlike = np.abs(boxes.height[upper, None] - boxes.height) / height
    hole = np.abs(boxes.top - bottom - height) / height
    fits = (off < ALIKE) & (unlike < ALIKE) & (hole < TOUCH)
    below = np.where(fits.any(axis=1), np.where(fits, hole, np.inf).argmin(axis=1), -1)
    bridged = support.copy()
    bridged[upper] = below
    return bridged


def _conflicts(boxes: Upright) -> Bools:
    """Pairs of near boxes that cannot both stand on a board: the base of one is inside the body of the other."""
    margin = INSIDE * boxes.height
    inside = (boxes.bottom[:, None] > boxes.top + margin) & (boxes.bottom[:, None] < boxes.bottom - margin)
    apart = np.maximum(boxes.left[:, None], boxes.left) - np.minimum(boxes.right[:, None], boxes.right)
    near = apart < NEAR * np.minimum(boxes.width[:, None], boxes.width)
    return (inside | inside.T) & near


def _boards(boxes: Upright, levels: Labels, support: NDArray[np.int64]) -> list[list[int]]:
    """The levels that are boards, as groups that make one shelf; the others are layers of stacks, or stray boxes.

    A level is no board if most of its products touch what is below them, conflict with those of larger levels, or
    are so few and so near to a large board that its products could not pass (they stand far back, or on no board).
    One box alone in a crowded photo is no board either: a false box is likelier than a shelf with one product, and
    would give every shelf above it another number.
    Levels side by side that share most of their height (two bays with boards at different heights) make one shelf.
    """
    conflicts = _conflicts(boxes)
    names, counts = np.unique(levels, return_counts=True)
    on_board = np.zeros(len(levels), bool)
    shelves: list[list[int]] = []
    for name in names[np.argsort(-counts, kind="stable")]:
        members = levels == name
        stacked = (support[members] >= 0).mean() >= 0.5
        blocked = conflicts[members][:, on_board].any(axis=1).mean() >= 0.5
        lone = members.sum() == 1 and counts.max() >= CROWD
        if stacked or blocked or lone:
            continue
        others = [np.isin(levels, shelf) for shelf in shelves]
        beside = [shelf for shelf, other in zip(shelves, others, strict=True) if _beside(boxes, members, other)]
        if beside:
            beside[0].append(int(name))
        elif any(_squeezed(boxes, members, other) for other in others):
            continue
        else:
            shelves.append([int(name)])
        on_board |= members
    return shelves or [[int(names[-1])]]


def _beside(boxes: Upright, one: Bools, other: Bools) -> bool:
    """Whether two groups of boxes are apart sideways and share most of their height."""
    if boxes.left[one].min() < boxes.right[other].max() and boxes.left[other].min() < boxes.right[one].max():
        return False
    top, bottom = (np.array([np.median(edge[one]), np.median(edge[other])]) for edge in (boxes.top, boxes.bottom))
    return bool(bottom.min() - top.max() > 0.5 * (bottom - top).min())


def _squeezed(boxes: Upright, few: Bools, many: Bools) -> bool:
    """Whether a few boxes leave too little room between their base and a board with many for what stands there."""
    if few.sum() > FEW * many.sum():
        return False
    drop = np.median(boxes.bottom[many]) - np.median(boxes.bottom[few])
    lower = many if drop > 0 else few
    return bool(abs(drop) < (1 - INSIDE) * np.percentile(boxes.height[lower], 90))


def _settle(boxes: Upright, levels: Labels, shelves: list[list[int]], support: NDArray[np.int64]) -> Labels:
    """Shelf of each box from 0 = bottom: its board's, that of what it stands on, or the nearest one below."""
    heights = np.array([np.median(boxes.bottom[np.isin(levels, shelf)]) for shelf in shelves])
    order = np.argsort(-heights, kind="stable")
    heights = heights[order]
    shelf_of = {level: rank for rank, index in enumerate(order) for level in shelves[index]}
    shelf = np.full(len(levels), -1, np.int32)
    for box in np.argsort(-boxes.bottom, kind="stable"):
        if int(levels[box]) in shelf_of:
            shelf[box] = shelf_of[int(levels[box])]
        elif support[box] >= 0:
            shelf[box] = shelf[support[box]]
        else:
            drop = heights - boxes.bottom[box]
            # A board is at or under a product's base; a little over it only when the box is drawn badly.
            shelf[box] = np.argmin(np.where(drop >= 0, drop, -3 * drop))
    return shelf
