"""Facings of one product on photos without names: proposed by the encoder, confirmed by what is printed on them.

Two facings that share a dozen keypoints in one geometry show the same pack, in the same photo or in another: pairs
that no rendered view can stand for. Pairs that share fewer may still be one product, so they are no negatives. Chains
of confirmed pairs drift from flavour to flavour: only pairs that were confirmed themselves are positives, while all
that hang together are kept from being negatives.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition.matching.verify import Features, extract, locate, working_picture
from recognition.telling import Say
from recognition.training.material import Product

NEIGHBOURS = 2
"""Proposed for each facing in its own photo, and as many in other photos."""
LEAST_LIKENESS = 0.62
"""Likeness to the encoder before training; of 78,757 proposed pairs 99 % of the confirmed ones were above."""
SAME_INLIERS, PERHAPS_INLIERS = 14, 10
"""Keypoints in one geometry from which two facings are the same product, and from which they may be."""
_PART = 512
_KEPT = 8000
"""Facings whose keypoints are kept at a time, 256 kB each at most."""

Ids = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """same: facings confirmed as one product, int64 (n, 2), numbers of products. family: int64 (products,); those of
    one family may be one product and are no negatives."""

    same: Ids
    family: Ids

    def partners(self) -> dict[int, list[int]]:
        """The confirmed facings of each product that has some."""
        found: dict[int, list[int]] = {}
        for one, other in self.same.tolist():
            found.setdefault(one, []).append(other)
            found.setdefault(other, []).append(one)
        return found


def find_pairs(products: Sequence[Product], likeness: NDArray[np.float32], say: Say) -> Pairs:
    """Pairs among the products without names. likeness: unit vectors (products, d) of the encoder before training."""
    rows = np.array([row for row, product in enumerate(products) if not product.named], np.int64)
    proposed = rows[_propose(likeness[rows], _photo_numbers(products, rows))] if len(rows) else np.zeros((0, 2), int)
    if len(proposed):
        say(f"comparing {len(proposed)} pairs of facings, about 200 a second")
    features = _FeatureCache(products)
    inliers = np.array([locate(features.of(one), features.of(other))[0] for one, other in proposed.tolist()], np.int64)
    same = proposed[inliers >= SAME_INLIERS]
    if len(proposed):
        say(f"{len(same)} pairs show one product")
    return Pairs(same.astype(np.int64), _families(len(products), proposed[inliers >= PERHAPS_INLIERS]))


def _photo_numbers(products: Sequence[Product], rows: Ids) -> Ids:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(products[row].group, len(numbers)) for row in rows.tolist()], np.int64)


def _propose(likeness: NDArray[np.float32], photos: Ids) -> Ids:
    """Nearest facings within and without each facing's photo, int64 (n, 2), each pair once, sorted."""
    found = [pair for start in range(0, len(likeness), _PART) for pair in _nearest(likeness, photos, start)]
    return np.unique(np.array(found, np.int64).reshape(-1, 2), axis=0)


def _nearest(likeness: NDArray[np.float32], photos: Ids, start: int) -> Iterator[tuple[int, int]]:
    part = slice(start, start + _PART)
    alike = likeness[part] @ likeness.T
    own = np.arange(start, start + len(alike))
    alike[np.arange(len(alike)), own] = -1
    together = photos[part, None] == photos
    for among in (together, ~together):
        scores = np.where(among, alike, -1)
        count = min(NEIGHBOURS, scores.shape[1] - 1)
        for row, best in zip(own.tolist(), np.argpartition(-scores, count, axis=1)[:, :count].tolist(), strict=True):
            for other in best:
                if scores[row - start, other] >= LEAST_LIKENESS:
                    yield min(row, other), max(row, other)


def _families(count: int, pairs: Ids) -> Ids:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(pairs), np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


class _FeatureCache:
    """Keypoints of products' pictures; those not asked for longest are forgotten."""

    def __init__(self, products: Sequence[Product]) -> None:
        self._products = products
        self._known: OrderedDict[int, Features] = OrderedDict()

    def of(self, row: int) -> Features:
        """Of the picture that stands for a product."""
        if row not in self._known:
            self._known[row] = extract(working_picture(self._products[row].first.tight()))
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(row)
        return self._known[row]
