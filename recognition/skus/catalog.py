"""The catalogue file: which SKUs there are, and the pictures of each."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from recognition.errors import CatalogError
from recognition.skus.csv_text import unguard
from recognition.skus.encoding import decode_catalog
from recognition.skus.gtin import parse_gtin
from recognition.types import NO_SKU, Sku

REQUIRED = ("sku", "image")
SIZES = ("width_mm", "height_mm", "depth_mm")
KNOWN = (*REQUIRED, "gtin", "name", "brand", "category", *SIZES)


@dataclass(frozen=True)
class CatalogProblem:
    """One thing wrong in the file. line: from 1, the header included. rejected: the row is left out; else it is kept
    without the value in `column`."""

    line: int
    sku: str
    column: str
    error: str
    hint: str
    rejected: bool


@dataclass(frozen=True)
class CatalogRow:
    """One reference. sku: its metadata, id -1; image: the file; stored: its path as the catalogue gives it."""

    sku: Sku
    image: Path
    stored: str
    line: int


@dataclass(frozen=True)
class Catalog:
    """A catalogue file: the rows that can be used, and everything that was wrong."""

    path: Path
    rows: tuple[CatalogRow, ...]
    problems: tuple[CatalogProblem, ...]

    @property
    def incomplete(self) -> frozenset[str]:
        """SKUs with a picture that could not be found."""
        return frozenset(p.sku for p in self.problems if p.rejected and p.column == "image")


def read_catalog(path: Path, images: Path | None) -> Catalog:
    """Reads a catalogue CSV; image paths are relative to `images`, or to the file's folder.

    `,` or `;`, UTF-8 or a Windows code page, quotes as in RFC 4180. Several rows of a SKU are several pictures of it;
    of each metadata column the first value that is not empty holds.

    Raises:
        CatalogError: the file cannot be read, is no CSV, or lacks a required column.
    """
    try:
        text = decode_catalog(path, path.read_bytes())
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror}", "give the path of a catalogue CSV") from error
    reader = _Reader(images if images is not None else path.parent)
    for line, cells in _records(path, text):
        reader.take(line, cells)
    rows = tuple(replace(row, sku=reader.skus[row.sku.sku]) for row in reader.rows)
    return Catalog(path, rows, tuple(reader.problems))


def _records(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row that is not blank, as column to cell, with the line it begins on. Cells too many are column ""."""
    table = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    begins = 1
    try:
        header = _header(path, next((cells for cells in table if any(cells)), []))
        begins = table.line_num + 1
        for cells in table:
            clean = [unguard(cell.strip()) for cell in cells]
            if any(clean):
                padded = clean[: len(header)] + [""] * (len(header) - len(clean))
                yield begins, dict(zip(header, padded, strict=True)) | {"": "".join(clean[len(header) :])}
            begins = table.line_num + 1
    except csv.Error as error:
        hint = "look for a double quote that is not closed, or save the table again as CSV UTF-8"
        raise CatalogError(f"{path}: not a CSV file: the row of line {begins}: {error}", hint) from error


def _delimiter(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return ";" if first.count(";") > first.count(",") else ","


def _header(path: Path, cells: list[str]) -> list[str]:
    """Column names; known ones in any case."""
    names = [unguard(cell.strip()) for cell in cells]
    names = [name.lower() if name.lower() in KNOWN else name for name in names]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        have = ", ".join(names) or "none"
        raise CatalogError(f"{path}: no column {' and no column '.join(missing)} (columns: {have})", _HEADER_HINT)
    twice = {name for name in names if name and names.count(name) > 1}
    if twice:
        raise CatalogError(f"{path}: the column {min(twice)} stands there twice", "give each column its own name")
    return names


_HEADER_HINT = "the first line names the columns; sku and image are required"


class _Reader:
    """Collects rows and problems."""

    def __init__(self, images: Path) -> None:
        self.rows: list[CatalogRow] = []
        self.problems: list[CatalogProblem] = []
        self.skus: dict[str, Sku] = {}
        self._images = images
        self._seen: dict[tuple[str, Path], int] = {}

    def take(self, line: int, cells: dict[str, str]) -> None:
        """One row of the file."""
        sku, stored = cells["sku"], cells["image"]
        image = self._find(stored)
        first = self._seen.get((sku, image))
        if not sku:
            self._problem(line, sku, "sku", "no SKU", "every row needs one", rejected=True)
        elif cells[""]:
            hint = "put cells that hold the separator in double quotes"
            self._problem(line, sku, "", "more cells than columns", hint, rejected=True)
        elif not stored:
            self._problem(line, sku, "image", "no image", "every row needs one", rejected=True)
        elif first is not None:
            error = f"the same SKU and image as line {first}"
            self._problem(line, sku, "sku", error, "delete one of the two", rejected=True)
        elif not _is_file(image):
            hint = "correct the path, or name the folder of the images with --images"
            self._problem(line, sku, "image", f"no such image: {image}", hint, rejected=True)
        else:
            self._seen[sku, image] = line
            self.skus[sku] = self._joined(line, self._sku(line, cells))
            self.rows.append(CatalogRow(self.skus[sku], image, stored, line))

    def _find(self, stored: str) -> Path:
        image = self._images / stored
        if "\\" in stored and not _is_file(image):  # a path written on Windows
            return self._images / stored.replace("\\", "/")
        return image

    def _sku(self, line: int, cells: dict[str, str]) -> Sku:
        sku = cells["sku"]
        try:
            gtin = parse_gtin(cells.get("gtin", ""))
        except ValueError as error:
            gtin = ""
            hint = "format the column as text in the spreadsheet, or correct the number"
            self._problem(line, sku, "gtin", str(error), hint, rejected=False)
        name, brand, category = (cells.get(column, "") for column in ("name", "brand", "category"))
        width, height, depth = (self._size(line, sku, column, cells.get(column, "")) for column in SIZES)
        further = {column: value for column, value in cells.items() if column and column not in KNOWN and value}
        return Sku(NO_SKU, sku, gtin, name, brand, category, width, height, depth, further)

    def _size(self, line: int, sku: str, column: str, text: str) -> float | None:
        if not text:
            return None
        try:
            size = float(text.replace(",", "."))
        except ValueError:
            size = math.nan
        if math.isfinite(size) and size > 0:
            return size
        error = f"{text!r} is no size in millimetres"
        self._problem(line, sku, column, error, "write a number, as 62.5", rejected=False)
        return None

    def _joined(self, line: int, new: Sku) -> Sku:
        """What the SKU's rows say together; a later row that contradicts an earlier one is listed."""
        old = self.skus.get(new.sku, new)
        for name, value in new.attributes.items():
            self._agree(line, new.sku, name, old.attributes.get(name, ""), value)
        joined: dict[str, Any] = {"attributes": {**new.attributes, **old.attributes}}
        for name in (f.name for f in fields(Sku) if f.name not in ("id", "sku", "attributes")):
            before, value = getattr(old, name), getattr(new, name)
            self._agree(line, new.sku, name, before, value)
            joined[name] = value if before in ("", None) else before
        return replace(old, **joined)

    def _agree(self, line: int, sku: str, column: str, before: object, value: object) -> None:
        if before not in ("", None) and value not in ("", None) and before != value:
            error = f"{value!r} contradicts {before!r} in an earlier row of the same SKU"
            self._problem(line, sku, column, error, "the earlier value is used", rejected=False)

    def _problem(self, line: int, sku: str, column: str, error: str, hint: str, rejected: bool) -> None:
        self.problems.append(CatalogProblem(line, sku, column, error, hint, rejected))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long, a folder that may not be entered
        return False
