"""The statements about SKUs and references in `catalog.sqlite`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

import numpy as np

from recognition.skus.exact import Ids
from recognition.skus.index import Where
from recognition.skus.tables import DIGESTED
from recognition.types import Sku

FILTER_COLUMNS = ("sku", "gtin", "name", "brand", "category")

_FACTS = DIGESTED["sku"]
_NEW_FACTS = ", ".join(f"excluded.{column}" for column in f"{_FACTS}, digest".split(", "))
_PUT_SKU = f"""
INSERT INTO sku ({_FACTS}, digest)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, row_digest(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9))
ON CONFLICT (sku) DO UPDATE SET ({_FACTS}, digest) = ({_NEW_FACTS})
WHERE ({_FACTS}, digest) IS NOT ({_NEW_FACTS})
"""
# CROSS JOIN fixes the order: each wanted pair is looked up, the table is never scanned.
_ROWS_OF_KEYS = """
SELECT reference.row FROM json_each(?) AS wanted
CROSS JOIN sku ON sku.sku = json_extract(wanted.value, '$[0]')
CROSS JOIN reference ON reference.sku = sku.id AND reference.hash = json_extract(wanted.value, '$[1]')
"""
_ROWS_OF_SKUS = """
SELECT reference.row FROM json_each(?) AS wanted
CROSS JOIN sku ON sku.sku = wanted.value CROSS JOIN reference ON reference.sku = sku.id
"""


def put_sku(db: sqlite3.Connection, sku: Sku) -> bool:
    """Adds a SKU or brings its metadata up to date; says whether anything changed."""
    attributes = json.dumps(dict(sku.attributes), ensure_ascii=False, sort_keys=True)
    sizes = (sku.width_mm, sku.height_mm, sku.depth_mm)
    return db.execute(_PUT_SKU, (sku.sku, sku.gtin, sku.name, sku.brand, sku.category, *sizes, attributes)).rowcount > 0


def ids_of(db: sqlite3.Connection, texts: Iterable[str]) -> dict[str, int]:
    """The id of each SKU text that the database knows."""
    found = db.execute("SELECT sku, id FROM sku WHERE sku IN (SELECT value FROM json_each(?))", (_json(texts),))
    return dict(found)


def rows_of_keys(db: sqlite3.Connection, keys: Iterable[tuple[str, str]]) -> list[int]:
    """Rows of the references with these (SKU text, content hash)."""
    return [row for (row,) in db.execute(_ROWS_OF_KEYS, (_json(keys),))]


def rows_of_texts(db: sqlite3.Connection, texts: Iterable[str]) -> list[int]:
    """Rows of all references of these SKU texts."""
    return [row for (row,) in db.execute(_ROWS_OF_SKUS, (_json(texts),))]


def bury(db: sqlite3.Connection, rows: Sequence[int]) -> None:
    """Removes the references at these rows; the rows themselves stay as tombstones until the vectors are rewritten."""
    marks = [(row,) for row in rows]
    db.executemany("DELETE FROM reference WHERE row = ?", marks)
    db.executemany("DELETE FROM thumbnail WHERE row = ?", marks)
    db.executemany("INSERT INTO dead (row) VALUES (?)", marks)


def read_skus(db: sqlite3.Connection, ids: Iterable[int]) -> dict[int, Sku]:
    """The SKUs with these ids; ids never handed out are left out."""
    found = db.execute(
        "SELECT id, sku, gtin, name, brand, category, width_mm, height_mm, depth_mm, attributes FROM sku "
        "WHERE id IN (SELECT value FROM json_each(?))",
        (_json(int(number) for number in ids),),
    )
    return {row[0]: Sku(*row[:-1], *[json.loads(row[-1])]) for row in found}


def ids_where(db: sqlite3.Connection, where: Where) -> Ids:
    """Ids of the SKUs that a filter lets through, int64; a field that is no column is an attribute."""
    tests, values = ["1"], []
    for field, allowed in where.items():
        if field in FILTER_COLUMNS:
            tests.append(f"sku.{field} IN (SELECT value FROM json_each(?))")
            # GTINs are kept as 14 digits; whoever filters may write 8, 12 or 13.
            values.append(_json(text.zfill(14) if field == "gtin" and text else text for text in allowed))
        else:
            tests.append(
                "EXISTS (SELECT 1 FROM json_each(sku.attributes) AS have WHERE have.key = ? "
                "AND have.value IN (SELECT value FROM json_each(?)))"
            )
            values += [field, _json(allowed)]
    found = db.execute(f"SELECT sku.id FROM sku WHERE {' AND '.join(tests)}", values)
    return np.fromiter((number for (number,) in found), np.int64)


def _json(values: Iterable[object]) -> str:
    return json.dumps(list(values))
