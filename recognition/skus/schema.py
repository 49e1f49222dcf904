"""`catalog.sqlite`, the one place of truth: its tables, its one live row, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.errors import (
    DatabaseDamagedError,
    DatabaseError,
    DatabaseLockedError,
    DatabaseMissingError,
    DatabaseVersionError,
)

FILE = "catalog.sqlite"
FORMAT = 1
APPLICATION_ID = 0x534B5544
BUILD_COMMAND = "recognize.py skus build CATALOG.csv --db"
_DISK_HINT = "free some space, or check the rights of the folder"

# A SKU of the database is one that has a reference. The row in `sku` stays when the last reference goes, so that an
# id once handed out can always be described and a SKU that comes back gets its old id. `block` holds, for each run of
# rows appended together, the check sum of its vectors and the SKU ids of its rows packed as little-endian int64: a
# reader learns what millions of rows belong to without visiting each of them.
_TABLES = """
CREATE TABLE live (
    one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL, vectors TEXT NOT NULL,
    rows INTEGER NOT NULL, index_file TEXT NOT NULL, indexed_rows INTEGER NOT NULL, index_crc INTEGER NOT NULL,
    nprobe INTEGER NOT NULL, recall REAL NOT NULL, encoder TEXT NOT NULL, fingerprint TEXT NOT NULL,
    dim INTEGER NOT NULL, calibration TEXT);
CREATE TABLE sku (
    id INTEGER PRIMARY KEY AUTOINCREMENT, sku TEXT NOT NULL UNIQUE, gtin TEXT NOT NULL, name TEXT NOT NULL,
    brand TEXT NOT NULL, category TEXT NOT NULL, width_mm REAL, height_mm REAL, depth_mm REAL,
    attributes TEXT NOT NULL);
CREATE TABLE reference (
    row INTEGER PRIMARY KEY, sku INTEGER NOT NULL REFERENCES sku (id), image TEXT NOT NULL, hash TEXT NOT NULL,
    UNIQUE (sku, hash));
CREATE TABLE thumbnail (row INTEGER PRIMARY KEY, picture BLOB NOT NULL);
CREATE TABLE dead (row INTEGER PRIMARY KEY);
CREATE TABLE block (first INTEGER PRIMARY KEY, rows INTEGER NOT NULL, crc INTEGER NOT NULL, skus BLOB NOT NULL);
"""


@dataclass(frozen=True)
class Live:
    """The live generation. vectors, index_file: file names in the folder, index_file "" = none. rows: committed rows.

    indexed_rows: rows below this are in the index. index_crc: CRC-32 of the index file. calibration: opaque text.
    """

    generation: int
    vectors: str
    rows: int
    index_file: str
    indexed_rows: int
    index_crc: int
    nprobe: int
    recall: float
    encoder: str
    fingerprint: str
    dim: int
    calibration: str | None


_COLUMNS = ", ".join(f.name for f in fields(Live))


def new_live(encoder: str, dim: int, fingerprint: str) -> Live:
    """The first generation of an empty database."""
    return Live(1, "vectors-1.f16", 0, "", 0, 0, 0, 0.0, encoder, fingerprint, dim, None)


def read_live(db: sqlite3.Connection) -> Live:
    """The live row."""
    row = db.execute(f"SELECT {_COLUMNS} FROM live").fetchone()
    if row is None:
        raise sqlite3.DatabaseError("the row that names the live generation is gone")
    return Live(*row)


def write_live(db: sqlite3.Connection, live: Live) -> None:
    """Puts the live row in place of the former one."""
    marks = ", ".join("?" for _ in fields(Live))
    db.execute(f"INSERT OR REPLACE INTO live (one, {_COLUMNS}) VALUES (1, {marks})", astuple(live))


def read_rows(db: sqlite3.Connection) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The SKU id of every committed row, int64 (rows,), and whether the row is alive, bool (rows,)."""
    blocks = [skus for (skus,) in db.execute("SELECT skus FROM block ORDER BY first")]
    row_skus = np.frombuffer(b"".join(blocks), "<i8").astype(np.int64)
    alive = np.ones(len(row_skus), np.bool_)
    alive[[row for (row,) in db.execute("SELECT row FROM dead")]] = False
    return row_skus, alive


def connect_reader(folder: Path) -> sqlite3.Connection:
    """A connection that cannot write. On a folder that cannot be written it needs no side files either.

    Raises:
        DatabaseMissingError: there is no database. DatabaseVersionError: it is of another format.
    """
    path = folder / FILE
    hint = f"make one: {BUILD_COMMAND} {folder}"
    if not path.is_file():
        raise DatabaseMissingError(f"{folder}: no SKU database here", hint)
    log = folder / f"{FILE}-wal"
    frozen = not os.access(folder, os.W_OK) and not (log.is_file() and log.stat().st_size)
    uri = f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if frozen else ''}"
    db = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        if _is_empty(db):
            raise DatabaseMissingError(f"{folder}: the SKU database was never finished", hint)
        check_format(db, folder)
    except BaseException:
        db.close()
        raise
    return db


def connect_writer(folder: Path, fresh: Live) -> sqlite3.Connection:
    """A connection that writes durably; a database that is not there yet begins with the live row `fresh`.

    Raises:
        DatabaseVersionError: it is of another format.
    """
    db = sqlite3.connect(folder / FILE, timeout=30, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        if _is_empty(db):
            with transaction(db):
                for statement in _TABLES.split(";"):
                    db.execute(statement)
                write_live(db, fresh)
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {FORMAT}")
        check_format(db, folder)
    except BaseException:
        db.close()
        raise
    return db


def check_format(db: sqlite3.Connection, folder: Path) -> None:
    """Refuses a file that is no SKU database, or one of another format.

    Raises:
        DatabaseVersionError: that is the case.
    """
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise DatabaseVersionError(f"{folder / FILE}: not a SKU database of this program", "give another --db")
    if version != FORMAT:
        raise DatabaseVersionError(
            f"{folder}: the SKU database has format {version}, this program knows format {FORMAT}",
            "update the program" if version > FORMAT else f"make it again: {BUILD_COMMAND} {folder}",
        )


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; durable when it ends."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def snapshot_of(db: sqlite3.Connection) -> Iterator[None]:
    """One short read transaction: everything read inside belongs to one commit."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")


@contextmanager
def reporting(folder: Path) -> Iterator[None]:
    """Translates the errors of SQLite and of the disk.

    Raises:
        DatabaseDamagedError: the file's structure is broken. DatabaseLockedError: it stayed busy.
        DatabaseError: it cannot be read or written, for instance because the disk is full.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", "")
        if code in ("SQLITE_BUSY", "SQLITE_LOCKED"):
            raise DatabaseLockedError(f"{folder / FILE}: stayed busy ({error})", "try again") from error
        if code.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")):
            raise DatabaseError(f"{folder / FILE}: {error}", _DISK_HINT) from error
        hint = f"restore a copy, or delete the folder and make it again: {BUILD_COMMAND} {folder}"
        raise DatabaseDamagedError(f"{folder / FILE}: {error}", hint) from error
    except OSError as error:
        raise DatabaseError(f"{folder}: {error}", _DISK_HINT) from error


def _is_empty(db: sqlite3.Connection) -> bool:
    return bool(db.execute("SELECT count(*) = 0 FROM sqlite_schema").fetchone()[0])
