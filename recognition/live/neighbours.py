"""Products around another one speak for and against what it may be: see blocks.py and size.py of matching."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from recognition.live.items import Item
from recognition.live.overlap import Boxes, stacked
from recognition.matching.blocks import equal_neighbours, weight_of_each
from recognition.matching.size import Rulers, misfit, physical_sizes
from recognition.matching.surroundings import Millimetres
from recognition.types import NO_SKU

_MOST_AGAINST = 1.0  # log-odds of a size that does not fit: later views were weighed with it already


def consult(items: Sequence[Item], shown: Collection[Item], millimetres: Millimetres) -> None:
    """Tells each product that is shown what its equal neighbours show, and which size fits.

    items: the products of one part of the shelf, those that are shown and those around them.
    """
    asked = [item for item in items if not item.cut]
    homes = stacked([item.home for item in asked])
    near = equal_neighbours(homes)
    weights = weight_of_each(near).tolist()
    shares = [item.votes.shares() for item in asked]
    skus = _candidates(asked)
    against = misfit(physical_sizes(homes, skus, _rulers_of(asked, millimetres)), millimetres(skus))
    for index, item in enumerate(asked):
        if item not in shown:
            continue
        said: defaultdict[int, float] = defaultdict(float)
        for other in np.flatnonzero(near[index]):
            for sku, share in shares[other].items():
                said[sku] += weights[index] * share
        for sku, odds in zip(skus[index].tolist(), against[index].tolist(), strict=True):
            if sku != NO_SKU and odds:
                said[sku] += max(odds, -_MOST_AGAINST)
        item.votes.hear(said)


def measure(
    boxes: Boxes, items: Sequence[Item], shelf: Sequence[Item], millimetres: Millimetres
) -> NDArray[np.float64]:
    """How wide and high boxes (n, 4) of items are, float64 (n, 2), millimetres; NaN where unknown. shelf: its products
    in the same part."""
    if not items:
        return np.zeros((0, 2))
    cut = np.array([item.cut for item in items], bool)
    rulers = _rulers_of([item for item in shelf if not item.cut], millimetres)
    return np.where(cut[:, None], np.nan, physical_sizes(boxes, _candidates(items), rulers))


def _rulers_of(items: Sequence[Item], millimetres: Millimetres) -> Rulers:
    """Products as what others are measured by."""
    answers = [item.votes.answer() for item in items]
    skus = np.array([answer.sku for answer in answers], np.int64)
    sure = np.array([answer.confidence for answer in answers], np.float64)
    return Rulers(stacked([item.home for item in items]), millimetres(skus), skus, sure)


def _candidates(items: Sequence[Item]) -> NDArray[np.int64]:
    """SKUs that the views of each item spoke for, (n, k), -1 = none."""
    seen = [[sku for sku in item.votes.shares() if sku != NO_SKU] for item in items]
    wide = max(map(len, seen), default=0)
    return np.array([row + [NO_SKU] * (wide - len(row)) for row in seen], np.int64).reshape(len(seen), wide)
