"""Which rows a search may find, and how it finds them: exactly, through the index, or some each way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from recognition.skus.exact import Ids, Scan, Scores, merge
from recognition.skus.index import Where
from recognition.skus.vectors import Halves

if TYPE_CHECKING:
    from recognition.skus.faiss_index import IvfIndex

CODE_COST, SKIP_COST = 12.0, 0.15
"""Looking at one code of a cell, and passing over one that the filter excludes, in products of two float32 vectors
within a batch (measured by benchmarks/index.py's way of searching, 768 numbers)."""
WIDER = 2.0
"""A filtered search visits cells until it met this many times the codes of one without a filter."""
HELD_BYTES = 256 << 20
EXACT_TAIL = 2048
"""Rows behind the index that are looked at one by one: about 0.04 ms a query of 768 numbers in a batch."""

Key = tuple[tuple[str, tuple[str, ...]], ...]


class Finder(Protocol):
    """Exact search of some rows: `exact.Scan` on the CPU, `torch_exact.DeviceScan` on a GPU."""

    @property
    def held(self) -> int:
        """Bytes of main memory kept from one search to the next."""
        ...

    def top(self, queries: Scores, count: int) -> tuple[Scores, Ids]:
        """The best rows of each query, best first; -inf and -1 where there are fewer."""
        ...


@dataclass(frozen=True, eq=False)
class Pool:
    """scan: finds some rows exactly. index: finds the rest, or None. rows, skus: numbers of findable rows and SKUs."""

    scan: Finder
    index: IvfIndex | None
    rows: int
    skus: int

    def top(self, queries: Scores, count: int, reach: float) -> tuple[Scores, Ids]:
        """The `count` best rows of each query (n, dim), best first; `reach` multiplies the cells visited."""
        found = self.scan.top(queries, count)
        if self.index is None:
            return found
        return merge(self.index.top(queries, count, reach), found, count)

    def is_exhausted(self, reach: float) -> bool:
        """Whether that reach already visits every cell."""
        return self.index is None or self.index.nprobe * reach >= self.index.cells


def make_pool(vectors: Halves, allowed: NDArray[np.bool_], skus: int, index: IvfIndex | None, indexed: int) -> Pool:
    """The cheapest way to search the `allowed` rows, bool (rows,), of which the first `indexed` are in the index."""
    rows = np.flatnonzero(allowed).astype(np.int64)
    inside = int(np.searchsorted(rows, indexed))
    if index is not None:
        nprobe = raised_nprobe(index.nprobe, index.cells, inside / max(indexed, 1))
        if not scan_is_cheaper(inside, indexed, index.cells, nprobe):
            return through_index(vectors, index.among(allowed[:indexed], nprobe), rows[inside:], len(rows), skus)
    return Pool(Scan(vectors, rows), None, len(rows), skus)


def through_index(vectors: Halves, index: IvfIndex, tail: Ids, rows: int, skus: int) -> Pool:
    """A search by the index, and of the rows behind it, `tail`: one by one if they are few, else by its cells too."""
    if len(tail) <= EXACT_TAIL:
        return Pool(Scan(vectors, tail), index, rows, skus)
    return Pool(Scan(vectors, tail[:0]), index.with_tail(tail), rows, skus)


def raised_nprobe(nprobe: int, cells: int, share: float) -> int:
    """Cells to visit when only a share (0..1) of the rows counts; all that is measured when all of them do."""
    if share >= 1:
        return nprobe
    return min(cells, int(np.ceil(WIDER * nprobe / max(share, 1e-9))))


def scan_is_cheaper(inside: int, indexed: int, cells: int, nprobe: int) -> bool:
    """Whether `inside` of `indexed` rows are found sooner one by one than through `nprobe` cells."""
    share = inside / max(indexed, 1)
    visited = nprobe * indexed / cells
    return inside <= cells + visited * (share * CODE_COST + SKIP_COST)


class PoolCache:
    """The pools of the latest filters, so that a filter that comes again costs nothing; at most HELD_BYTES."""

    def __init__(self) -> None:
        self._pools: dict[Key, Pool] = {}

    def get(self, where: Where) -> Pool | None:
        """The pool of that filter; it counts as the latest then."""
        pool = self._pools.pop(_key(where), None)
        if pool is not None:
            self._pools[_key(where)] = pool
        return pool

    def clear(self) -> None:
        """Forgets all."""
        self._pools.clear()

    def put(self, where: Where, pool: Pool) -> None:
        """Keeps a pool and lets the oldest go."""
        self._pools[_key(where)] = pool
        while len(self._pools) > 1 and sum(map(_held, self._pools.values())) > HELD_BYTES:
            del self._pools[next(iter(self._pools))]


def _held(pool: Pool) -> int:
    # Bits of the selector, and the rows' numbers.
    return pool.scan.held + (pool.index.held if pool.index else 0) + pool.rows * 8


def _key(where: Where) -> Key:
    return tuple((field, tuple(sorted(values))) for field, values in sorted(where.items()))
