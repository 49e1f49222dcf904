"""One row of a source after the other: what can be used goes into the catalogue, what cannot is listed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from recognition.skus.gtin import parse_gtin
from recognition.skus.staging import Catalog, CatalogProblem
from recognition.types import NO_SKU, Sku

REQUIRED = ("sku", "image")
SIZES = ("width_mm", "height_mm", "depth_mm")
KNOWN = (*REQUIRED, "gtin", "name", "brand", "category", *SIZES)
SURPLUS = ""
"""The column of cells beyond the last column."""
HASH = "content_hash"
"""The column that an export gives its references; it is no attribute."""
_MERGED = tuple(f.name for f in fields(Sku) if f.name not in ("id", "sku", "attributes"))

Cells = Mapping[str, str]


def known_column(name: str) -> str:
    """The column's name; known ones in any case."""
    return name.lower() if name.lower() in KNOWN else name


def take_all(catalog: Catalog, images: Path, rows: Iterable[tuple[int, Cells]]) -> Catalog:
    """Puts every row, as line and column to cell, into the catalogue, and gives it back.

    images: folder that paths of pictures start from; none are looked for when the source brings vectors.
    """
    intake = _Intake(catalog, images)
    catalog.begin()
    for line, cells in rows:
        intake.take(line, cells)
    catalog.end()
    return catalog


class _Intake:
    def __init__(self, catalog: Catalog, images: Path) -> None:
        self._catalog, self._images = catalog, str(images)
        self._pictures = catalog.vectors is None

    def take(self, line: int, cells: Cells) -> None:
        """One row of the source."""
        sku, stored, digest = cells["sku"], cells.get("image", ""), cells.get(HASH, "")
        image = find_image(self._images, stored) if self._pictures else (stored if digest or stored else f"#{line}")
        if not sku:
            self._reject(line, sku, "sku", "no SKU", "every row needs one")
        elif cells.get(SURPLUS):
            self._reject(line, sku, "", "more cells than columns", "put cells that hold the separator in double quotes")
        elif self._pictures and not stored:
            self._reject(line, sku, "image", "no image", "every row needs one")
        elif (first := self._catalog.line_of(sku, image, digest)) is not None:
            error = f"the same SKU and image as {self._catalog.counts} {first}"
            self._reject(line, sku, "sku", error, "delete one of the two")
        elif self._pictures and not is_file(image):
            hint = "correct the path, or name the folder of the images with --images"
            self._reject(line, sku, "image", f"no such image: {image}", hint)
        else:
            self._catalog.put(line, self._joined(line, self._sku(line, cells)), image, stored, digest)

    def _sku(self, line: int, cells: Cells) -> Sku:
        sku = cells["sku"]
        try:
            gtin = parse_gtin(cells.get("gtin", ""))
        except ValueError as error:
            gtin = ""
            hint = "format the column as text in the spreadsheet, or correct the number"
            self._empty(line, sku, "gtin", str(error), hint)
        name, brand, category = (cells.get(column, "") for column in ("name", "brand", "category"))
        width, height, depth = (self._size(line, sku, column, cells.get(column, "")) for column in SIZES)
        no_attribute = (*KNOWN, SURPLUS, HASH)
        further = {column: value for column, value in cells.items() if value and column not in no_attribute}
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
        self._empty(line, sku, column, f"{text!r} is no size in millimetres", "write a number, as 62.5")
        return None

    def _joined(self, line: int, new: Sku) -> Sku:
        """What the SKU's rows say together; a later row that contradicts an earlier one is listed."""
        old = self._catalog.known(new.sku)
        if old is None:
            return new
        for name, value in new.attributes.items():
            self._agree(line, new.sku, name, old.attributes.get(name, ""), value)
        for name in _MERGED:
            self._agree(line, new.sku, name, getattr(old, name), getattr(new, name))
        return filled(old, new)

    def _agree(self, line: int, sku: str, column: str, before: object, value: object) -> None:
        if before not in ("", None) and value not in ("", None) and before != value:
            error = f"{value!r} contradicts {before!r} in an earlier row of the same SKU"
            self._empty(line, sku, column, error, "the earlier value is used")

    def _reject(self, line: int, sku: str, column: str, error: str, hint: str) -> None:
        self._catalog.report(CatalogProblem(line, sku, column, error, hint, rejected=True))

    def _empty(self, line: int, sku: str, column: str, error: str, hint: str) -> None:
        self._catalog.report(CatalogProblem(line, sku, column, error, hint, rejected=False))


def filled(first: Sku, second: Sku) -> Sku:
    """`first`, with what it leaves empty taken from `second`."""
    values: dict[str, Any] = {"attributes": {**second.attributes, **first.attributes}}
    for name in _MERGED:
        value = getattr(first, name)
        values[name] = getattr(second, name) if value in ("", None) else value
    return replace(first, **values)


def find_image(images: str, stored: str) -> str:
    """The file that a path of the source means, whether or not it is there; paths start from the folder `images`."""
    image = os.path.join(images, stored)  # noqa: PTH118 - millions of rows: Path takes ten times as long
    if "\\" in stored and not is_file(image):  # a path written on Windows
        image = os.path.join(images, stored.replace("\\", "/"))  # noqa: PTH118
    return str(Path(image)) if "./" in stored or "//" in stored else image  # one spelling for one file


def is_file(path: str) -> bool:
    """Whether there is such a file; a name too long or a folder that may not be entered is none."""
    return os.path.isfile(path)  # noqa: PTH113
