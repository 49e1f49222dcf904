"""`catalog.sqlite`, the one place of truth: its one live row, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields, replace
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
from recognition.skus.tables import (
    APPLICATION_ID,
    DIGESTED,
    FORMAT,
    READABLE,
    add_functions,
    check_tables,
    create_tables,
    stand_in,
    upgrade_tables,
)
from recognition.skus.vectors import HEAD_BYTES, file_checksum

FILE = "catalog.sqlite"
BUILD_COMMAND = "recognize.py skus build CATALOG.csv --db"
_LOG_BYTES = 64 << 20
_SEALED_HINT = "run recognize.py skus compact where the folder can be written, then copy it again"
_DISK_HINT = "free some space, or check the rights of the folder"


@dataclass(frozen=True)
class Live:
    """The live generation. vectors, index_file: file names in the folder, index_file "" = none. rows: committed rows.

    indexed_rows: rows below this are in the index. index_crc: CRC-32 of the index file, index_head_crc: of
    its first part, which FAISS reads when it opens it. views: `apart`, or `averaged`
    where the references of a SKU are compared as their mean. calibration: opaque text.
    """

    generation: int
    vectors: str
    rows: int
    index_file: str
    indexed_rows: int
    index_crc: int
    index_head_crc: int
    nprobe: int
    recall: float
    recall_at_10: float
    views: str
    encoder: str
    fingerprint: str
    dim: int
    calibration: str | None


_COLUMNS = ", ".join(f.name for f in fields(Live))


def new_live(encoder: str, dim: int, fingerprint: str) -> Live:
    """The first generation of an empty database."""
    return Live(1, "vectors-1.f16", 0, "", 0, 0, 0, 0, 0.0, 0.0, "apart", encoder, fingerprint, dim, None)


def read_live(db: sqlite3.Connection) -> Live:
    """The live row."""
    found = db.execute(f"SELECT {_COLUMNS}, digest = row_digest({_COLUMNS}) FROM live").fetchone()
    if found is None or not found[-1]:
        raise sqlite3.DatabaseError("the row that names the live generation is gone or damaged")
    return Live(*found[:-1])


def write_live(db: sqlite3.Connection, live: Live) -> None:
    """Puts the live row in place of the former one."""
    marks = ", ".join(f"?{place}" for place, _ in enumerate(fields(Live), 1))
    put = f"INSERT OR REPLACE INTO live (one, {_COLUMNS}, digest) VALUES (1, {marks}, row_digest({marks}))"
    db.execute(put, astuple(live))


def read_rows(db: sqlite3.Connection) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The SKU id of every committed row, int64 (rows,), and whether the row is alive, bool (rows,)."""
    blocks = db.execute(f"SELECT skus, digest = row_digest({DIGESTED['block']}) FROM block ORDER BY first").fetchall()
    if not all(whole for _, whole in blocks):
        raise sqlite3.DatabaseError("what the rows belong to does not agree with its digest")
    row_skus = np.frombuffer(b"".join(skus for skus, _ in blocks), "<i8").astype(np.int64)
    alive = np.ones(len(row_skus), np.bool_)
    dead = np.fromiter((row for (row,) in db.execute("SELECT row FROM dead")), np.int64)
    if len(dead) and not 0 <= dead.min() <= dead.max() < len(alive):
        raise sqlite3.DatabaseError("a row is marked as removed that is not there")
    alive[dead] = False
    return row_skus, alive


def connect_reader(folder: Path, upgradable: bool = False) -> sqlite3.Connection:
    """A connection that cannot write. On a folder that cannot be written it needs no side files either.

    upgradable: an older format that a writer brings up to date is no error.

    Raises:
        DatabaseMissingError: there is no database. DatabaseVersionError: it is of another format. DatabaseError: it
        cannot be written, and its last writer was killed.
    """
    path = folder / FILE
    hint = f"make one: {BUILD_COMMAND} {folder}"
    if not path.is_file():
        raise DatabaseMissingError(f"{folder}: no SKU database here", hint)
    sealed = not os.access(folder, os.W_OK)
    log = folder / f"{FILE}-wal"
    waiting = log.is_file() and log.stat().st_size > 0
    if sealed and waiting and not (folder / f"{FILE}-shm").is_file():
        raise DatabaseError(f"{log}: changes wait in it that cannot be read where nothing can be written", _SEALED_HINT)
    uri = f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if sealed and not waiting else ''}"
    db = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        if _is_empty(db):
            raise DatabaseMissingError(f"{folder}: the SKU database was never finished", hint)
        if (version := check_format(db, folder, upgradable)) >= READABLE:
            check_tables(db, version)
            if version < FORMAT:
                stand_in(db)
        add_functions(db)
    except BaseException:
        db.close()
        raise
    return db


def connect_writer(folder: Path, fresh: Live | None) -> sqlite3.Connection:
    """A connection that writes durably; an older format is brought up to date.

    A database that is not there yet begins with the live row `fresh`.

    Raises:
        DatabaseMissingError: it is not there, and `fresh` is None. DatabaseVersionError: it is of another format.
    """
    if fresh is None:
        connect_reader(folder, upgradable=True).close()
    db = sqlite3.connect(folder / FILE, timeout=30, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        # A compaction moves every reference in one transaction: its log need not stay so large while readers are open.
        db.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        add_functions(db)
        if fresh is not None and _is_empty(db):
            with transaction(db):
                create_tables(db)
                write_live(db, fresh)
        if (version := check_format(db, folder, upgradable=True)) < FORMAT:
            with transaction(db):
                upgrade_tables(db, version)
                live = read_live(db)
                if version == 1 and (index := folder / live.index_file).is_file():
                    write_live(db, replace(live, index_head_crc=file_checksum(index, HEAD_BYTES)))
        check_tables(db)
    except BaseException:
        db.close()
        raise
    return db


def check_format(db: sqlite3.Connection, folder: Path, upgradable: bool = False) -> int:
    """The format, when this program can use it; a file that is no SKU database, or of another format, is refused.

    Raises:
        DatabaseVersionError: that is the case.
    """
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise DatabaseVersionError(f"{folder / FILE}: not a SKU database of this program", "give another --db")
    if READABLE <= version <= FORMAT or (upgradable and version == 1):
        return int(version)
    raise DatabaseVersionError(
        f"{folder}: the SKU database has format {version}, this program knows format {FORMAT}",
        "update the program" if version > FORMAT else f"bring it up to date: recognize.py skus compact --db {folder}",
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
    except (sqlite3.Error, UnicodeDecodeError) as error:  # a damaged file's name for what is wrong may be no text
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
