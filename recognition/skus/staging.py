"""A source of references as it was read: rows and problems in a temporary SQLite file, so that millions fit anywhere.

Several rows of a SKU may stand far apart, and each is to carry what all of them say together: nothing can be handed on
before the last row has been read, and a table of Python objects would take a kilobyte a row.
"""

from __future__ import annotations

import json
import sqlite3
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Generic, Protocol, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from recognition.types import NO_SKU, Sku

_TABLES = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;
CREATE TABLE sku (id INTEGER PRIMARY KEY, sku TEXT NOT NULL UNIQUE, facts TEXT NOT NULL);
CREATE TABLE row (line INTEGER PRIMARY KEY, sku INTEGER NOT NULL, image TEXT NOT NULL, stored TEXT NOT NULL,
    hash TEXT NOT NULL);
CREATE UNIQUE INDEX picture ON row (sku, image, hash);
CREATE TABLE problem (line INTEGER NOT NULL, sku TEXT NOT NULL, cell TEXT NOT NULL, error TEXT NOT NULL,
    hint TEXT NOT NULL, rejected INTEGER NOT NULL, late INTEGER NOT NULL);
"""
_FACTS = tuple(f.name for f in fields(Sku) if f.name not in ("id", "sku"))
_T = TypeVar("_T")


@dataclass(frozen=True)
class CatalogProblem:
    """One thing wrong in the source. line: from 1, a CSV's header included. rejected: the row is left out; else it is
    kept without the value in `column`."""

    line: int
    sku: str
    column: str
    error: str
    hint: str
    rejected: bool


@dataclass(frozen=True)
class CatalogRow:
    """One reference. sku: its metadata, id -1; image: the file; stored: its path as the source gives it.

    content_hash: what the source says of the picture's content, or "": then it is computed.
    """

    sku: Sku
    image: Path
    stored: str
    line: int
    content_hash: str = ""


class ReadyVectors(Protocol):
    """Vectors that came with the source."""

    dim: int

    def take(self, lines: Sequence[int]) -> NDArray[np.float32]:
        """The vectors (n, dim) of some rows, norm 1, by their line."""
        ...


class Catalog:
    """A source of references: the rows that can be used, and everything that was wrong.

    path: where it came from. counts: what `line` counts (`line`, `row` or `file`). vectors: those that came with it.
    """

    def __init__(self, path: Path, counts: str = "line", vectors: ReadyVectors | None = None) -> None:
        self.path, self.counts, self.vectors = path, counts, vectors
        # "" is a private file that is gone when the connection closes, and is not written while the cache suffices.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._db.close)
        self._db.executescript(_TABLES)

    @property
    def rows(self) -> Sequence[CatalogRow]:
        """References in the order of the source; each carries what all rows of its SKU say together."""
        select = "SELECT sku.sku, facts, image, stored, line, hash FROM row JOIN sku ON sku.id = row.sku ORDER BY line"
        return _Table(self, self._db, "row", select, _row)

    @property
    def problems(self) -> Sequence[CatalogProblem]:
        """What was wrong, by line."""
        select = "SELECT line, sku, cell, error, hint, rejected FROM problem ORDER BY line, rowid"
        return _Table(self, self._db, "problem", select, _problem)

    def rejected(self) -> int:
        """Number of rows that cannot be used."""
        return int(self._db.execute("SELECT count(*) FROM problem WHERE rejected").fetchone()[0])

    def incomplete(self) -> Iterator[str]:
        """SKUs with a row that cannot be used: what the source wanted of them is not known."""
        select = "SELECT DISTINCT sku FROM problem WHERE rejected AND cell <> 'sku' AND sku <> ''"
        return (sku for (sku,) in self._db.execute(select))

    def skus(self) -> int:
        """Number of SKUs with a row that can be used."""
        return int(self._db.execute("SELECT count(*) FROM sku").fetchone()[0])

    def begin(self) -> None:
        """Many rows follow: they are written together."""
        self._db.execute("BEGIN")

    def end(self) -> None:
        """The last row was given."""
        self._db.execute("COMMIT")

    def line_of(self, sku: str, image: str, content_hash: str) -> int | None:
        """The line that gave the same reference before."""
        select = "SELECT line FROM row JOIN sku ON sku.id = row.sku WHERE sku.sku = ? AND image = ? AND hash = ?"
        found = self._db.execute(select, (sku, image, content_hash)).fetchone()
        return found[0] if found else None

    def known(self, sku: str) -> Sku | None:
        """What earlier rows say of a SKU."""
        found = self._db.execute("SELECT facts FROM sku WHERE sku = ?", (sku,)).fetchone()
        return _sku(sku, found[0]) if found else None

    def put(self, line: int, sku: Sku, image: str, stored: str, content_hash: str) -> None:
        """A row that can be used; `sku` is what its SKU's rows say up to here."""
        facts = json.dumps([getattr(sku, name) for name in _FACTS], ensure_ascii=False)
        upsert = (
            "INSERT INTO sku (sku, facts) VALUES (?, ?) ON CONFLICT (sku) DO UPDATE SET facts = excluded.facts "
            "RETURNING id"
        )
        (number,) = self._db.execute(upsert, (sku.sku, facts)).fetchone()
        self._db.execute("INSERT INTO row VALUES (?, ?, ?, ?, ?)", (line, number, image, stored, content_hash))

    def report(self, problem: CatalogProblem, late: bool = False) -> None:
        """Something wrong. late: found when the row was used, not when it was read."""
        self._db.execute("INSERT INTO problem VALUES (?, ?, ?, ?, ?, ?, ?)", (*astuple(problem), late))

    def forget_late(self) -> None:
        """Forgets what an earlier use found."""
        self._db.execute("DELETE FROM problem WHERE late")


class _Table(Sequence[_T], Generic[_T]):
    """Rows of a table, made into objects when they are looked at."""

    def __init__(
        self, owner: Catalog, db: sqlite3.Connection, table: str, select: str, make: Callable[..., _T]
    ) -> None:
        self._owner = owner  # the file closes with it
        self._db, self._table, self._select, self._make = db, table, select, make

    def __len__(self) -> int:
        return int(self._db.execute(f"SELECT count(*) FROM {self._table}").fetchone()[0])

    def __iter__(self) -> Iterator[_T]:
        return (self._make(*found) for found in self._db.execute(self._select))

    @overload
    def __getitem__(self, place: int) -> _T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[_T]: ...
    def __getitem__(self, place: int | slice) -> _T | Sequence[_T]:
        places = range(len(self))[place]
        if isinstance(places, range):
            return [self[number] for number in places]
        return self._make(*self._db.execute(f"{self._select} LIMIT 1 OFFSET {places}").fetchone())


def _sku(text: str, facts: str) -> Sku:
    return Sku(NO_SKU, text, *json.loads(facts))


def _row(text: str, facts: str, image: str, stored: str, line: int, content_hash: str) -> CatalogRow:
    return CatalogRow(_sku(text, facts), Path(image), stored, line, content_hash)


def _problem(line: int, sku: str, cell: str, error: str, hint: str, rejected: int) -> CatalogProblem:
    return CatalogProblem(line, sku, cell, error, hint, bool(rejected))
