"""The catalogue as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from recognition.errors import CatalogError
from recognition.skus.csv_text import unguard
from recognition.skus.encoding import catalog_encoding
from recognition.skus.intake import REQUIRED, SURPLUS, known_column, take_all
from recognition.skus.staging import Catalog

_HEADER_HINT = "the first line names the columns; sku and image are required"


def read_catalog(path: Path, images: Path | None) -> Catalog:
    """Reads a catalogue CSV; image paths are relative to `images`, or to the file's folder.

    `,` or `;`, UTF-8 or a Windows code page, quotes as in RFC 4180. Several rows of a SKU are several pictures of it;
    of each metadata column the first value that is not empty holds.

    Raises:
        CatalogError: the file cannot be read, is empty, is no CSV, or lacks a required column.
    """
    try:
        with path.open(encoding=catalog_encoding(path), newline="") as file:
            return take_all(Catalog(path), images if images is not None else path.parent, _records(path, file))
    except UnicodeError as error:
        raise CatalogError(f"{path}: its text encoding is not recognised", "save it as CSV UTF-8") from error
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror}", "give the path of a catalogue CSV") from error


def _records(path: Path, file: IO[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row that is not blank, as column to cell, with the line it begins on."""
    table = csv.reader(file, delimiter=_delimiter(path, file), strict=True)
    begins = 1
    try:
        header = _header(path, next((cells for cells in table if any(cells)), []))
        begins = table.line_num + 1
        for cells in table:
            clean = [unguard(cell.strip()) for cell in cells]
            if any(clean):
                padded = clean[: len(header)] + [""] * (len(header) - len(clean))
                yield begins, dict(zip(header, padded, strict=True)) | {SURPLUS: "".join(clean[len(header) :])}
            begins = table.line_num + 1
    except csv.Error as error:
        hint = "look for a double quote that is not closed, or save the table again as CSV UTF-8"
        raise CatalogError(f"{path}: not a CSV file: the row of line {begins}: {error}", hint) from error


def _delimiter(path: Path, file: IO[str]) -> str:
    """What separates cells; the file is at its start again."""
    first = next((line for line in file if line.strip()), "")
    file.seek(0)
    if not first:
        raise CatalogError(f"{path}: the file is empty", _HEADER_HINT)
    return ";" if first.count(";") > first.count(",") else ","


def _header(path: Path, cells: list[str]) -> list[str]:
    return check_columns(path, [known_column(unguard(cell.strip())) for cell in cells], REQUIRED, _HEADER_HINT)


def check_columns(path: Path, names: list[str], required: Iterable[str], hint: str) -> list[str]:
    """The names, as they are.

    Raises:
        CatalogError: a required one is missing, or one stands there twice.
    """
    missing = [name for name in required if name not in names]
    if missing:
        have = ", ".join(names) or "none"
        raise CatalogError(f"{path}: no column {' and no column '.join(missing)} (columns: {have})", hint)
    twice = {name for name in names if name and names.count(name) > 1}
    if twice:
        raise CatalogError(f"{path}: the column {min(twice)} stands there twice", "give each column its own name")
    return names
