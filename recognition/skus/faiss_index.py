"""`index-<g>.faiss`: inverted lists with 8-bit codes (IVF-SQ8), derived from the vectors at any time.

Cells come from flat k-means (two-level k-means lost a quarter of the recall); row numbers are the FAISS ids; an index
is never changed after it was written, only replaced.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss as untyped_faiss
import numpy as np
from numpy.typing import NDArray

from recognition.errors import DatabaseDamagedError
from recognition.skus.exact import Ids, Scan, Scores, best
from recognition.skus.vectors import Halves

# The stubs that ship with FAISS lack its keyword constructors and most attributes.
faiss: Any = untyped_faiss

TRAIN_ROWS_PER_CELL = 64
ADD_ROWS = 65_536
PROBED_QUERIES = 256
RECALL_GOAL = 0.99


@dataclass(frozen=True)
class Effort:
    """nprobe: cells visited per query; recall: recall@1 against exact search that was measured with it."""

    nprobe: int
    recall: float


class IvfIndex:
    """An index file, mapped. alive: bool, which rows may be found; rows past its end may not."""

    def __init__(self, path: Path, nprobe: int, alive: NDArray[np.bool_], vectors: Halves) -> None:
        """Raises FileNotFoundError when the file is gone, DatabaseDamagedError when FAISS cannot read it."""
        path.stat()
        try:
            self._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        except RuntimeError as error:
            hint = "delete that file and run recognize.py skus build again: the index is made anew"
            raise DatabaseDamagedError(f"{path}: the index cannot be read", hint) from error
        self._nprobe = nprobe
        self._vectors = vectors
        # FAISS keeps bare pointers: the bits must live as long as the selector.
        self._bits = np.packbits(alive, bitorder="little")
        self._selector = None if alive.all() else faiss.IDSelectorBitmap(self._bits)

    def top(self, queries: Scores, count: int, all_cells: bool) -> tuple[Scores, Ids]:
        """As `Scan.top`. The cells and codes choose the rows; the cosines are those of the stored vectors."""
        nprobe = self._index.nlist if all_cells else self._nprobe
        _, rows = self._index.search(queries, count, params=_parameters(nprobe, self._selector))
        return best(exact_cosines(queries, self._vectors, rows), rows, count)


def exact_cosines(queries: Scores, vectors: Halves, rows: Ids) -> Scores:
    """Cosine of each query (n, dim) with each of its rows (n, m), float32 (n, m); -inf beside row -1."""
    wide = vectors[np.maximum(rows, 0)].astype(np.float32)
    scores = np.einsum("nd,nmd->nm", queries, wide, optimize=True)
    return np.where(rows >= 0, scores, -np.inf).astype(np.float32)


def build_ivf(path: Path, vectors: Halves, rows: Ids) -> Effort:
    """Writes an index over `rows` to `path` and says how much effort it takes to search it well."""
    dim = vectors.shape[1]
    cells = cells_for(len(rows))
    rng = np.random.default_rng(0)
    sample = np.sort(rng.choice(rows, min(len(rows), cells * TRAIN_ROWS_PER_CELL), replace=False))
    quantizer = faiss.IndexFlatIP(dim)
    kind = faiss.ScalarQuantizer.QT_8bit
    index = faiss.IndexIVFScalarQuantizer(quantizer, dim, cells, kind, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors[sample].astype(np.float32))
    for start in range(0, len(rows), ADD_ROWS):
        part = rows[start : start + ADD_ROWS]
        index.add_with_ids(vectors[part].astype(np.float32), part)
    faiss.write_index(index, str(path))
    return measure_effort(index, vectors, rows)


def cells_for(rows: int) -> int:
    """Number of cells: the power of two next to twice the root of N (20 k: 256, 1 M: 2048, 3.2 M: 4096)."""
    return int(2 ** round(np.log2(2 * np.sqrt(rows))))


def measure_effort(index: Any, vectors: Halves, rows: Ids) -> Effort:
    """The smallest power-of-two nprobe that finds the exact nearest row of nearly all sample queries.

    A query is a stored vector pushed a good way towards another one (cosine about 0.74 to its source, as poor shelf
    views are to packshots), so that it does not simply lie in the cell of its source.
    """
    rng = np.random.default_rng(1)
    source, other = (vectors[rng.choice(rows, PROBED_QUERIES)].astype(np.float32) for _ in range(2))
    away = other - other.mean(axis=0)
    queries = source + 0.9 * away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    truth, _ = Scan(vectors, rows).top(queries, 1)
    nprobe = 4
    while True:
        _, found = index.search(queries, 4, params=_parameters(nprobe, None))
        reached = exact_cosines(queries, vectors, found).max(axis=1)
        # Scores, not rows, are compared: equal pictures of different SKUs are equally right.
        recall = float(np.mean(reached >= truth[:, 0] - 1e-5))
        if recall >= RECALL_GOAL or nprobe >= index.nlist:
            return Effort(min(nprobe, index.nlist), recall)
        nprobe *= 2


def _parameters(nprobe: int, selector: Any) -> Any:
    if selector is None:
        return faiss.SearchParametersIVF(nprobe=nprobe)
    return faiss.SearchParametersIVF(nprobe=nprobe, sel=selector)
