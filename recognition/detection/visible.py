"""How much can be seen of a product that the border of the picture cuts.

People who label shelves leave out what is cut in half, and half a pack is named wrongly more often than a whole one;
a detector does not care. What is missing is told by whole products near by: in a row packs of one height are often
of one width, and in a column of one width often of one height.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recognition.detection.boxes import cut_sides
from recognition.types import Detections

SURE = 0.25
"""Boxes below this score say nothing of the products' size."""
_NEAREST = 5
_LIKE = (0.7, 1.4)
"""Range of a neighbour's other side, as a multiple of the product's own."""
_BORDER = 0.004
"""A box ends at the border if less than this share of the picture's longer side is between them, 3 pixels at least."""
_WHOLE = 0.6
"""A product counts whole from this share on. People label hardly any of which less than half can be seen."""


def weigh_visible(found: Detections, width: int, height: int) -> Detections:
    """The same boxes, best score first; a product that the border of the picture cuts has less score."""
    share = (visible_share(found, width, height) / _WHOLE).clip(0, 1)
    weighed = Detections(found.xyxy, (found.scores * share).astype(np.float32))
    return weighed.select(np.argsort(-weighed.scores, kind="stable"))


def visible_share(found: Detections, width: int, height: int) -> NDArray[np.float64]:
    """Share (n,) of each product that is inside the picture of that size, 0 to 1: 1 for those that touch no border, or
    have no like neighbour.

    Compared with the median of the five nearest whole products of like height (at the left and right border, in the
    same row) or like width (at the upper and lower border).
    """
    boxes = found.xyxy.astype(np.float64)
    near = max(3.0, _BORDER * max(width, height))
    cut = cut_sides(boxes, (width, height), near)
    whole = ~cut.any(axis=1) & (found.scores >= SURE)
    sides, centres = boxes[:, 2:] - boxes[:, :2], (boxes[:, :2] + boxes[:, 2:]) / 2
    share = np.ones(len(boxes))
    for axis, ends in ((0, (0, 2)), (1, (1, 3))):
        other = 1 - axis
        for i in np.flatnonzero(cut[:, ends].any(axis=1)):
            away = np.abs(centres - centres[i])
            ratio = sides[:, other] / sides[i, other]
            like = whole & (ratio > _LIKE[0]) & (ratio < _LIKE[1])
            if axis == 0:
                like &= away[:, 1] < sides[i, 1] / 3
            nearest = np.flatnonzero(like)[np.argsort(np.hypot(*away[like].T), kind="stable")[:_NEAREST]]
            if len(nearest):
                share[i] = min(share[i], sides[i, axis] / np.median(sides[nearest, axis]))
    return share
