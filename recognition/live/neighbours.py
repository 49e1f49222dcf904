"""Equal neighbours are mostly one product: shelves are filled in blocks. Packs of one size side by side, or on top of
each other, speak for what they show in each other's votes, by less than an own clear view: a pack that stands in the
wrong block is still seen as what it is."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from recognition.live.items import Item
from recognition.live.overlap import Boxes, stacked

_ALIKE = 0.1  # greatest difference of the logarithms of width and height
_LEVEL = 0.15  # of the height, or width: they stand in one line
_BESIDE, _ABOVE = 1.35, 1.15  # greatest distance of the middles, in widths and heights
_MOST = 2.0  # log-odds of what all neighbours together say; each says 1 at most


def consult(items: list[Item]) -> None:
    """Tells each of the products of one part of the shelf what its equal neighbours show."""
    asked = [item for item in items if not item.cut]
    near = neighbours(stacked([item.home for item in asked]))
    shares = [item.votes.shares() for item in asked]
    for index, item in enumerate(asked):
        beside = np.flatnonzero(near[index])
        weight = min(1.0, _MOST / max(len(beside), 1))
        said: defaultdict[int, float] = defaultdict(float)
        for other in beside:
            for sku, share in shares[other].items():
                said[sku] += weight * share
        item.votes.hear(said)


def neighbours(boxes: Boxes) -> NDArray[np.bool_]:
    """Which of the boxes float32 (n, 4) are equal in size and stand beside or on top of each other, (n, n)."""
    sizes = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
    alike = (np.abs(np.log(sizes[:, None] / sizes[None])) <= _ALIKE).all(axis=2)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    across, down = np.moveaxis(2 * np.abs(middles[:, None] - middles[None]) / (sizes[:, None] + sizes[None]), 2, 0)
    side_by_side = (across <= _BESIDE) & (down <= _LEVEL)
    stacked_up = (down <= _ABOVE) & (across <= _LEVEL)
    near = alike & (side_by_side | stacked_up)
    np.fill_diagonal(near, False)
    return np.asarray(near, np.bool_)
