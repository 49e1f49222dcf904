"""Exact search: a matrix product over some rows of the vector file, in chunks, keeping the best."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recognition.skus.vectors import Halves

CACHED_BYTES = 128 << 20
CHUNK_ROWS = 16_384

Scores = NDArray[np.float32]
Ids = NDArray[np.int64]


class Scan:
    """The rows to look at, int64 (m,). Few rows are widened to float32 once, many chunk by chunk at each search."""

    def __init__(self, vectors: Halves, rows: Ids) -> None:
        self.rows = rows
        self._vectors = vectors

    @property
    def held(self) -> int:
        """Bytes kept from one search to the next."""
        size = len(self.rows) * self._vectors.shape[1] * 4
        return size if size <= CACHED_BYTES else 0

    def top(self, queries: Scores, count: int) -> tuple[Scores, Ids]:
        """The `count` best rows of each query (n, dim): cosines (n, count) and rows (n, count), best first.

        Where there are fewer rows, -inf and -1.
        """
        scores, rows = nothing(len(queries), 0)
        for part_rows, part in self._parts():
            scores, rows = merge((scores, rows), best_columns(queries @ part.T, part_rows, count), count)
        return merge((scores, rows), nothing(len(queries), count), count)

    def _parts(self) -> Iterator[tuple[Ids, Scores]]:
        if self.held:
            yield self.rows, self._wide
            return
        for start in range(0, len(self.rows), CHUNK_ROWS):
            rows = self.rows[start : start + CHUNK_ROWS]
            yield rows, widen(self._vectors, rows)

    @cached_property
    def _wide(self) -> Scores:
        return widen(self._vectors, self.rows)


def widen(vectors: Halves, rows: Ids) -> Scores:
    """Some rows as float32, in the shape of `rows` plus (dim,)."""
    wide = vectors[rows].astype(np.float32)
    # Each touched row maps its neighbours too: without this a server would in time hold the whole file.
    if isinstance(vectors.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        vectors.base.madvise(mmap.MADV_DONTNEED)
    return wide


def nothing(queries: int, count: int) -> tuple[Scores, Ids]:
    """An answer without hits: -inf and -1."""
    return np.full((queries, count), -np.inf, np.float32), np.full((queries, count), -1, np.int64)


def merge(one: tuple[Scores, Ids], other: tuple[Scores, Ids], count: int) -> tuple[Scores, Ids]:
    """The `count` best of two answers, best first."""
    scores = np.concatenate([one[0], other[0]], axis=1)
    return best(scores, np.concatenate([one[1], other[1]], axis=1), count)


def best_columns(scores: Scores, columns: Ids, count: int) -> tuple[Scores, Ids]:
    """As `best`, for scores (n, m) whose columns mean the same rows, int64 (m,), in each line.

    The `count` best lie in the `count` groups of columns with the best maxima, and maxima are found far quicker than
    everything is partitioned (a fiftieth of the time at 10,000 columns).
    """
    size = int(np.sqrt(scores.shape[1] / max(count, 1)))
    groups = scores.shape[1] // max(size, 1)
    if size < 2 or groups <= count:
        return best(scores, np.broadcast_to(columns, scores.shape), count)
    # Columns g, g + groups, g + 2 * groups, ... make group g: maxima over the middle axis run along memory.
    maxima = scores[:, : groups * size].reshape(len(scores), size, groups).max(axis=1)
    chosen = np.argpartition(-maxima, count - 1, axis=1)[:, :count]
    members = (chosen[:, None, :] + groups * np.arange(size)[:, None]).reshape(len(scores), -1)
    rest = np.arange(groups * size, scores.shape[1])
    members = np.concatenate([members, np.broadcast_to(rest, (len(scores), len(rest)))], axis=1)
    return best(np.take_along_axis(scores, members, 1), columns[members], count)


def best(scores: Scores, rows: Ids, count: int) -> tuple[Scores, Ids]:
    """The `count` best columns of each line (all, when there are fewer), best first."""
    if scores.shape[1] > count:
        keep = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        scores, rows = np.take_along_axis(scores, keep, 1), np.take_along_axis(rows, keep, 1)
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
