"""The tail: rows that came after the index was built, put into the index's own cells in memory.

Looking at ten thousand rows one by one would take as long as half a search of 3.2 million through the index. So a long
tail is searched as the index is: only the rows of the visited cells are looked at, by their full 16-bit vectors. It
costs the finding of each row's cell, once.
"""

from __future__ import annotations

from typing import Any

import faiss as untyped_faiss
import numpy as np

from recognition.skus.exact import Ids, Scores, widen
from recognition.skus.vectors import Halves

# The stubs that ship with FAISS lack its keyword constructors and most attributes.
faiss: Any = untyped_faiss

_PART_ROWS = 16_384


class TailCells:
    """The cell of every row behind an index, found once for each. index: FAISS's, whose rows end before `first`."""

    def __init__(self, index: Any, first: int) -> None:
        self._index, self._first = index, first
        self._cells = np.zeros(0, np.int64)

    def index_of(self, vectors: Halves, rows: Ids) -> Any:
        """A FAISS index over `rows`, int64, rising, in the same cells; its scores are those of the stored vectors."""
        index = faiss.IndexIVFScalarQuantizer(
            self._index.quantizer, vectors.shape[1], self._index.nlist,
            faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT, False,
        )  # fmt: skip
        index.own_fields = False
        index.is_trained = True  # sixteen bits need no fitting
        index.referenced_objects = [self._index]  # FAISS keeps a bare pointer to its quantizer
        cells = self._of(vectors, rows)
        for start in range(0, len(rows), _PART_ROWS):
            part = slice(start, start + _PART_ROWS)
            wide, ids, places = widen(vectors, rows[part]), rows[part].copy(), cells[part].copy()
            index.add_core(len(ids), faiss.swig_ptr(wide), faiss.swig_ptr(ids), faiss.swig_ptr(places))
        return index

    def _of(self, vectors: Halves, rows: Ids) -> Ids:
        for start in range(self._first + len(self._cells), int(rows[-1]) + 1, _PART_ROWS):
            new = np.arange(start, min(start + _PART_ROWS, int(rows[-1]) + 1))
            _, nearest = self._index.quantizer.search(widen(vectors, new), 1)
            self._cells = np.concatenate([self._cells, nearest[:, 0]])
        return self._cells[rows - self._first]


def search_cells(
    index: Any, queries: Scores, count: int, cells: Ids, closeness: Scores, parameters: Any
) -> tuple[Scores, Ids]:
    """The `count` best rows of each query in its cells (n, nprobe) of a FAISS index, as its own search gives them.

    closeness: of each query to its cells, as found with them. parameters: with nprobe, and a selector or none, which
    FAISS's Python function of the same purpose does not take.
    """
    scores, rows = np.empty((len(queries), count), np.float32), np.empty((len(queries), count), np.int64)
    arrays = [faiss.swig_ptr(array) for array in (cells, closeness, scores, rows)]
    index.search_preassigned_c(len(queries), faiss.swig_ptr(queries), count, *arrays, False, parameters)
    scores[rows < 0] = -np.inf
    return scores, rows
