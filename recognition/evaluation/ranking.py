"""Scores of queries against references become ranks of SKUs. Pure numpy.

Column j of every score is reference j; a SKU's score is that of its best reference. SKUs are numbered in the order of
their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition.types import NO_SKU, Neighbors

Scores = NDArray[np.float32]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SkuNumbers:
    """The SKUs of a catalogue. names: by number. of: int64 (references,), number of each reference's SKU."""

    names: tuple[str, ...]
    of: Numbers

    @classmethod
    def from_skus(cls, skus: Sequence[str]) -> SkuNumbers:
        """Numbers the SKUs of the references."""
        names, of = np.unique(np.array(skus, object).astype(str), return_inverse=True)
        return cls(tuple(names.tolist()), of.astype(np.int64))

    def numbers(self, skus: Sequence[str]) -> Numbers:
        """Numbers of SKUs, int64; -1 for those not in the catalogue."""
        known = {name: number for number, name in enumerate(self.names)}
        return np.array([known.get(sku, NO_SKU) for sku in skus], np.int64)


@dataclass(frozen=True, eq=False)
class BySku:
    """scores: float32 (n, skus), of each SKU's best reference. columns: int64 (n, skus), which reference that is."""

    scores: Scores
    columns: Numbers

    def nearest(self, k: int, out: NDArray[np.bool_] | None = None) -> Neighbors:
        """The k best SKUs of each query, as a search would answer; `out` bool (skus,): left out of the catalogue."""
        there = np.flatnonzero(~out) if out is not None else np.arange(self.scores.shape[1])
        order = there[np.argsort(-self.scores[:, there], axis=1, kind="stable")[:, :k]]
        missing = ((0, 0), (0, k - order.shape[1]))
        scores, rows = (np.take_along_axis(values, order, axis=1) for values in (self.scores, self.columns))
        return Neighbors(
            np.pad(scores, missing, constant_values=-np.inf).astype(np.float32),
            np.pad(order, missing, constant_values=NO_SKU).astype(np.int64),
            np.pad(rows, missing, constant_values=NO_SKU).astype(np.int64),
        )


def by_sku(scores: Scores, skus: SkuNumbers) -> BySku:
    """The best reference of every SKU. scores: (n, references)."""
    order = np.argsort(scores, axis=1, kind="stable")
    columns = np.zeros((len(scores), len(skus.names)), np.int64)
    # In rising order of score: of several references of a SKU the best is written last, and stays.
    np.put_along_axis(columns, skus.of[order], order, axis=1)
    return BySku(np.take_along_axis(scores, columns, axis=1), columns)


def average_precision(scores: Scores, right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean precision at the rank of each right reference, float64 (n,); 0 where there is none.

    scores, right: (n, references). With one right reference this is 1 / rank, and its mean over queries the mean
    reciprocal rank.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = np.take_along_axis(right, order, axis=1)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return np.asarray((precision * hits).sum(axis=1) / np.maximum(hits.sum(axis=1), 1))
