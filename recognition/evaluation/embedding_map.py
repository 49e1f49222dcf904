"""The embedding space itself: how well categories keep together, and a plane to look at. Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHUNK = 1024


@dataclass(frozen=True, eq=False)
class Plane:
    """points: float64 (n, 2), in -1 to 1. explained: share of the variance that the plane shows."""

    points: NDArray[np.float64]
    explained: float


def silhouette(vectors: NDArray[np.float32], group: NDArray[np.int64]) -> float:
    """Mean silhouette (Rousseeuw 1987) under cosine distance, -1 to 1; NaN where no two groups can be held apart.

    vectors: (n, d), norm 1. group: (n,), -1 leaves a row out; a row alone in its group counts 0. The mean distance to
    a group is 1 minus the product with the group's mean vector, so all rows are used and none are compared in pairs.
    """
    rows = np.flatnonzero(group >= 0)
    names, of = np.unique(group[rows], return_inverse=True)
    if len(names) < 2 or len(names) == len(rows):
        return float("nan")
    sizes = np.bincount(of)
    sums = np.zeros((len(names), vectors.shape[1]), np.float64)
    np.add.at(sums, of, vectors[rows])
    total = 0.0
    for start in range(0, len(rows), CHUNK):
        mine = of[start : start + CHUNK]
        products = vectors[rows[start : start + CHUNK]].astype(np.float64) @ sums.T
        line = np.arange(len(mine))
        others = np.maximum(sizes[mine] - 1, 1)
        within = (sizes[mine] - products[line, mine]) / others  # a row is at distance 0 from itself
        across = 1 - products / sizes
        across[line, mine] = np.inf
        nearest = across.min(axis=1)
        wider = np.maximum(np.maximum(within, nearest), 1e-12)
        total += float(np.where(sizes[mine] > 1, (nearest - within) / wider, 0).sum())
    return total / len(rows)


def principal_plane(vectors: NDArray[np.float32]) -> Plane:
    """The two directions of largest variance (Pearson 1901), the largest distance from the centre scaled to 1.

    vectors: (n, d). A direction's sign is chosen so that its largest part is positive: the map is the same each time.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    variances, directions = np.linalg.eigh(centred.T @ centred)
    axes = directions[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    points = np.zeros((len(vectors), 2))
    points[:, : axes.shape[1]] = centred @ axes
    explained = float(variances[-2:].sum() / variances.sum()) if variances.sum() > 0 else 0.0
    return Plane(points / max(float(np.abs(points).max(initial=0)), 1e-12), explained)
