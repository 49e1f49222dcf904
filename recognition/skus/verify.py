"""Does the database still say what was written? Every vector, the index and the catalogue are read for it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np

from recognition.errors import DatabaseDamagedError
from recognition.skus.schema import snapshot_of
from recognition.skus.snapshot import Snapshot
from recognition.skus.vectors import REPAIR, checksum, file_checksum


def verify(db: sqlite3.Connection, folder: Path, snapshot: Snapshot) -> None:
    """Checks one commit: SQLite's structure, the check sum of each block and of the index, and that rows agree.

    Raises:
        DatabaseDamagedError: the first thing that does not hold.
    """
    with snapshot_of(db):
        (said,) = db.execute("PRAGMA integrity_check(1)").fetchone()
        blocks = db.execute("SELECT first, rows, crc FROM block ORDER BY first").fetchall()
        pairs = np.array(db.execute("SELECT row, sku FROM reference ORDER BY row").fetchall(), np.int64).reshape(-1, 2)
    if said != "ok":
        raise DatabaseDamagedError(f"{folder}: the catalogue is damaged: {said}", REPAIR)
    _check_blocks(folder, snapshot, blocks)
    alive = np.flatnonzero(snapshot.alive)
    if not np.array_equal(pairs[:, 0], alive) or not np.array_equal(pairs[:, 1], snapshot.row_skus[alive]):
        raise DatabaseDamagedError(f"{folder}: the references and the rows of the vectors do not agree", REPAIR)
    live = snapshot.live
    if live.index_file and file_checksum(folder / live.index_file) != live.index_crc:
        hint = "delete that file and run recognize.py skus build again: the index is made anew"
        raise DatabaseDamagedError(f"{folder / live.index_file}: the index is damaged", hint)


def _check_blocks(folder: Path, snapshot: Snapshot, blocks: list[tuple[int, int, int]]) -> None:
    expected = 0
    for first, rows, crc in blocks:
        broken = checksum(snapshot.vectors[first : first + rows]) != crc
        if first != expected or broken:
            path = folder / snapshot.live.vectors
            raise DatabaseDamagedError(f"{path}: vectors {first} to {first + rows - 1} are damaged", REPAIR)
        expected += rows
