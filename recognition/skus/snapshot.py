"""What a reader sees: one commit of the database, its files mapped, and the search over them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recognition.errors import DatabaseDamagedError
from recognition.skus.averaged import Averages
from recognition.skus.exact import Ids, Scan, Scores, best
from recognition.skus.pool import Pool, PoolCache, make_pool, through_index
from recognition.skus.schema import Live, read_live, read_rows, snapshot_of
from recognition.skus.vectors import HEAD_BYTES, REMAKE, REPAIR, Halves, file_checksum, map_vectors
from recognition.types import NO_SKU, Neighbors

if TYPE_CHECKING:
    from recognition.skus.faiss_index import IvfIndex
    from recognition.skus.torch_exact import DeviceVectors

ATTEMPTS = 5
AVERAGED_FETCH = 4
"""Where references are averaged, SKUs fetched by their best one for each SKU asked for (and 16 more)."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One commit. row_skus: int64 (rows,); alive: bool (rows,); vectors: float16 (rows, dim); index: None when small.

    pools: of the latest filters.
    """

    live: Live
    row_skus: Ids
    alive: NDArray[np.bool_]
    vectors: Halves
    index: IvfIndex | None
    pools: PoolCache = field(default_factory=PoolCache)

    @cached_property
    def skus(self) -> int:
        """Number of SKUs with a living row."""
        return self.count_skus(self.alive)

    @cached_property
    def everything(self) -> Pool:
        """All living rows: those of the index through it, the tail behind it as `through_index` says."""
        tail = np.flatnonzero(self.alive[self.live.indexed_rows :]).astype(np.int64) + self.live.indexed_rows
        rows = int(np.count_nonzero(self.alive))
        if self.index is None:
            return Pool(Scan(self.vectors, tail), None, rows, self.skus)
        return through_index(self.vectors, self.index, tail, rows, self.skus)

    def among(self, skus: Ids | None, device: DeviceVectors | None = None) -> Pool:
        """The living rows of some SKUs (None: of all), searched on a device if there is one."""
        fits = device is not None and device.fits(*self.vectors.shape)
        if skus is None and not fits:
            return self.everything
        allowed = self.alive if skus is None else self.allowed(skus)
        if device is None or not fits:
            return make_pool(self.vectors, allowed, self.count_skus(allowed), self.index, self.live.indexed_rows)
        device.follow(self.live.vectors, self.vectors)
        return Pool(device.scan(allowed), None, int(np.count_nonzero(allowed)), self.count_skus(allowed))

    def allowed(self, skus: Ids) -> NDArray[np.bool_]:
        """Which rows are alive and of some SKUs, bool (rows,)."""
        wanted = np.zeros(max(int(self.row_skus.max(initial=0)), int(skus.max(initial=0))) + 1, np.bool_)
        wanted[skus] = True
        return np.asarray(self.alive & wanted[self.row_skus], np.bool_)

    def count_skus(self, allowed: NDArray[np.bool_]) -> int:
        """Number of SKUs among some rows, bool (rows,)."""
        seen = np.zeros(int(self.row_skus.max(initial=0)) + 1, np.bool_)
        seen[self.row_skus[allowed]] = True
        return int(np.count_nonzero(seen))

    def search(self, queries: Scores, k: int, pool: Pool | None = None, nprobe: int = 0) -> Neighbors:
        """The k nearest distinct SKUs of each query (n, dim), float32, in a pool (None: everything).

        nprobe: cells visited without a filter, 0 for as many as measured; filters visit more in proportion.
        """
        chosen = self.everything if pool is None else pool
        reach = nprobe / self.live.nprobe if nprobe and self.live.nprobe else 1.0
        if self.live.views != "averaged" or not self._averages.matter:
            return self._distinct(queries, k, chosen, reach)
        near = self._distinct(queries, AVERAGED_FETCH * k + 16, chosen, reach)
        columns = np.broadcast_to(np.arange(near.skus.shape[1]), near.skus.shape)
        scores, order = best(self._averages.cosines(queries, near.skus), columns, k)
        rows = np.take_along_axis(near.rows, order, 1)
        return Neighbors(np.minimum(scores, 1), self._skus_of(rows), rows)

    @cached_property
    def _averages(self) -> Averages:
        rows = np.flatnonzero(self.alive).astype(np.int64)
        return Averages(self.vectors, rows, self.row_skus[rows])

    def _distinct(self, queries: Scores, k: int, pool: Pool, reach: float) -> Neighbors:
        """Fetches more rows than asked for, until each query has k SKUs or all that there are."""
        scores = np.full((len(queries), k), -np.inf, np.float32)
        rows = np.full((len(queries), k), -1, np.int64)
        open_queries = np.arange(len(queries) if pool.rows else 0)
        fetch = 2 * k + 8
        while len(open_queries):
            fetch = min(fetch, pool.rows)
            found = pool.top(queries[open_queries], fetch, reach)
            best_scores, best_rows = first_of_each(*found, self._skus_of(found[1]), k)
            scores[open_queries], rows[open_queries] = best_scores, best_rows
            short = (best_rows >= 0).sum(axis=1) < min(k, pool.skus)
            if fetch == pool.rows and pool.is_exhausted(reach):
                break
            # -1: the visited cells hold fewer rows than were asked for.
            reach *= 4 if fetch == pool.rows or (found[1][short] < 0).any() else 1
            open_queries, fetch = open_queries[short], fetch * 4
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


def take_snapshot(db: sqlite3.Connection, folder: Path, former: Snapshot | None = None) -> Snapshot:
    """Reads generation, lengths and tombstones in one transaction and maps the files they name.

    former: an earlier one of the same folder, of which what still holds is taken over.

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
            return _map(folder, live, row_skus, alive, former)
        except FileNotFoundError as error:  # a writer may have published another generation since
            gone = error
    missing = Path(str(gone.filename))
    hint = REMAKE if missing.suffix == ".faiss" else REPAIR
    raise DatabaseDamagedError(f"{missing}: this file of the SKU database is missing", hint) from gone


def _map(folder: Path, live: Live, row_skus: Ids, alive: NDArray[np.bool_], former: Snapshot | None) -> Snapshot:
    vectors = map_vectors(folder / live.vectors, live.rows, live.dim)
    index = None
    if live.index_file:
        # Only now: a small database never loads FAISS.
        from recognition.skus.faiss_index import IvfIndex

        path = folder / live.index_file
        if file_checksum(path, HEAD_BYTES) != live.index_head_crc:
            raise DatabaseDamagedError(f"{path}: the index is damaged", REMAKE)
        same = former.index if former and former.live.index_file == live.index_file else None
        index = IvfIndex(path, live.nprobe, alive[: live.indexed_rows], vectors, same)
    return Snapshot(live, row_skus, alive, vectors, index)
