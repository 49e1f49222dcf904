"""Which index a database gets: it follows the number of references, their dim, and the memory there is to serve it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from recognition.errors import DatabaseError

EXACT_BELOW = 20_000
"""With fewer references an exact search is as fast as an index, and never wrong."""
RECALL_GOAL = 0.99
"""Share of nearest references that a search through the index finds, unless another is asked for."""
TRAIN_ROWS_PER_CELL = 40
"""FAISS warns below 39; more moved the recall of the benchmark's families by less than its spread."""
OVERHEAD = 1 << 30
"""Bytes beside the index: interpreter, libraries, what searches keep widened (`exact.CACHED_BYTES`, filters)."""
_BYTES_PER_NUMBER = {"ivf-sq8": 1.0, "ivf-sq4": 0.5}
_ID_BYTES, _SKU_BYTES = 8, 9


@dataclass(frozen=True)
class IndexChoice:
    """kind: `exact`, `ivf-sq8` or `ivf-sq4` (inverted lists of 8-bit or 4-bit codes). memory: bytes a reader holds
    once everything was touched: private and mapped pages, encoder not counted.

    cells, training_rows: 0 when exact. bytes_per_vector: of the index, or of the vectors when exact.
    """

    kind: str
    cells: int
    training_rows: int
    bytes_per_vector: float
    memory: int


def choose_index(rows: int, dim: int, memory: int | None = None) -> IndexChoice:
    """The index for `rows` references of `dim` numbers that fits into `memory` bytes (None: what the machine has).

    Raises:
        DatabaseError: no index fits.
    """
    if rows < EXACT_BELOW:
        return IndexChoice("exact", 0, 0, 2.0 * dim, OVERHEAD + rows * (4 * dim + _SKU_BYTES))
    return choose_ivf(rows, dim, memory)


def choose_ivf(rows: int, dim: int, memory: int | None = None) -> IndexChoice:
    """As `choose_index`, however few the rows are: the finest codes that fit."""
    bound = physical_memory() if memory is None else memory
    cells = cells_for(rows)
    needed = 0
    for kind, width in _BYTES_PER_NUMBER.items():
        per_vector = dim * width + _ID_BYTES
        needed = OVERHEAD + int(rows * (per_vector + _SKU_BYTES)) + 4 * dim * cells
        if needed <= bound:
            return IndexChoice(kind, cells, min(rows, cells * TRAIN_ROWS_PER_CELL), per_vector, needed)
    raise DatabaseError(
        f"an index of {rows} references of {dim} numbers needs {needed / 2**30:.1f} GiB of memory to be searched, "
        f"there are {bound / 2**30:.1f} GiB",
        "use a machine with more memory, or an encoder with fewer numbers per vector",
    )


def cells_for(rows: int) -> int:
    """Number of cells: the power of two next to twice the root of N (20 k: 256, 1 M: 2048, 3.2 M and 10 M: 4096).

    Beyond 4096 the build's longest part, finding the cell of each row, would grow faster than the search gains.
    """
    return int(min(2 ** round(np.log2(2 * np.sqrt(max(rows, 1)))), 4096))


def physical_memory() -> int:
    """Bytes of memory in this machine; without an answer of the system, more than any index needs."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 1 << 62
