"""SKUs as people name them: by their own text or by GTIN, one per line or in a column."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from recognition.errors import CatalogError
from recognition.skus.csv_text import unguard
from recognition.skus.encoding import catalog_encoding
from recognition.skus.gtin import parse_gtin
from recognition.skus.known import Known, portions

_HINT = "give one SKU or GTIN per line, or a CSV with a column sku or gtin"


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


def living_skus(known: Known, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The texts of the living SKUs that are named, each once, and the names that are none, in order.

    A name that is no SKU is taken for a GTIN, which may stand under several SKUs.
    """
    skus, alive = known.references()
    living = np.unique(skus[alive])
    texts: dict[str, None] = {}
    unknown: list[str] = []
    for part in portions(names):
        there = known.skus_of(part)
        kept = set(np.intersect1d([sku.id for sku in there.values()], living).tolist())
        found = {text for text, sku in there.items() if sku.id in kept}
        by_gtin = known.of_gtins({g for name in part if name not in found and (g := _gtin(name))})
        for name in part:
            own = [name] if name in found else by_gtin.get(_gtin(name), [])
            unknown += [] if own else [name]
            texts |= dict.fromkeys(own)
    return list(texts), unknown


def _gtin(name: str) -> str:
    try:
        return parse_gtin(name)
    except ValueError:
        return ""
