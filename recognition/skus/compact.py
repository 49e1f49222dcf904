"""`skus compact`: makes the index anew over what is alive, and on request the vectors without what is dead.

Readers go on with the files they have; the new ones are published by one commit. Until then they are strays, so that
a kill at any instant costs only the time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.skus.exact import Ids
from recognition.skus.generations import move_rows, publish_index, with_index
from recognition.skus.index_choice import RECALL_GOAL
from recognition.skus.schema import Live, read_live, read_rows, transaction, write_live
from recognition.skus.session import delete_strays, write_session
from recognition.skus.vectors import BLOCK_ROWS, Block, Halves, append_blocks, check_blocks, map_vectors
from recognition.telling import Progress

RowsDone = Callable[[int], None]
PART_ROWS = 4 * BLOCK_ROWS
"""Rows that are copied together: 50 MB where a vector has 768 numbers."""


@dataclass(frozen=True)
class CompactReport:
    """references: living ones. dropped: dead rows that went from the vectors. indexed: rows the index covers, 0 without
    one. generation: of what was published."""

    references: int
    dropped: int
    indexed: int
    generation: int


def compact(
    folder: Path,
    rewrite: bool = False,
    progress: Progress | None = None,
    recall: float = RECALL_GOAL,
) -> CompactReport:
    """Publishes an index over all living references, tail included; with `rewrite` also vectors without dead rows.

    Row numbers change with `rewrite`; SKU ids never do. progress: rows copied or put into the index, of all to do.
    recall: at 1, that the effort of a search is chosen for, 0..1.

    Raises:
        DatabaseMissingError: there is no database. DatabaseLockedError: another process is writing.
        DatabaseDamagedError: `rewrite` met vectors that do not agree with their check sum.
    """
    with write_session(folder) as db:
        before = read_live(db)
        (references,) = db.execute("SELECT count(*) FROM reference").fetchone()
        copying = references if rewrite else 0

        def advance(done: int) -> None:
            if progress is not None:
                progress(done, copying + references)

        def indexing(done: int) -> None:
            advance(copying + done)

        fold = partial(_rewrite, copying=advance) if rewrite else publish_index
        fresh = fold(db, folder, recall, indexing)
    return CompactReport(references, before.rows - fresh.rows, fresh.indexed_rows, fresh.generation)


def _rewrite(db: sqlite3.Connection, folder: Path, recall: float, indexing: RowsDone, copying: RowsDone) -> Live:
    live = read_live(db)
    alive = read_rows(db)[1]
    sources = np.flatnonzero(alive).astype(np.int64)
    name = f"vectors-{live.generation + 1}.f16"
    blocks = _copy(db, folder, live, alive, folder / name, copying)
    moved = replace(live, vectors=name, rows=len(sources))
    fresh = with_index(folder, moved, np.ones(len(sources), np.bool_), recall, indexing)
    with transaction(db):
        move_rows(db, sources, blocks)
        write_live(db, fresh)
    delete_strays(db, folder)
    return fresh


def _copy(
    db: sqlite3.Connection, folder: Path, live: Live, alive: NDArray[np.bool_], path: Path, copying: RowsDone
) -> list[Block]:
    """Writes the living rows to `path`; each block is held against its check sum before it gets a new one."""
    vectors = map_vectors(folder / live.vectors, live.rows, live.dim)
    check_blocks(folder / live.vectors, vectors, db.execute("SELECT first, rows, crc FROM block ORDER BY first"))
    rows: Ids = np.flatnonzero(alive).astype(np.int64)
    blocks: list[Block] = []
    for start in range(0, len(rows), PART_ROWS):
        part: Halves = vectors[rows[start : start + PART_ROWS]]
        blocks += append_blocks(path, start, part)
        copying(start + len(part))
    return blocks
