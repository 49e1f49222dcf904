"""What a reader sees: one commit of the database, its files mapped, and the search over them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recognition.errors import DatabaseDamagedError
from recognition.skus.exact import Ids, Scan, Scores, merge
from recognition.skus.schema import Live, read_live, read_rows, snapshot_of
from recognition.skus.vectors import REPAIR, Halves, map_vectors
from recognition.types import NO_SKU, Neighbors

if TYPE_CHECKING:
    from recognition.skus.faiss_index import IvfIndex

ATTEMPTS = 5


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One commit. row_skus: int64 (rows,); alive: bool (rows,); vectors: float16 (rows, dim); index: None when small.

    tail: the living rows that no index covers. skus: number of SKUs with a living row.
    """

    live: Live
    row_skus: Ids
    alive: NDArray[np.bool_]
    vectors: Halves
    index: IvfIndex | None
    tail: Scan
    skus: int

    def search(self, queries: Scores, k: int) -> Neighbors:
        """The k nearest distinct SKUs of each query (n, dim), float32."""
        return self._distinct(queries, k, self.index, self.tail, self.skus)

    def search_rows(self, queries: Scores, k: int, rows: Ids) -> Neighbors:
        """The same among some rows, int64 (m,), by exact search: cells lose recall under a selective filter."""
        return self._distinct(queries, k, None, Scan(self.vectors, rows), len(np.unique(self.row_skus[rows])))

    def rows_of(self, skus: Ids) -> Ids:
        """The living rows of some SKUs, int64, rising."""
        return np.flatnonzero(self.alive & np.isin(self.row_skus, skus)).astype(np.int64)

    def _distinct(self, queries: Scores, k: int, index: IvfIndex | None, scan: Scan, skus: int) -> Neighbors:
        """Fetches more rows than asked for, until each query has k SKUs or all that there are."""
        scores = np.full((len(queries), k), -np.inf, np.float32)
        rows = np.full((len(queries), k), -1, np.int64)
        open_queries = np.arange(len(queries))
        fetch, everything, retry = 2 * k + 8, len(self.row_skus), False
        while len(open_queries):
            fetch = min(fetch, everything)
            found = scan.top(queries[open_queries], fetch)
            if index is not None:
                found = merge(index.top(queries[open_queries], fetch, all_cells=retry), found, fetch)
            best_scores, best_rows = first_of_each(*found, self._skus_of(found[1]), k)
            scores[open_queries], rows[open_queries] = best_scores, best_rows
            short = (best_rows >= 0).sum(axis=1) < min(k, skus)
            if fetch == everything and (retry or index is None):
                break
            open_queries, fetch, retry = open_queries[short], fetch * 4, True
        # Rounding to 16 bits can lift the cosine of a vector with itself a hair above 1.
        return Neighbors(np.minimum(scores, 1), self._skus_of(rows), rows)

    def _skus_of(self, rows: Ids) -> Ids:
        if not len(self.row_skus):
            return np.full(rows.shape, NO_SKU, np.int64)
        return np.where(rows >= 0, self.row_skus[rows], NO_SKU)


def first_of_each(scores: Scores, rows: Ids, skus: Ids, k: int) -> tuple[Scores, Ids]:
    """The first k columns that show a SKU for the first time, best first; all inputs (n, m), sorted best first."""
    order = np.argsort(skus, axis=1, kind="stable")
    grouped = np.take_along_axis(skus, order, 1)
    new = np.ones(skus.shape, np.bool_)
    new[:, 1:] = grouped[:, 1:] != grouped[:, :-1]
    first = np.zeros_like(new)
    np.put_along_axis(first, order, new, 1)
    first &= skus >= 0
    pick = np.argsort(~first, axis=1, kind="stable")[:, :k]
    shown = np.take_along_axis(first, pick, 1)
    out_scores = np.full((len(scores), k), -np.inf, np.float32)
    out_rows = np.full((len(scores), k), -1, np.int64)
    out_scores[:, : pick.shape[1]] = np.where(shown, np.take_along_axis(scores, pick, 1), -np.inf)
    out_rows[:, : pick.shape[1]] = np.where(shown, np.take_along_axis(rows, pick, 1), -1)
    return out_scores, out_rows


def take_snapshot(db: sqlite3.Connection, folder: Path) -> Snapshot:
    """Reads generation, lengths and tombstones in one transaction and maps the files they name.

    Raises:
        DatabaseDamagedError: a file stays missing, is too short, or cannot be read.
    """
    for _ in range(ATTEMPTS):
        with snapshot_of(db):
            live = read_live(db)
            row_skus, alive = read_rows(db)
        if len(row_skus) != live.rows:
            raise DatabaseDamagedError(f"{folder}: {live.rows} rows committed, {len(row_skus)} described", REPAIR)
        try:
            return _map(folder, live, row_skus, alive)
        except FileNotFoundError as error:  # a writer may have published another generation since
            gone = error
    missing = Path(str(gone.filename))
    hint = "run recognize.py skus build again: the index is made anew" if missing.suffix == ".faiss" else REPAIR
    raise DatabaseDamagedError(f"{missing}: this file of the SKU database is missing", hint) from gone


def _map(folder: Path, live: Live, row_skus: Ids, alive: NDArray[np.bool_]) -> Snapshot:
    vectors = map_vectors(folder / live.vectors, live.rows, live.dim)
    index = None
    if live.index_file:
        # Only now: a small database never loads FAISS.
        from recognition.skus.faiss_index import IvfIndex

        index = IvfIndex(folder / live.index_file, live.nprobe, alive[: live.indexed_rows], vectors)
    tail = np.flatnonzero(alive[live.indexed_rows :]).astype(np.int64) + live.indexed_rows
    skus = int(np.count_nonzero(np.bincount(row_skus[alive])))
    return Snapshot(live, row_skus, alive, vectors, index, Scan(vectors, tail), skus)
