"""Several references of a SKU seen as one: their mean, brought back to norm 1, instead of the best of them."""

from __future__ import annotations

import numpy as np

from recognition.skus.exact import Ids, Scores, widen
from recognition.skus.vectors import Halves

CHUNK_ROWS = 16_384


class Averages:
    """Means of SKUs, from the stored vectors when they are asked for. rows: the living ones, int64; skus: of each."""

    def __init__(self, vectors: Halves, rows: Ids, skus: Ids) -> None:
        order = np.argsort(skus, kind="stable")
        self._vectors, self._rows = vectors, rows[order]
        self._skus, self._starts, self._counts = np.unique(skus[order], return_index=True, return_counts=True)

    @property
    def matter(self) -> bool:
        """Whether any SKU has several references."""
        return len(self._rows) > len(self._skus)

    def cosines(self, queries: Scores, skus: Ids) -> Scores:
        """Cosine of each query (n, dim) with the mean of each of its SKUs (n, m); -inf beside -1."""
        wanted, place = np.unique(skus[skus >= 0], return_inverse=True)
        pairs = np.nonzero(skus >= 0)
        scores = np.full(skus.shape, -np.inf, np.float32)
        means = self.means(wanted)
        scores[pairs] = np.einsum("pd,pd->p", queries[pairs[0]], means[place])
        return scores

    def means(self, skus: Ids) -> Scores:
        """The means of living SKUs, float32 (n, dim), norm 1; summed in blocks of rows, so that memory stays small."""
        at = np.searchsorted(self._skus, skus)
        starts, counts = self._starts[at], self._counts[at]
        sums = np.zeros((len(skus), self._vectors.shape[1]), np.float32)
        owners = np.repeat(np.arange(len(skus)), counts)
        within = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = self._rows[np.repeat(starts, counts) + within]
        for start in range(0, len(rows), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            firsts = np.flatnonzero(np.diff(owners[part], prepend=-1))
            sums[owners[part][firsts]] += np.add.reduceat(widen(self._vectors, rows[part]), firsts, axis=0)
        return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9), np.float32)
