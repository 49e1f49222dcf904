"""The tables of `catalog.sqlite`, the digest that each row of the truth carries, and the upgrade of older formats."""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import closing

FORMAT = 3
READABLE = 2
"""Formats from this one on are read as they are; what they lack is seen as empty."""
APPLICATION_ID = 0x534B5544

# A SKU of the database is one that has a reference. The row in `sku` stays when the last reference goes, so that an
# id once handed out can always be described and a SKU that comes back gets its old id. `block` holds, for each run of
# rows appended together, the check sum of its vectors and the SKU ids of its rows packed as little-endian int64: a
# reader learns what millions of rows belong to without visiting each of them. `digest` is of the columns in DIGESTED.
_TABLES = """
CREATE TABLE live (
    one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL, vectors TEXT NOT NULL,
    rows INTEGER NOT NULL, index_file TEXT NOT NULL, indexed_rows INTEGER NOT NULL, index_crc INTEGER NOT NULL,
    index_head_crc INTEGER NOT NULL, nprobe INTEGER NOT NULL, recall REAL NOT NULL, recall_at_10 REAL NOT NULL,
    views TEXT NOT NULL, encoder TEXT NOT NULL, fingerprint TEXT NOT NULL, dim INTEGER NOT NULL, calibration TEXT,
    digest INTEGER NOT NULL);
CREATE TABLE sku (
    id INTEGER PRIMARY KEY AUTOINCREMENT, sku TEXT NOT NULL UNIQUE, gtin TEXT NOT NULL, name TEXT NOT NULL,
    brand TEXT NOT NULL, category TEXT NOT NULL, width_mm REAL, height_mm REAL, depth_mm REAL,
    attributes TEXT NOT NULL, digest INTEGER NOT NULL);
CREATE TABLE reference (
    row INTEGER PRIMARY KEY, sku INTEGER NOT NULL REFERENCES sku (id), image TEXT NOT NULL, hash TEXT NOT NULL,
    digest INTEGER NOT NULL, UNIQUE (sku, hash));
CREATE TABLE thumbnail (row INTEGER PRIMARY KEY, picture BLOB NOT NULL, digest INTEGER NOT NULL);
CREATE TABLE dead (row INTEGER PRIMARY KEY);
CREATE TABLE block (
    first INTEGER PRIMARY KEY, rows INTEGER NOT NULL, crc INTEGER NOT NULL, skus BLOB NOT NULL,
    digest INTEGER NOT NULL);
"""
# An unfinished migration: its vector file, and per block of that file the rows of the live one that it embeds, packed
# as `block.skus` is; -1 for a row that has gone since.
_MIGRATION = """
CREATE TABLE migration (
    one INTEGER PRIMARY KEY CHECK (one = 1), vectors TEXT NOT NULL, rows INTEGER NOT NULL, encoder TEXT NOT NULL,
    fingerprint TEXT NOT NULL, dim INTEGER NOT NULL);
CREATE TABLE migrated (first INTEGER PRIMARY KEY, rows INTEGER NOT NULL, crc INTEGER NOT NULL, sources BLOB NOT NULL);
"""
# Crops with their vectors by the encoder, which prove a runtime; and what was measured of the runtimes, opaque text.
_PROBES = """
CREATE TABLE probe (
    number INTEGER PRIMARY KEY, picture BLOB NOT NULL, vector BLOB NOT NULL, fingerprint TEXT NOT NULL,
    digest INTEGER NOT NULL);
CREATE TABLE runtime (one INTEGER PRIMARY KEY CHECK (one = 1), choice TEXT NOT NULL, digest INTEGER NOT NULL);
"""
DIGESTED = {
    "live": "generation, vectors, rows, index_file, indexed_rows, index_crc, index_head_crc, nprobe, recall, "
    "recall_at_10, views, encoder, fingerprint, dim, calibration",
    "sku": "sku, gtin, name, brand, category, width_mm, height_mm, depth_mm, attributes",
    # Not the row: it changes when vectors are rewritten, and `block` says the same once more.
    "reference": "sku, image, hash",
    "thumbnail": "picture",
    "block": "first, rows, crc, skus",
    "probe": "number, picture, vector, fingerprint",
    "runtime": "choice",
}
_IN_1 = ("live", "sku", "reference", "thumbnail", "block")
_FROM_1 = """
ALTER TABLE live ADD COLUMN index_head_crc INTEGER NOT NULL DEFAULT 0;
ALTER TABLE live ADD COLUMN recall_at_10 REAL NOT NULL DEFAULT 0;
ALTER TABLE live ADD COLUMN views TEXT NOT NULL DEFAULT 'apart';
"""


def add_functions(db: sqlite3.Connection) -> None:
    """Makes `row_digest` known to a connection."""
    db.create_function("row_digest", -1, row_digest, deterministic=True)


def create_tables(db: sqlite3.Connection, version: int = FORMAT) -> None:
    """Tables of a format that can be read, in an open transaction."""
    _run(db, _TABLES + _MIGRATION + (_PROBES if version >= 3 else ""))
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {version}")


def upgrade_tables(db: sqlite3.Connection, version: int) -> None:
    """From format 2, which had no probes, or 1, which had no digests, no migration and one way to see several
    references; in an open transaction.

    What is in the rows is taken for right: there is nothing to hold it against. The check sum of the index's head is
    left to whoever can read that file.
    """
    if version == 1:
        _run(db, _FROM_1 + _MIGRATION)
        for table in _IN_1:
            db.execute(f"ALTER TABLE {table} ADD COLUMN digest INTEGER NOT NULL DEFAULT 0")
            db.execute(f"UPDATE {table} SET digest = row_digest({DIGESTED[table]})")
    _run(db, _PROBES)
    db.execute(f"PRAGMA user_version = {FORMAT}")


def stand_in(db: sqlite3.Connection) -> None:
    """Gives a reader of format 2 what that lacks: empty tables, seen by this connection alone."""
    _run(db, _PROBES.replace("CREATE TABLE", "CREATE TEMP TABLE"))


def check_tables(db: sqlite3.Connection, version: int = FORMAT) -> None:
    """Holds the declarations of tables and columns, which no digest covers, against those of a format.

    Raises:
        sqlite3.DatabaseError: they differ.
    """
    with closing(sqlite3.connect(":memory:")) as fresh:
        create_tables(fresh, version)
        if _columns(db) != _columns(fresh):
            raise sqlite3.DatabaseError("its tables have other columns than they should")


def _columns(db: sqlite3.Connection) -> set[tuple[str, str, str, bool, bool]]:
    tables = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    columns = 'SELECT name, type, "notnull", pk FROM pragma_table_info(?)'
    return {(table, *column) for (table,) in db.execute(tables).fetchall() for column in db.execute(columns, (table,))}


def row_digest(*values: str | bytes | float | None) -> int:
    """CRC-32 of the values of some columns. A number counts as a float: which it is depends on the column's type."""
    crc, words = 0, []
    for value in values:
        if isinstance(value, str):
            words.append(value)
        elif isinstance(value, bytes):
            crc = zlib.crc32(value, crc)
        else:
            words.append("\1" if value is None else repr(float(value)))
    return zlib.crc32("\0".join(words).encode(), crc)


def _run(db: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";"):
        db.execute(statement)
