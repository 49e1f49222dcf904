"""Does the database still say what was written? Every vector, the index and the catalogue are read for it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np

from recognition.errors import DatabaseDamagedError
from recognition.skus.probes import REMAKE as PROBES_REMAKE
from recognition.skus.schema import snapshot_of
from recognition.skus.snapshot import Snapshot
from recognition.skus.tables import DIGESTED
from recognition.skus.vectors import REMAKE, REPAIR, check_blocks, file_checksum

_PAIR = np.dtype([("row", np.int64), ("sku", np.int64)])
_TOLD = {
    "sku": ("SELECT 'SKU ' || sku", "run recognize.py skus build with the catalogue: metadata is written anew"),
    "reference": (
        "SELECT 'the reference in row ' || row || ', image ' || image",
        "run recognize.py skus build with the catalogue: the reference is made anew",
    ),
    "thumbnail": (
        "SELECT 'the thumbnail of row ' || row",
        "remove its SKU with recognize.py skus remove and build again, or restore a copy",
    ),
    "probe": ("SELECT 'probe ' || number", PROBES_REMAKE),
    "runtime": ("SELECT 'the choice of the runtime'", PROBES_REMAKE),
}
"""By table: how a row is named, and what mends it. Of the others every reader checks the digests."""


def verify(db: sqlite3.Connection, folder: Path, snapshot: Snapshot) -> None:
    """Checks one commit: SQLite's structure, the digest of each row, the check sum of each block of vectors and of the
    index, and that rows agree.

    Raises:
        DatabaseDamagedError: the first thing that does not hold.
    """
    with snapshot_of(db):
        (said,) = db.execute("PRAGMA integrity_check(1)").fetchone()
        if said != "ok":
            raise DatabaseDamagedError(f"{folder}: the catalogue is damaged: {said}", REPAIR)
        _check_digests(db, folder)
        blocks = db.execute("SELECT first, rows, crc FROM block ORDER BY first").fetchall()
        pairs = np.fromiter(db.execute("SELECT row, sku FROM reference ORDER BY row"), _PAIR)
    live = snapshot.live
    check_blocks(folder / live.vectors, snapshot.vectors, blocks)
    alive = np.flatnonzero(snapshot.alive)
    if not np.array_equal(pairs["row"], alive) or not np.array_equal(pairs["sku"], snapshot.row_skus[alive]):
        raise DatabaseDamagedError(f"{folder}: the references and the rows of the vectors do not agree", REPAIR)
    if live.index_file and file_checksum(folder / live.index_file) != live.index_crc:
        raise DatabaseDamagedError(f"{folder / live.index_file}: the index is damaged", REMAKE)


def _check_digests(db: sqlite3.Connection, folder: Path) -> None:
    for table, (name, hint) in _TOLD.items():
        wrong = f"{name} FROM {table} WHERE digest IS NOT row_digest({DIGESTED[table]}) LIMIT 1"
        found = db.execute(wrong).fetchone()
        if found:
            raise DatabaseDamagedError(f"{folder}: {found[0]}: does not agree with its digest", hint)
    lost = "SELECT row FROM reference WHERE NOT EXISTS (SELECT 1 FROM sku WHERE id = reference.sku) LIMIT 1"
    if found := db.execute(lost).fetchone():
        raise DatabaseDamagedError(f"{folder}: the reference in row {found[0]} is of a SKU that is gone", REPAIR)
