"""The next generation of a database's files: an index over the living rows, and references moved to other rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.skus import index_choice
from recognition.skus.exact import Ids
from recognition.skus.index_choice import RECALL_GOAL
from recognition.skus.schema import Live, read_live, read_rows, transaction, write_live
from recognition.skus.session import delete_strays
from recognition.skus.vectors import HEAD_BYTES, Block, file_checksum, map_vectors, sync_file

_MOVED = {"reference": "sku, image, hash, digest", "thumbnail": "picture, digest"}


def index_is_due(db: sqlite3.Connection, folder: Path) -> bool:
    """Whether the rows outside the index have become many, or its file is gone."""
    live = read_live(db)
    gone = bool(live.index_file) and not (folder / live.index_file).is_file()
    return gone or live.rows - live.indexed_rows >= max(index_choice.EXACT_BELOW, live.indexed_rows // 10)


def publish_index(
    db: sqlite3.Connection, folder: Path, recall: float = RECALL_GOAL, progress: Callable[[int], None] | None = None
) -> Live:
    """Publishes a new index over all living references, none when they are few; the live row. As `with_index`."""
    fresh = with_index(folder, read_live(db), read_rows(db)[1], recall, progress)
    with transaction(db):
        write_live(db, fresh)
    delete_strays(db, folder)
    return fresh


def with_index(
    folder: Path,
    live: Live,
    alive: NDArray[np.bool_],
    recall: float = RECALL_GOAL,
    progress: Callable[[int], None] | None = None,
) -> Live:
    """The live row of the next generation, its index over the living rows written and synced; nothing is published.

    recall: at 1, that the effort of a search is chosen for. progress: rows put into the index so far.
    """
    generation = live.generation + 1
    rows = np.flatnonzero(alive).astype(np.int64)
    choice = index_choice.choose_index(len(rows), live.dim)
    if choice.kind == "exact":
        blank = replace(
            live, index_file="", indexed_rows=0, index_crc=0, index_head_crc=0, nprobe=0, recall=0.0, recall_at_10=0.0
        )
        return replace(blank, generation=generation)
    # Only now: a small database never loads FAISS.
    from recognition.skus.faiss_index import build_ivf

    path = folder / f"index-{generation}.faiss"
    vectors = map_vectors(folder / live.vectors, live.rows, live.dim)
    effort = build_ivf(path, vectors, rows, recall, choice, progress)
    sync_file(path)
    published = replace(live, generation=generation, index_file=path.name, indexed_rows=live.rows)
    measured = replace(published, nprobe=effort.nprobe, recall=effort.recall, recall_at_10=effort.recall_at_10)
    return replace(measured, index_crc=file_checksum(path), index_head_crc=file_checksum(path, HEAD_BYTES))


def move_rows(db: sqlite3.Connection, sources: Ids, blocks: Sequence[Block]) -> None:
    """Gives references the rows of a new vector file, whose row i holds what row `sources[i]` held; in a transaction.

    References whose row is not among the sources go. A row whose source is -1 or dead is a tombstone.
    """
    row_skus, alive = (np.append(column, missing) for column, missing in zip(read_rows(db), (-1, False), strict=True))
    target = np.full(len(alive), -1, np.int64)
    target[sources] = np.arange(len(sources))
    target[-1] = -1
    places = memoryview(target.data)
    db.create_function("new_row", 1, lambda row: places[row], deterministic=True)
    for table, columns in _MOVED.items():
        db.execute(f"CREATE TEMP TABLE moved AS SELECT new_row(row) AS row, {columns} FROM {table}")
        db.execute(f"DELETE FROM {table}")
        db.execute(f"INSERT INTO {table} (row, {columns}) SELECT * FROM moved WHERE row >= 0 ORDER BY row")
        db.execute("DROP TABLE moved")
    db.execute("DELETE FROM dead")
    db.executemany("INSERT INTO dead (row) VALUES (?)", ((int(row),) for row in np.flatnonzero(~alive[sources])))
    db.execute("DELETE FROM block")
    put_blocks(db, blocks, row_skus[sources])
    _follow(db, target)


def put_blocks(db: sqlite3.Connection, blocks: Sequence[Block], skus: Ids) -> None:
    """Notes blocks that were appended; skus: the SKU id of each of their rows."""
    start = blocks[0][0] if blocks else 0
    rows = [
        (first, count, crc, skus[first - start : first - start + count].astype("<i8").tobytes())
        for first, count, crc in blocks
    ]
    put = "INSERT INTO block (first, rows, crc, skus, digest) VALUES (?1, ?2, ?3, ?4, row_digest(?1, ?2, ?3, ?4))"
    db.executemany(put, rows)


def _follow(db: sqlite3.Connection, target: Ids) -> None:
    """An unfinished migration names rows: they have moved."""
    for first, packed in db.execute("SELECT first, sources FROM migrated").fetchall():
        moved = target[np.frombuffer(packed, "<i8")].astype("<i8").tobytes()
        db.execute("UPDATE migrated SET sources = ? WHERE first = ?", (moved, first))
