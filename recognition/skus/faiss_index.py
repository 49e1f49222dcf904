"""`index-<g>.faiss`: inverted lists with 8-bit or 4-bit codes (IVF-SQ), derived from the vectors at any time.

Cells come from flat k-means (two-level k-means lost a quarter of the recall); row numbers are the FAISS ids; an index
is never changed after it was written, only replaced.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss as untyped_faiss
import numpy as np
from numpy.typing import NDArray

from recognition.errors import DatabaseDamagedError, DatabaseError
from recognition.skus.exact import Ids, Scan, Scores, best, merge, widen
from recognition.skus.index_choice import RECALL_GOAL, IndexChoice, choose_ivf
from recognition.skus.tail import TailCells, search_cells
from recognition.skus.vectors import REMAKE, Halves

# The stubs that ship with FAISS lack its keyword constructors and most attributes.
faiss: Any = untyped_faiss

ADD_ROWS = 65_536
TRAIN_ROUNDS = 8
PROBED_QUERIES = 512
_CODES = {"ivf-sq8": faiss.ScalarQuantizer.QT_8bit, "ivf-sq4": faiss.ScalarQuantizer.QT_4bit}
_RESCORED_BYTES = 16 << 20
_LADDER = sorted({int(base * 2**step) for base in (1, 1.5) for step in range(13)})


@dataclass(frozen=True)
class Effort:
    """nprobe: cells visited per query. recall, recall_at_10: shares of the 1 and of the 10 nearest rows that exact
    search finds, measured with it."""

    nprobe: int
    recall: float
    recall_at_10: float


class IvfIndex:
    """An index file, mapped. kind: as in `IndexChoice`. cells: how many there are. nprobe: how many a query visits."""

    def __init__(
        self, path: Path, nprobe: int, alive: NDArray[np.bool_], vectors: Halves, former: IvfIndex | None = None
    ) -> None:
        """alive: bool, which rows may be found; rows past its end may not. former: a reader of the same file, whose
        knowledge of the tail is taken over.

        Raises:
            FileNotFoundError: the file is gone. DatabaseDamagedError: FAISS cannot read it.
        """
        try:
            self._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
            self.cells = int(self._index.nlist)
            (self.kind,) = (kind for kind, code in _CODES.items() if code == self._index.sq.qtype)
        except (RuntimeError, AttributeError, ValueError) as error:
            path.stat()  # a writer may have removed it: FAISS tells that from damage in words alone
            raise DatabaseDamagedError(f"{path}: the index cannot be read", REMAKE) from error
        self._vectors = vectors
        self.nprobe = nprobe
        self._select(alive)
        self._tail: Any = None
        self._tail_cells: TailCells = former._tail_cells if former else TailCells(self._index, len(alive))

    @property
    def held(self) -> int:
        """Bytes of main memory that its tail takes."""
        return 0 if self._tail is None else int(self._tail.ntotal) * self._vectors.shape[1] * 2

    def with_tail(self, rows: Ids) -> IvfIndex:
        """The same, but `rows` that came after the index are found too, by the same cells. rows: int64, rising."""
        longer = copy.copy(self)
        longer._tail = self._tail_cells.index_of(self._vectors, rows)
        return longer

    def among(self, allowed: NDArray[np.bool_], nprobe: int) -> IvfIndex:
        """The same mapped file, but only rows that are `allowed` (as `alive` above) may be found."""
        narrowed = copy.copy(self)
        narrowed.nprobe = nprobe
        narrowed._select(allowed)
        return narrowed

    def top(self, queries: Scores, count: int, reach: float = 1) -> tuple[Scores, Ids]:
        """As `Scan.top`, visiting `reach` times as many cells as measured.

        The cells and codes choose the rows; the cosines are those of the stored vectors.
        """
        nprobe = min(max(round(self.nprobe * reach), 1), self.cells)
        parameters = _parameters(nprobe, self._selector)
        if self._tail is None:
            _, rows = self._index.search(queries, count, params=parameters)
            return best(exact_cosines(queries, self._vectors, rows), rows, count)
        closeness, cells = self._index.quantizer.search(queries, nprobe)
        _, rows = search_cells(self._index, queries, count, cells, closeness, parameters)
        found = exact_cosines(queries, self._vectors, rows), rows
        tail = search_cells(self._tail, queries, count, cells, closeness, _parameters(nprobe, None))
        return merge(found, tail, count)

    def _select(self, allowed: NDArray[np.bool_]) -> None:
        # FAISS keeps bare pointers: the bits must live as long as the selector.
        self._bits = np.packbits(allowed, bitorder="little")
        self._selector = None if allowed.all() else faiss.IDSelectorBitmap(self._bits)


def exact_cosines(queries: Scores, vectors: Halves, rows: Ids) -> Scores:
    """Cosine of each query (n, dim) with each of its rows (n, m), float32 (n, m); -inf beside row -1."""
    scores = np.full(rows.shape, -np.inf, np.float32)
    step = max(_RESCORED_BYTES // max(rows.shape[1] * vectors.shape[1] * 4, 1), 1)
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        wide = widen(vectors, np.maximum(rows[part], 0))
        scores[part] = np.matmul(wide, queries[part, :, None])[:, :, 0]
    scores[rows < 0] = -np.inf
    return scores


def build_ivf(
    path: Path,
    vectors: Halves,
    rows: Ids,
    goal: float = RECALL_GOAL,
    choice: IndexChoice | None = None,
    progress: Callable[[int], None] | None = None,
) -> Effort:
    """Writes an index over `rows` to `path` and says how much effort it takes to reach the recall `goal` at 1.

    progress: rows put into it so far.

    Raises:
        DatabaseError: the index would not fit into this machine's memory, or the disk is full.
    """
    index = train_cells(vectors, rows, choice or choose_ivf(len(rows), vectors.shape[1]))
    fill_cells(index, vectors, rows, progress)
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:
        raise DatabaseError(f"{path}: the index cannot be written", "free some space, or check the folder") from error
    return measure_effort(index, vectors, rows, goal)


def train_cells(vectors: Halves, rows: Ids, choice: IndexChoice) -> Any:
    """An empty FAISS index whose cells and codes were fitted to a sample of the rows."""
    dim = vectors.shape[1]
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dim), dim, choice.cells, _CODES[choice.kind], faiss.METRIC_INNER_PRODUCT
    )
    index.cp.niter = TRAIN_ROUNDS
    # Small indexes are as good as their few rows allow: no warning about it.
    index.cp.min_points_per_centroid = 1
    sample = np.sort(np.random.default_rng(0).choice(rows, choice.training_rows, replace=False))
    index.train(widen(vectors, sample))
    return index


def fill_cells(index: Any, vectors: Halves, rows: Ids, progress: Callable[[int], None] | None = None) -> None:
    """Adds the rows, block by block."""
    for start in range(0, len(rows), ADD_ROWS):
        part = rows[start : start + ADD_ROWS]
        index.add_with_ids(widen(vectors, part), part)
        if progress is not None:
            progress(start + len(part))


def measure_effort(index: Any, vectors: Halves, rows: Ids, goal: float = RECALL_GOAL) -> Effort:
    """The smallest nprobe of a ladder that finds the exact nearest row of so many sample queries.

    A query is a stored vector pushed a good way towards another one (cosine about 0.74 to its source, as poor shelf
    views are to packshots), so that it does not simply lie in the cell of its source.
    """
    rng = np.random.default_rng(1)
    source, other = (widen(vectors, rng.choice(rows, PROBED_QUERIES)) for _ in range(2))
    away = other - other.mean(axis=0)
    queries = source + 0.9 * away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    nearest = min(10, len(rows))
    truth, _ = Scan(vectors, rows).top(queries, nearest)
    # Scores, not rows, are compared: equal pictures of different SKUs are equally right.
    wanted = truth - 1e-5
    effort = Effort(0, 0.0, 0.0)
    for nprobe in (*(step for step in _LADDER if step < index.nlist), int(index.nlist)):
        # As many candidates as a search for 1 and for 10 SKUs takes.
        _, found = index.search(queries, 28, params=_parameters(nprobe, None))
        reached = exact_cosines(queries, vectors, found)
        first = reached[:, :10].max(axis=1) >= wanted[:, 0]
        ten = -np.sort(-reached, axis=1)[:, :nearest] >= wanted[:, -1:]
        effort = Effort(nprobe, float(first.mean()), float(ten.mean()))
        if effort.recall >= goal:
            break
    return effort


def _parameters(nprobe: int, selector: Any) -> Any:
    if selector is None:
        return faiss.SearchParametersIVF(nprobe=nprobe)
    return faiss.SearchParametersIVF(nprobe=nprobe, sel=selector)
