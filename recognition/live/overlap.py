"""How boxes lie to each other: which stand in the same place, which is a piece of another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recognition.detection.boxes import areas, iou_matrix, share_matrix

Box = NDArray[np.float32]
Boxes = NDArray[np.float32]

PLACE = 0.5
"""Least overlap (IoU) with a place to stand in it."""
INSIDE = 0.7
"""Or share of the smaller box, where one of both is cut by the border."""
_GROWS = 1.8  # times the area
_MOVED = 0.5  # of the width or height: less is a trembling box, or a product set straight


def same_places(
    homes: Boxes, cut_homes: NDArray[np.bool_], boxes: Boxes, cut: NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Pairs (home, box) of (n, 4) and (m, 4) that are one place, best overlap first, none twice.

    cut_homes, cut: bool (n,) and (m,), which of them end at the picture's border.
    """
    if not len(homes) or not len(boxes):
        return []
    overlap = iou_matrix(homes, boxes)
    either = cut_homes[:, None] | cut[None, :]
    fits = (overlap >= PLACE) | (either & (share_matrix(homes, boxes) >= INSIDE))
    pairs, used, taken = [], set(), set()
    for flat in np.argsort(-np.where(fits, overlap + 1, 0), axis=None, kind="stable"):
        i, j = divmod(int(flat), len(boxes))
        if not fits[i, j]:
            break
        if i not in used and j not in taken:
            pairs.append((i, j))
            used.add(i)
            taken.add(j)
    return pairs


def overlap(one: Box, other: Box) -> float:
    """IoU of two boxes (4,)."""
    return float(iou_matrix(one[None], other[None])[0, 0])


def shared(one: Box, other: Box) -> float:
    """What two boxes (4,) share, of the smaller one."""
    return float(share_matrix(one[None], other[None])[0, 0])


def stacked(boxes: list[Box]) -> Boxes:
    """Boxes (4,) as an array (n, 4)."""
    return np.array(boxes, np.float32).reshape(-1, 4)


def alike_in_size(one: Box, other: Box) -> bool:
    """Whether two boxes (4,) may show one product: what is carried does not grow or shrink."""
    less, more = sorted(areas(np.stack([one, other])).clip(1e-6))
    return bool(more <= _GROWS * less)


def far(one: Box, other: Box) -> bool:
    """Whether a box (4,) is elsewhere: both its edges went the same way, by more than a share of its size."""
    way = one.reshape(2, 2) - other.reshape(2, 2)
    both = np.where(way[0] * way[1] > 0, np.abs(way).min(axis=0), 0.0)
    return bool((both > _MOVED * (other[2:] - other[:2])).any())
