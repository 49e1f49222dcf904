"""Exact search: a matrix product over some rows of the vector file, in chunks, keeping the best."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recognition.skus.vectors import Halves

CACHED_ROWS = 32_768
CHUNK_ROWS = 16_384

Scores = NDArray[np.float32]
Ids = NDArray[np.int64]


class Scan:
    """The rows to look at, int64 (m,). Few rows are widened to float32 once, many chunk by chunk at each search."""

    def __init__(self, vectors: Halves, rows: Ids) -> None:
        self.rows = rows
        self._vectors = vectors
        self._wide = vectors[rows].astype(np.float32) if len(rows) <= CACHED_ROWS else None

    def top(self, queries: Scores, count: int) -> tuple[Scores, Ids]:
        """The `count` best rows of each query (n, dim): cosines (n, count) and rows (n, count), best first.

        Where there are fewer rows, -inf and -1.
        """
        scores, rows = nothing(len(queries), 0)
        for part_rows, part in self._parts():
            found = queries @ part.T
            scores, rows = merge((scores, rows), best(found, np.broadcast_to(part_rows, found.shape), count), count)
        return merge((scores, rows), nothing(len(queries), count), count)

    def _parts(self) -> Iterator[tuple[Ids, Scores]]:
        if self._wide is not None:
            yield self.rows, self._wide
            return
        for start in range(0, len(self.rows), CHUNK_ROWS):
            rows = self.rows[start : start + CHUNK_ROWS]
            yield rows, self._vectors[rows].astype(np.float32)


def nothing(queries: int, count: int) -> tuple[Scores, Ids]:
    """An answer without hits: -inf and -1."""
    return np.full((queries, count), -np.inf, np.float32), np.full((queries, count), -1, np.int64)


def merge(one: tuple[Scores, Ids], other: tuple[Scores, Ids], count: int) -> tuple[Scores, Ids]:
    """The `count` best of two answers, best first."""
    scores = np.concatenate([one[0], other[0]], axis=1)
    return best(scores, np.concatenate([one[1], other[1]], axis=1), count)


def best(scores: Scores, rows: Ids, count: int) -> tuple[Scores, Ids]:
    """The `count` best columns of each line (all, when there are fewer), best first."""
    if scores.shape[1] > count:
        keep = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        scores, rows = np.take_along_axis(scores, keep, 1), np.take_along_axis(rows, keep, 1)
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
