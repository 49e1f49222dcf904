"""`skus remove`: SKUs named one by one, or in a file, by SKU or GTIN."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition.errors import CatalogError
from recognition.skus.csv_text import unguard
from recognition.skus.encoding import catalog_encoding
from recognition.skus.gtin import parse_gtin
from recognition.skus.known import Known, portions
from recognition.skus.listing import Listing
from recognition.skus.writer import DatabaseWriter

_HINT = "give one SKU or GTIN per line, or a CSV with a column sku or gtin"


@dataclass(frozen=True)
class RemovalReport:
    """removed: number of SKUs that went. unknown: names that are no SKU or GTIN in the database, in order."""

    removed: int
    unknown: tuple[str, ...]


def read_names(path: Path) -> list[str]:
    """SKUs or GTINs from a file: one per line, or the column `sku`, else `gtin`, of a CSV whose header has one.

    Raises:
        CatalogError: the file cannot be read, or names nothing.
    """
    try:
        with path.open(encoding=catalog_encoding(path), newline="") as file:
            names = list(dict.fromkeys(_names(file)))
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror}", _HINT) from error
    except (UnicodeError, csv.Error) as error:
        raise CatalogError(f"{path}: not a list or CSV: {error}", _HINT) from error
    if not names:
        raise CatalogError(f"{path}: no SKU in it", _HINT)
    return names


def _names(file: Iterable[str]) -> Iterator[str]:
    lines = iter(file)
    first = next((line for line in lines if line.strip()), "")
    separator = ";" if first.count(";") > first.count(",") else ","
    header = [unguard(cell.strip()).lower() for cell in next(csv.reader([first], delimiter=separator), [])]
    column = next((header.index(name) for name in ("sku", "gtin") if name in header), None)
    if column is None:
        yield from (unguard(name) for line in (first, *lines) if (name := line.strip()))
        return
    for cells in csv.reader(lines, delimiter=separator):
        if len(cells) > column and cells[column].strip():
            yield unguard(cells[column].strip())


def remove_skus(folder: Path, names: Iterable[str], on_commit: Callable[[int], None] | None = None) -> RemovalReport:
    """Removes SKUs with all their references; a name that is no SKU is taken for a GTIN. Searches see it at once.

    on_commit: references left, called when the removal is durable.

    Raises:
        DatabaseError: there is no database, or another process is writing.
    """
    with Listing(folder) as listing:
        live = listing.live
    unknown: list[str] = []
    with DatabaseWriter(folder, live.encoder, live.dim, live.fingerprint) as writer, Known(folder) as known:
        skus, alive = known.references()
        living = np.unique(skus[alive])
        texts: dict[str, None] = {}
        for part in portions(names):
            there = known.skus_of(part)
            kept = set(np.intersect1d([sku.id for sku in there.values()], living).tolist())
            found = {text for text, sku in there.items() if sku.id in kept}
            by_gtin = known.of_gtins({g for name in part if name not in found and (g := _gtin(name))})
            for name in part:
                own = [name] if name in found else by_gtin.get(_gtin(name), [])
                unknown += [] if own else [name]
                texts |= dict.fromkeys(own)
        if texts:
            writer.remove_skus(texts)
            if on_commit is not None:
                on_commit(writer.count())
    return RemovalReport(len(texts), tuple(unknown))


def _gtin(name: str) -> str:
    try:
        return parse_gtin(name)
    except ValueError:
        return ""
