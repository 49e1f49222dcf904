"""Everything a database holds, row by row, as of one commit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from recognition.skus.schema import Live, connect_reader, read_live, reporting, snapshot_of
from recognition.skus.vectors import Halves, map_vectors
from recognition.types import Sku

_REFERENCES = """
SELECT reference.row, reference.image, reference.hash, sku.id, sku.sku, gtin, name, brand, category,
    width_mm, height_mm, depth_mm, attributes FROM reference JOIN sku ON sku.id = reference.sku ORDER BY reference.row
"""
_ATTRIBUTES = """
SELECT DISTINCT have.key FROM sku, json_each(sku.attributes) AS have
WHERE EXISTS (SELECT 1 FROM reference WHERE reference.sku = sku.id) ORDER BY have.key
"""
_SHARED = """
SELECT hash, sku.sku FROM reference JOIN sku ON sku.id = reference.sku WHERE hash IN
    (SELECT hash FROM reference GROUP BY hash HAVING count(*) > 1) ORDER BY hash, sku.sku
"""
_GTINS = """
SELECT gtin, sku.sku FROM sku WHERE gtin <> '' AND EXISTS (SELECT 1 FROM reference WHERE reference.sku = sku.id)
ORDER BY gtin, sku.sku
"""


@dataclass(frozen=True)
class Listed:
    """One living reference. row: its number in the vectors. image, content_hash: as `ReferenceRecord` has them."""

    row: int
    image: str
    content_hash: str
    sku: Sku


class Listing:
    """One commit, held for as long as it is open; writers are not kept from going on."""

    def __init__(self, folder: Path) -> None:
        """Opens the newest commit.

        Raises:
            DatabaseMissingError: there is no database. DatabaseVersionError: its format is another.
            DatabaseDamagedError: the vectors are too short.
        """
        self._folder = folder
        with ExitStack() as stack, reporting(folder):
            self._db = connect_reader(folder)
            stack.callback(self._db.close)
            stack.enter_context(snapshot_of(self._db))
            self.live: Live = read_live(self._db)
            self.vectors: Halves = map_vectors(folder / self.live.vectors, self.live.rows, self.live.dim)
            self._closing = stack.pop_all()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes."""
        self._closing.close()

    def __len__(self) -> int:
        """Number of living references."""
        with reporting(self._folder):
            return int(self._db.execute("SELECT count(*) FROM reference").fetchone()[0])

    def references(self) -> Iterator[Listed]:
        """Every living reference, by row."""
        with reporting(self._folder):
            for row, image, digest, number, *facts, attributes in self._db.execute(_REFERENCES):
                yield Listed(row, image, digest, Sku(number, *[*facts, json.loads(attributes)]))

    def attributes(self) -> list[str]:
        """The further columns that living SKUs have."""
        with reporting(self._folder):
            return [name for (name,) in self._db.execute(_ATTRIBUTES)]

    def shared_pictures(self) -> Iterator[tuple[str, str]]:
        """Content hash and SKU text of references that share their picture with another, those of one hash together."""
        with reporting(self._folder):
            yield from self._db.execute(_SHARED)

    def gtins(self) -> Iterator[tuple[str, str]]:
        """GTIN and SKU text of living SKUs, those of one GTIN together."""
        with reporting(self._folder):
            yield from self._db.execute(_GTINS)

    def thumbnail(self, row: int) -> bytes | None:
        """The small picture of a reference as JPEG, or None when none was kept."""
        with reporting(self._folder):
            found = self._db.execute("SELECT picture FROM thumbnail WHERE row = ?", (row,)).fetchone()
        return found[0] if found else None
