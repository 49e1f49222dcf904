"""How far a migration to another encoder has come, kept in the catalogue: its vector file and the rows it embeds."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.skus.exact import Ids
from recognition.skus.schema import read_live, transaction, write_live
from recognition.skus.vectors import Block, Halves, append_blocks


@dataclass(frozen=True)
class Migration:
    """Vectors of another encoder on their way. vectors: file name in the folder; rows: committed ones."""

    vectors: str
    rows: int
    encoder: str
    fingerprint: str
    dim: int


def begin(db: sqlite3.Connection, encoder: str, dim: int, fingerprint: str) -> None:
    """Goes on with an unfinished migration to this encoder, or starts one; one to another encoder is given up."""
    if db.execute("SELECT fingerprint FROM migration").fetchone() == (fingerprint,):
        return
    with transaction(db):
        live = read_live(db)
        # The number is taken: no later generation writes a file of this name.
        write_live(db, replace(live, generation=live.generation + 1))
        forget(db)
        values = (f"vectors-{live.generation + 1}.f16", 0, encoder, fingerprint, dim)
        db.execute("INSERT INTO migration VALUES (1, ?, ?, ?, ?, ?)", values)


def forget(db: sqlite3.Connection) -> None:
    """No migration any more; in a transaction."""
    db.execute("DELETE FROM migration")
    db.execute("DELETE FROM migrated")


def read_migration(db: sqlite3.Connection) -> Migration:
    """The migration that was begun."""
    return Migration(*db.execute(f"SELECT {', '.join(f.name for f in fields(Migration))} FROM migration").fetchone())


def append(db: sqlite3.Connection, folder: Path, sources: Ids, halves: Halves) -> None:
    """Adds vectors (n, dim) that embed the rows `sources` (n,) of the live generation; durable on return."""
    former = read_migration(db)
    blocks = append_blocks(folder / former.vectors, former.rows, halves)
    with transaction(db):
        for first, count, crc in blocks:
            part = sources[first - former.rows :][:count].astype("<i8").tobytes()
            db.execute(
                "INSERT INTO migrated (first, rows, crc, sources) VALUES (?, ?, ?, ?)", (first, count, crc, part)
            )
        db.execute("UPDATE migration SET rows = ?", (former.rows + len(halves),))


def embedded_blocks(db: sqlite3.Connection) -> list[Block]:
    """The blocks of the new vectors."""
    return db.execute("SELECT first, rows, crc FROM migrated ORDER BY first").fetchall()


def embedded_sources(db: sqlite3.Connection) -> Ids:
    """The row of the live generation that each row of the new vectors embeds; -1: it has gone since."""
    packed = [part for (part,) in db.execute("SELECT sources FROM migrated ORDER BY first")]
    return np.frombuffer(b"".join(packed), "<i8").astype(np.int64)


def embedded_rows(db: sqlite3.Connection) -> NDArray[np.bool_]:
    """Which rows of the live generation have been embedded, bool (rows,)."""
    there = np.zeros(read_live(db).rows + 1, np.bool_)
    there[embedded_sources(db)] = True
    return there[:-1]
