"""What encoders are compared on: references of a catalogue or database, and labelled photos or views of references.

Pictures are read when they are asked for: no more than a batch is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.errors import SourceError, UsageError
from recognition.evaluation.asking import read_crop
from recognition.evaluation.datasets import read_one_shot
from recognition.evaluation.labelled import LabelledCrop
from recognition.matching.views import shelf_view
from recognition.skus.database import SkuDatabase
from recognition.skus.packshot import trim_border
from recognition.skus.pictures import load_packshot
from recognition.skus.schema import FILE as DATABASE_FILE
from recognition.skus.source import read_source
from recognition.types import NO_SKU, Failure, Image, Sku

CATALOG = "catalog.csv"


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture that encoders are given. sku: what it shows. name: for people. group: shots of one group are not
    independent of each other, as the products of one photo. read: gives it, RGB uint8 (h, w, 3)."""

    sku: str
    name: str
    group: str
    read: Callable[[], Image]


@dataclass(frozen=True, eq=False)
class Gallery:
    """The references: facts and shots, one each. left_out: rows of the source that cannot be used."""

    facts: tuple[Sku, ...]
    shots: tuple[Shot, ...]
    left_out: tuple[Failure, ...] = ()

    def take(self, rows: NDArray[np.int64]) -> Gallery:
        """Some of the references."""
        return Gallery(tuple(self.facts[i] for i in rows), tuple(self.shots[i] for i in rows), self.left_out)

    def texts(self, column: str) -> list[str]:
        """Brand, category or an attribute of each reference, "" where there is none."""
        if column in ("brand", "category"):
            return [getattr(sku, column) for sku in self.facts]
        return [sku.attributes.get(column, "") for sku in self.facts]


def open_gallery(source: Path | None, images: Path | None, labelled: Path | None) -> Gallery:
    """The references of a catalogue or of a database's folder; without either, those of the labelled set.

    Raises:
        UsageError: there is no source, or it has no pictures. CatalogError, DatabaseError: it cannot be read.
    """
    if source is None and labelled is None:
        raise UsageError("nothing to compare on", "give a catalogue, a database's folder, or --labelled FOLDER")
    if source is None and labelled is not None:
        if not (labelled / CATALOG).is_file():
            return _gallery([_of_crop(crop) for crop in read_one_shot(labelled)[0]])
        source = labelled / CATALOG
    assert source is not None
    return _of_database(source) if (source / DATABASE_FILE).is_file() else _of_catalog(source, images)


def labelled_shots(place: Path, gallery: Gallery) -> tuple[list[Shot], list[str]]:
    """The queries of a labelled set whose SKU is in the catalogue, and the SKUs of the others, sorted.

    Raises:
        UsageError: the set cannot be read, or asks for nothing that is in the catalogue.
    """
    known = {sku.sku for sku in gallery.facts}
    queries = read_one_shot(place)[1]
    strangers = sorted({query.sku for query in queries} - known)
    shots = [_crop_shot(query, partial(read_crop, query)) for query in queries if query.sku in known]
    if not shots:
        few = ", ".join(strangers[:3])
        raise UsageError(f"{place}: none of its SKUs is in the catalogue ({few})", "both must name SKUs alike")
    return shots, strangers


def view_shots(gallery: Gallery, rows: NDArray[np.int64]) -> list[Shot]:
    """A view of the reference in each of the rows, as a shelf photo would show it; a row's views differ."""
    return [_view(gallery.shots[row], number) for number, row in enumerate(rows.tolist())]


def _view(shot: Shot, seed: int) -> Shot:
    return Shot(shot.sku, f"view of {shot.name}", shot.name, lambda: shelf_view(shot.read(), seed))


def _crop_shot(crop: LabelledCrop, read: Callable[[], Image]) -> Shot:
    return Shot(crop.sku, crop.path.name, str(crop.path), read)


def _of_crop(crop: LabelledCrop) -> tuple[Sku, Shot]:
    return Sku(NO_SKU, crop.sku), _crop_shot(crop, lambda: trim_border(read_crop(crop)))


def _of_catalog(source: Path, images: Path | None) -> Gallery:
    catalog = read_source(source, images)
    if catalog.vectors is not None:
        raise UsageError(f"{source}: holds vectors, and encoders need pictures", "give the catalogue of the pictures")
    found = [
        (row.sku, Shot(row.sku.sku, row.stored, str(row.image), partial(load_packshot, row.image)))
        for row in catalog.rows
    ]
    problems = (problem for problem in catalog.problems if problem.rejected)
    left_out = [Failure(f"{source}, {catalog.counts} {p.line}", 0, "catalogue", p.error, p.hint) for p in problems]
    return _gallery(found, left_out)


def _of_database(folder: Path) -> Gallery:
    database = SkuDatabase.open(folder)  # it stays open with the shots that read from it
    rows = database.live_rows().tolist()
    ids = database.reference_skus(database.live_rows()).tolist()
    facts = database.describe(set(ids))

    def read(row: int) -> Image:
        image = database.reference_image(row)
        if image is None:
            hint = "give the catalogue that it was built from instead"
            raise SourceError(f"{folder}: no picture is kept of reference {row}", hint)
        return image

    shots = [
        (facts[sku], Shot(facts[sku].sku, f"{facts[sku].sku}, reference {row}", str(row), partial(read, row)))
        for row, sku in zip(rows, ids, strict=True)
    ]
    return _gallery(shots)


def _gallery(found: Sequence[tuple[Sku, Shot]], left_out: Sequence[Failure] = ()) -> Gallery:
    if not found:
        reasons = "; ".join(f"{row.source}: {row.error}" for row in left_out[:3]) or "it is empty"
        raise UsageError(f"no reference to compare on: {reasons}", "give a catalogue with pictures")
    facts, shots = zip(*found, strict=True)
    return Gallery(facts, shots, tuple(left_out))
