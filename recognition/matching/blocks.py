"""Shelves are filled in blocks: products of one size side by side, or on top of each other, are mostly one product.

What is named speaks for its SKU among the candidates of its equal neighbours, by less than a clear view of a pack does:
one that stands in the wrong block is still seen as what it is, and none is given a SKU that its search did not find.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recognition.types import Matches

MOST_TOGETHER = 2.0
"""Log-odds of what all neighbours together say; each says 1 at most."""

_ALIKE = 0.1  # greatest difference of the logarithms of width and height
_LEVEL = 0.15  # of the height, or width: they stand in one line
_BESIDE, _ABOVE = 1.35, 1.15  # greatest distance of the middles, in widths and heights


def equal_neighbours(xyxy: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of the boxes float32 (n, 4) are equal in size and stand beside or on top of each other, (n, n)."""
    sizes = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 1e-6)
    alike = (np.abs(np.log(sizes[:, None] / sizes[None])) <= _ALIKE).all(axis=2)
    middles = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    across, down = np.moveaxis(2 * np.abs(middles[:, None] - middles[None]) / (sizes[:, None] + sizes[None]), 2, 0)
    side_by_side = (across <= _BESIDE) & (down <= _LEVEL)
    stacked_up = (down <= _ABOVE) & (across <= _LEVEL)
    near = alike & (side_by_side | stacked_up)
    np.fill_diagonal(near, False)
    return np.asarray(near, np.bool_)


def weight_of_each(near: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What each neighbour of a product says at most, log-odds, float64 (n,). near: bool (n, n)."""
    return np.asarray(np.minimum(1.0, MOST_TOGETHER / np.maximum(near.sum(axis=1), 1)))


def support(near: NDArray[np.bool_], skus: NDArray[np.int64], matches: Matches) -> NDArray[np.float64]:
    """What equal neighbours say for each candidate, log-odds, float64 (n, k): each the confidence of what it was named.

    near: bool (n, n). skus: int64 (n, k), candidates, -1 = none. matches: of the same n products.
    """
    named = matches.decided
    rows, columns = np.nonzero(near & (named >= 0))
    says = weight_of_each(near)[rows] * matches.confidence[columns]
    found = np.zeros(skus.shape)
    np.add.at(found, rows, says[:, None] * (skus[rows] == named[columns, None]))
    return found
