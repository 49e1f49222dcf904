"""How large is it? Of two sizes with one print the shelf around tells which one stands there.

Pixels per millimetre change little from one product to the next. Those that are named, and whose size the catalogue
states, are the ruler for the others: what is half as high as its candidate would be is another product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_AGAINST = 2.5
"""Log-odds against a candidate of quite another size, at most: what is half covered looks small."""

_SPREAD = np.array([0.13, 0.09])  # of the logarithms of width and height, for a product that is what it is named
_REACH = 5.0  # how far a named product counts, in sizes of a product
_LEAST_RULERS = 3.0  # sum of their weights below which nothing is said


@dataclass(frozen=True, eq=False)
class Rulers:
    """Products that are named: float32 (m, 4) boxes, pixels; float64 (m, 2) millimetres wide and high, NaN where the
    catalogue does not state them; SKU int64 (m,), -1 = none; how sure, float64 (m,), 0..1."""

    xyxy: NDArray[np.float32]
    mm: NDArray[np.float64]
    skus: NDArray[np.int64]
    sure: NDArray[np.float64]

    def usable(self) -> Rulers:
        """Those that have a name and a size."""
        rows = np.flatnonzero((self.skus >= 0) & np.isfinite(self.mm).all(axis=1))
        return Rulers(self.xyxy[rows], self.mm[rows], self.skus[rows], self.sure[rows])


def physical_sizes(xyxy: NDArray[np.float32], candidates: NDArray[np.int64], rulers: Rulers) -> NDArray[np.float64]:
    """How wide and high products are, as the named ones around them tell, float64 (n, 2), millimetres.

    xyxy: (n, 4), boxes beside the rulers' ones. candidates: int64 (n, k), SKUs in question: what has the name of one of
    them does not count, as a whole block may have the wrong one. NaN where too little around a product is named.
    """
    sizes = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 1e-6).astype(np.float64)
    rulers = rulers.usable()
    found = np.full(sizes.shape, np.nan)
    if not len(rulers.skus) or not len(sizes):
        return found
    pixels = np.maximum(rulers.xyxy[:, 2:] - rulers.xyxy[:, :2], 1e-6).astype(np.float64)
    scale = np.log(pixels / rulers.mm)
    reach = _REACH * float(np.median(np.sqrt(pixels.prod(axis=1))))
    away = np.linalg.norm(_middles(xyxy)[:, None] - _middles(rulers.xyxy)[None], axis=2) / reach
    counts = ~(candidates[:, :, None] == rulers.skus).any(axis=1)
    weights = rulers.sure * np.exp(-(away**2) / 2) * counts
    enough = weights.sum(axis=1) >= _LEAST_RULERS
    for axis in (0, 1):
        order = np.argsort(scale[:, axis])
        below = np.cumsum(weights[:, order], axis=1)
        middle = (below < below[:, -1:] / 2).sum(axis=1).clip(max=len(order) - 1)
        found[enough, axis] = (sizes[:, axis] / np.exp(scale[order, axis][middle]))[enough]
    return found


def misfit(physical: NDArray[np.float64], mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """What size says against each candidate, log-odds from -`MOST_AGAINST` to 0, float64 (n, k).

    physical: (n, 2), millimetres, NaN = unknown. mm: (n, k, 2), of the candidates, NaN = unknown; nothing is said
    then.
    """
    off = np.log(physical[:, None] / mm) / _SPREAD
    against = np.nan_to_num((off**2).sum(axis=2) / 2, nan=0.0)
    return np.asarray(-np.minimum(against, MOST_AGAINST))


def _middles(xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((xyxy[:, :2] + xyxy[:, 2:]) / 2)
