"""Part of a catalogue as an index of its own: a brand, a category, the assortment of a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.errors import UsageError
from recognition.skus.database import SkuDatabase
from recognition.skus.index import SkuIndex, Where
from recognition.skus.known import Known
from recognition.skus.names import living_skus, read_names
from recognition.types import Neighbors


@dataclass(frozen=True)
class Selection:
    """Implements `SkuIndex`: every search sees only what `where` lets through; changes go to the whole index."""

    index: SkuIndex
    where: Where

    def search(self, queries: NDArray[np.float32], k: int, where: Where | None = None) -> Neighbors:
        """As `SkuIndex`; what a search asks for itself comes on top."""
        return self.index.search(queries, k, _both(self.where, where or {}))

    def upsert(self, skus: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """As `SkuIndex`."""
        self.index.upsert(skus, vectors)

    def remove(self, skus: NDArray[np.int64]) -> None:
        """As `SkuIndex`."""
        self.index.remove(skus)

    def count(self) -> int:
        """As `SkuIndex`: of the whole index."""
        return self.index.count()


def _both(one: Where, other: Where) -> Where:
    shared = {field: [value for value in one[field] if value in other[field]] for field in one.keys() & other.keys()}
    return {**one, **other, **shared}


def select(database: SkuDatabase, pairs: Sequence[str] = (), assortment: str = "") -> SkuIndex:
    """The part of a database that a user names; the database itself when nothing is named.

    pairs: `field=value`; several values of a field are alternatives, fields are ANDed. assortment: file of SKUs or
    GTINs, see `read_names`; what the database does not know stays out.

    Raises:
        UsageError: a pair cannot be read, or no SKU is left. CatalogError: the file cannot be read.
    """
    where: dict[str, list[str]] = {}
    for pair in pairs:
        field, sign, value = pair.partition("=")
        if not (sign and field.strip()):
            raise UsageError(f"--where {pair}: no field=value", "for instance --where brand=Acme")
        where.setdefault(field.strip(), []).append(value.strip())
    if assortment:
        with Known(database.folder) as known:
            texts, _ = living_skus(known, read_names(Path(assortment)))
        where["sku"] = [text for text in texts if text in where.get("sku", texts)]
    if not where:
        return database
    chosen = Selection(database, where)
    asked = np.zeros((1, database.info().dim), np.float32)
    asked[0, 0] = 1
    if chosen.search(asked, 1).skus[0, 0] < 0:
        named = ", ".join([*pairs, *filter(None, [assortment])])
        raise UsageError(
            f"{database.folder}: nothing to look for: no SKU is in {named}", "see skus export for the words"
        )
    return chosen
