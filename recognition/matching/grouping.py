"""Equal facings beside each other, told from their pixels alone: one of them is embedded for all.

What is shared is the vector, hence the candidates; verification still looks at every crop on its own. Measured with the
`starter` encoder and true boxes (right SKUs without grouping -> with; share embedded; crops grouped with another SKU):

    ALIKE   cornershop_dev, 518      samples/, 619            12 more rendered aisles, 1,056
    0.5     94 -> 96; 0.91; 0        551 -> 529; 0.57; 21     959 -> 930; 0.59; 29
    0.6     94 -> 95; 0.94; 0        551 -> 540; 0.60; 11     959 -> 954; 0.65; 4
    0.7     94 -> 94; 0.98; 0        551 -> 549; 0.69; 1      959 -> 955; 0.73; 2

Taking the whole answer from the crop that stands for the others, verification included, gave 94, 549 and 958 at 0.7.
Flavours that differ in a word or a stripe of colour are as alike as two facings of one of them, and on real shelves
facings differ by light, glare and turning: no level loses nothing and saves much, so grouping is off unless asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.matching.overlay import Picture, align, likeness, small_picture
from recognition.types import Image

ALIKE = 0.7
"""Likeness of two crops from which they are one product."""
LARGEST_RATIO = 1.16
"""Of the widths or the heights of two facings: the sizes of one product differ by more."""
BESIDE, ABOVE, SHARED = 0.5, 0.3, 0.5
"""Neighbours: at most this part of the smaller width or height apart, and this part of the other side shared."""


def group_facings(crops: Sequence[Image], xyxy: NDArray[np.float32]) -> NDArray[np.int64]:
    """The crop that stands for each crop, int64 (n,): itself, or the sharpest of the equal neighbours around it.

    crops: RGB uint8 (h, w, 3). xyxy: float32 (n, 4), their boxes, pixels. A group grows from its sharpest crop over
    neighbours; each is compared with that crop, not with the one it was reached by, so that no chain of small
    differences leads from one flavour to the next. About 2 ms a comparison, and 0.6 comparisons a crop.
    """
    pictures = [small_picture(crop) for crop in crops]
    near = _neighbours(xyxy.astype(np.float64))
    sides = np.log(np.maximum(xyxy[:, 2:] - xyxy[:, :2], 1))
    stands = np.full(len(crops), -1, np.int64)
    for first in np.argsort([-_sharpness(picture) for picture in pictures], kind="stable").tolist():
        reached = [first] if stands[first] < 0 else []
        stands[reached] = first
        while reached:
            for other in np.flatnonzero(near[reached.pop()] & (stands < 0)).tolist():
                same_size = np.abs(sides[other] - sides[first]).max() < np.log(LARGEST_RATIO)
                if same_size and _alike(crops[other], pictures[first]):
                    stands[other] = first
                    reached.append(other)
    return stands


def _alike(crop: Image, picture: Picture) -> bool:
    return likeness(crop, picture, align(crop, picture)) > ALIKE


def _sharpness(picture: Picture) -> float:
    return float(cv2.Laplacian(picture, cv2.CV_32F).var())


def _neighbours(boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Pairs that stand beside or above each other, bool (n, n)."""
    (across, width), (down, height) = (_free(boxes[:, side], boxes[:, side + 2]) for side in (0, 1))
    beside = (across < BESIDE * width) & (down < -SHARED * height)
    above = (down < ABOVE * height) & (across < -SHARED * width)
    return np.asarray(beside | above)


def _free(start: NDArray[np.float64], end: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Free length between each two intervals (negative = shared), and the smaller of their lengths, (n, n)."""
    length = end - start
    gap = np.maximum(start[:, None], start) - np.minimum(end[:, None], end)
    return gap, np.minimum(length[:, None], length)
