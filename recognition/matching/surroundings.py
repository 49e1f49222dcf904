"""What stands around a product says something of it: see blocks.py for names and size.py for sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition.matching.blocks import equal_neighbours, support
from recognition.matching.decide import Hear
from recognition.matching.size import Rulers, misfit, physical_sizes
from recognition.types import NO_SKU, Matches, Sku

Describe = Callable[[Iterable[int]], Mapping[int, Sku]]
_UNKNOWN = (float("nan"), float("nan"))
_KEPT = 10_000


class Millimetres:
    """Width and height of SKUs, as the catalogue states them, looked up once; memory is bounded."""

    def __init__(self, describe: Describe) -> None:
        """describe: SKU ids to their records."""
        self._describe = describe
        self._known: dict[int, tuple[float, float]] = {NO_SKU: _UNKNOWN}

    def __call__(self, skus: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of SKUs of any shape, float64 (..., 2); NaN where the catalogue does not state both."""
        ids, back = np.unique(skus, return_inverse=True)
        if len(self._known) > _KEPT:
            self._known = {NO_SKU: _UNKNOWN}
        new = [sku for sku in ids.tolist() if sku not in self._known]
        records = self._describe(new) if new else {}
        for sku in new:
            self._known[sku] = _stated(records.get(sku))
        sizes = np.array([self._known[sku] for sku in ids.tolist()], np.float64).reshape(-1, 2)
        return sizes[back].reshape(*skus.shape, 2)


def _stated(record: Sku | None) -> tuple[float, float]:
    if record is None or not record.width_mm or not record.height_mm:
        return _UNKNOWN
    return record.width_mm, record.height_mm


@dataclass(frozen=True, eq=False)
class Shelf:
    """Where crops stand in one picture. xyxy: float32 (n, 4), pixels. whole: bool (n,), not cut by its border."""

    xyxy: NDArray[np.float32]
    whole: NDArray[np.bool_]
    millimetres: Millimetres

    def hear(self, skus: NDArray[np.int64], alone: Matches) -> NDArray[np.float64]:
        """What equal neighbours and sizes say for and against each candidate, log-odds, float64 (n, k).

        skus: int64 (n, k), candidates, -1 = none. alone: what the crops themselves tell.
        """
        named = np.where(self.whole, alone.decided, NO_SKU)
        rulers = Rulers(self.xyxy, self.millimetres(named), named, alone.confidence.astype(np.float64))
        physical = np.where(self.whole[:, None], physical_sizes(self.xyxy, skus, rulers), np.nan)
        said = support(equal_neighbours(self.xyxy), skus, alone)
        return said + misfit(physical, self.millimetres(skus))


def by_size(physical: NDArray[np.float64], millimetres: Millimetres) -> Hear:
    """What is said of crops whose size is all that is known of their place. physical: float64 (n, 2), millimetres, NaN
    where unknown."""
    return lambda skus, alone: misfit(physical, millimetres(skus))
