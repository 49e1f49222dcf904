"""The base line of each shelf, and where nothing stands: gaps on a shelf, strips between bays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recognition.shelves.perspective import Floats
from recognition.shelves.rows import Rows

Box = tuple[float, float, float, float]
Span = tuple[float, float]

EMPTY = 1.0  # of a product's width: a wider free interval is a gap
STRIP = 1.0  # of a product's width: a wider free strip through all shelves parts two bays
BAY_SHELVES = 3  # shelves on both sides of a strip: with fewer it may well be a gap on each
COVERED = 0.15  # of a gap's area: with more of it behind boxes of any shelf, something stands there after all


def base_lines(rows: Rows) -> NDArray[np.float32]:
    """Left and right end (x, y) of each shelf's base line, float32 (shelves, 2, 2), pixels, bottom shelf first.

    The pencil's line, turned by the median slope between the bases of its own products (Theil, 1950; Sen, 1968).
    """
    boxes, lines = rows.boxes, []
    for shelf in range(int(rows.shelf.max(initial=-1)) + 1):
        members = rows.shelf == shelf
        standing = members & rows.grounded if (members & rows.grounded).any() else members
        x, level = boxes.x[standing], boxes.bottom[standing]
        ends = np.array([boxes.left[members].min(), boxes.right[members].max()])
        slope = _median_slope(x, level)
        y = rows.pencil.y(np.median(level - slope * x) + slope * ends, ends)
        lines.append(np.stack([ends, y], axis=1))
    return np.array(lines, np.float32).reshape(-1, 2, 2)


def _median_slope(x: Floats, y: Floats) -> float:
    if len(x) < 5:  # too few to tell a slope of their own from badly drawn boxes
        return 0.0
    first, second = np.triu_indices(len(x), 1)
    far = np.abs(x[second] - x[first]) > 0.2 * np.ptp(x)
    first, second = first[far], second[far]
    return float(np.median((y[second] - y[first]) / (x[second] - x[first]))) if len(first) else 0.0


def bay_edges(rows: Rows) -> list[float]:
    """Where one bay ends and the next begins, pixels: middles of wide strips that are free on all shelves.

    Boxes tell nothing of uprights, so bays that stand close together count as one.
    """
    boxes = rows.boxes
    if len(boxes.x) == 0:
        return []
    wide = STRIP * float(np.median(boxes.width))
    edges = []
    for start, end in _free_spans(boxes.left, boxes.right):
        left, right = rows.shelf[boxes.right <= start], rows.shelf[boxes.left >= end]
        if end - start > wide and len(np.intersect1d(left, right)) >= BAY_SHELVES:
            edges.append((start + end) / 2)
    return edges


def _free_spans(left: Floats, right: Floats) -> list[Span]:
    """Intervals between the first and the last box that no box covers, from the left."""
    order = np.argsort(left, kind="stable")
    reach = np.maximum.accumulate(right[order])
    starts = np.flatnonzero(left[order][1:] > reach[:-1])
    return [(float(reach[i]), float(left[order][i + 1])) for i in starts]


def find_gaps(rows: Rows, bay: NDArray[np.int32], lines: NDArray[np.float32]) -> list[tuple[int, int, Box]]:
    """Gaps as (bay, shelf from 0, box in pixels): free intervals wider than the products beside them.

    bay: int32 (n,). An interval before the first or after the last product counts only where the two nearest shelves
    of the bay agree on how far it reaches. The box is as high as the products beside it, and no other box covers it.
    """
    gaps = []
    for name in np.unique(bay):
        here = bay == name
        extents = {
            int(shelf): (rows.boxes.left[here & (rows.shelf == shelf)], rows.boxes.right[here & (rows.shelf == shelf)])
            for shelf in np.unique(rows.shelf[here])
        }
        for shelf, (left, right) in extents.items():
            members = np.flatnonzero(here & (rows.shelf == shelf))
            around = sorted((other for other in extents if other != shelf), key=lambda other: abs(other - shelf))[:2]
            known = [(float(extents[o][0].min()), float(extents[o][1].max())) for o in around]
            spans = _free_spans(left, right) + _end_spans(left, right, known)
            for span in spans:
                box = _gap_box(rows, members, span, lines[shelf])
                if box is not None and not _covered(rows, box):
                    gaps.append((int(name), shelf, box))
    return gaps


def _end_spans(left: Floats, right: Floats, known: list[Span]) -> list[Span]:
    """Free intervals at the two ends of a shelf, as far as two other shelves both reach.

    A shelf that fills less than half of that may be shorter than they are: nothing is said of its ends.
    """
    if len(known) < 2:
        return []
    width = float(np.median(right - left))
    (left_a, right_a), (left_b, right_b) = known
    if np.ptp([left.min(), right.max()]) < (min(right_a, right_b) - max(left_a, left_b)) / 2:
        return []
    spans = []
    if abs(left_a - left_b) < width:
        spans.append((max(left_a, left_b), float(left.min())))
    if abs(right_a - right_b) < width:
        spans.append((float(right.max()), min(right_a, right_b)))
    return spans


def _gap_box(rows: Rows, members: NDArray[np.intp], span: Span, line: NDArray[np.float32]) -> Box | None:
    """The box of a free interval on a shelf, None if a product beside it would not fit in."""
    boxes, (start, end) = rows.boxes, span
    left, right = members[boxes.right[members] <= start], members[boxes.left[members] >= end]
    beside = np.concatenate([left[np.argsort(-boxes.right[left])][:2], right[np.argsort(boxes.left[right])][:2]])
    if end - start <= EMPTY * np.median(boxes.width[beside]):
        return None
    middle = (start + end) / 2
    (x_a, y_a), (x_b, y_b) = line.astype(float)
    base = y_a + (y_b - y_a) * (middle - x_a) / max(x_b - x_a, 1e-6)
    height = float(np.median(boxes.height[beside]) * rows.pencil.scale(np.array([middle]))[0])
    return start, base - height, end, base


def _covered(rows: Rows, box: Box) -> bool:
    """Whether boxes of any shelf lie over much of a gap."""
    boxes, (x_min, y_min, x_max, y_max) = rows.boxes, box
    top, bottom = rows.pencil.y(boxes.top, boxes.x), rows.pencil.y(boxes.bottom, boxes.x)
    wide = np.clip(np.minimum(boxes.right, x_max) - np.maximum(boxes.left, x_min), 0, None)
    high = np.clip(np.minimum(bottom, y_max) - np.maximum(top, y_min), 0, None)
    return bool((wide * high).sum() > COVERED * (x_max - x_min) * (y_max - y_min))
