"""Equal facings beside each other, told by a small encoder: one of them is embedded by the large one for all.

What is shared is the vector, hence the candidates; verification still looks at every crop on its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.matching.overlay import small_picture
from recognition.types import Image

ALIKE = 0.88
"""Cosine of two crops by the starter encoder from which they are one product; docs/encoders.md says what that costs."""
LARGEST_RATIO = 1.3
"""Of the widths or the heights of two facings: the sizes of one product seldom differ by less."""
BESIDE, ABOVE, SHARED = 0.5, 0.3, 0.5
"""Neighbours: at most this part of the smaller width or height apart, and this part of the other side shared."""


def group_facings(
    crops: Sequence[Image], vectors: NDArray[np.float32], xyxy: NDArray[np.float32], alike: float = ALIKE
) -> NDArray[np.int64]:
    """The crop that stands for each crop, int64 (n,): itself, or the sharpest of the equal neighbours around it.

    crops: RGB uint8 (h, w, 3). vectors: float32 (n, dim), norm 1, by the small encoder. xyxy: float32 (n, 4), their
    boxes, pixels. A group grows from its sharpest crop over neighbours; each is compared with that crop, not with the
    one it was reached by, so that no chain of small differences leads from one flavour to the next.
    """
    near = _neighbours(xyxy.astype(np.float64))
    like = (vectors @ vectors.T > alike) & _same_size(xyxy)
    stands = np.full(len(crops), -1, np.int64)
    for first in np.argsort([-_sharpness(crop) for crop in crops], kind="stable").tolist():
        reached = [first] if stands[first] < 0 else []
        stands[reached] = first
        while reached:
            found = np.flatnonzero(near[reached.pop()] & like[first] & (stands < 0))
            stands[found] = first
            reached += found.tolist()
    return stands


def _sharpness(crop: Image) -> float:
    return float(cv2.Laplacian(small_picture(crop), cv2.CV_32F).var())


def _same_size(xyxy: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pairs of about one size, bool (n, n)."""
    sides = np.log(np.maximum(xyxy[:, 2:] - xyxy[:, :2], 1))
    return np.asarray(np.abs(sides[:, None] - sides).max(axis=2, initial=0) < np.log(LARGEST_RATIO))


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
