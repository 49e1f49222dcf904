"""What the database holds, asked in portions while the one writer is at work: nothing here grows with the catalogue
but one number per row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from recognition.skus.catalog_sql import ids_of, read_skus
from recognition.skus.schema import connect_reader, read_rows, reporting
from recognition.types import Sku

Ids = NDArray[np.int64]
Key = tuple[str, str]
"""SKU text and content hash: what identifies a reference."""
PORTION = 1000
# CROSS JOIN fixes the order: each wanted pair is looked up, the table is never scanned.
_ROWS = """
SELECT sku.sku, reference.hash, reference.row FROM json_each(?) AS wanted
CROSS JOIN sku ON sku.sku = json_extract(wanted.value, '$[0]')
CROSS JOIN reference ON reference.sku = sku.id AND reference.hash = json_extract(wanted.value, '$[1]')
"""
_KEYS = """
SELECT sku.sku, reference.hash FROM json_each(?) AS wanted
CROSS JOIN reference ON reference.row = wanted.value CROSS JOIN sku ON sku.id = reference.sku
"""
_OF_GTINS = """
SELECT gtin, sku FROM sku WHERE gtin IN (SELECT value FROM json_each(?))
AND EXISTS (SELECT 1 FROM reference WHERE reference.sku = sku.id)
"""
_T = TypeVar("_T")


class Known:
    """Answers from the newest commit."""

    def __init__(self, folder: Path) -> None:
        """Opens a reader.

        Raises:
            DatabaseMissingError: there is no database. DatabaseVersionError: its format is another.
        """
        self._folder = folder
        with ExitStack() as stack, reporting(folder):
            self._db = connect_reader(folder)
            stack.callback(self._db.close)
            self._closing = stack.pop_all()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes."""
        self._closing.close()

    def references(self) -> tuple[Ids, NDArray[np.bool_]]:
        """The SKU id of every row, int64 (rows,), and whether the row is alive, bool (rows,)."""
        with reporting(self._folder):
            return read_rows(self._db)

    def rows_of(self, keys: Iterable[Key]) -> dict[Key, int]:
        """The row of each reference that is there."""
        with reporting(self._folder):
            found = self._db.execute(_ROWS, (json.dumps(list(keys)),))
            return {(sku, digest): row for sku, digest, row in found}

    def keys_of(self, rows: Sequence[int]) -> list[Key]:
        """SKU text and content hash of living rows."""
        with reporting(self._folder):
            return [(sku, digest) for sku, digest in self._db.execute(_KEYS, (json.dumps(list(rows)),))]

    def ids_of(self, texts: Iterable[str]) -> Ids:
        """Ids of the SKU texts that were ever there, int64, in any order."""
        with reporting(self._folder):
            found = [number for part in portions(texts) for number in ids_of(self._db, part).values()]
        return np.array(found, np.int64)

    def skus_of(self, texts: Iterable[str]) -> dict[str, Sku]:
        """What the database says of SKU texts; unknown ones are left out."""
        with reporting(self._folder):
            return {sku.sku: sku for sku in read_skus(self._db, ids_of(self._db, texts).values()).values()}

    def texts_of(self, ids: Iterable[int]) -> list[str]:
        """The texts of SKU ids."""
        with reporting(self._folder):
            return [sku.sku for sku in read_skus(self._db, ids).values()]

    def of_gtins(self, gtins: Iterable[str]) -> dict[str, list[str]]:
        """The texts of the living SKUs with each GTIN of 14 digits."""
        found: dict[str, list[str]] = {}
        with reporting(self._folder):
            for gtin, sku in self._db.execute(_OF_GTINS, (json.dumps(list(gtins)),)):
                found.setdefault(gtin, []).append(sku)
        return found


def portions(items: Iterable[_T], size: int = PORTION) -> Iterator[list[_T]]:
    """The items in lists of at most `size`."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
