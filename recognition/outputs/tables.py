"""The four tables of a run as rows: products.csv, planogram.csv, photos.csv, failures.csv.

Written as UTF-8 without BOM, RFC 4180 (CRLF line ends), `.` decimals, empty = unknown. Pixels keep one decimal, scores
four. Text is guarded against spreadsheet formulas when written and restored when read; numbers are never touched.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar, get_type_hints

from recognition.errors import SourceError
from recognition.skus.csv_text import guard, unguard
from recognition.types import NO_SKU, Failure, FrameResult, Sku, Slot, Status

UNIT = "px"
_NOTHING = Sku(NO_SKU, "")


class ProductRow(NamedTuple):
    """One detected product. Boxes in pixels of the upright photo; `product` from 1 in its frame.

    Ambiguous: the two candidates stand in `sku` and `second_sku`. Unknown: no SKU is named, the numbers of the nearest
    candidates stay.
    """

    source: str
    frame: int
    product: int
    x_min: float
    y_min: float
    x_max: float
    y_max: float
    detection_score: float | None
    shelf: int
    position: int
    status: str
    sku: str
    gtin: str
    name: str
    brand: str
    category: str
    score: float | None
    margin: float | None
    confidence: float | None
    second_sku: str
    second_score: float | None


class PlanogramRow(NamedTuple):
    """One position: a group of equal facings, one unknown product, or a gap (status `empty`)."""

    planogram_id: str
    store_id: str
    captured_at: str
    source: str
    frame: int
    bay: int
    shelf: int
    position: int
    gtin: str
    sku: str
    name: str
    brand: str
    category: str
    facings_wide: int
    facings_high: int
    facings_deep: int | None
    orientation: str
    x: float
    y: float
    width: float
    height: float
    unit: str
    status: str
    confidence: float | None
    margin: float | None


class PhotoRow(NamedTuple):
    """One photo: its size in pixels, how much was found, advice for the photographer, seconds of all stages."""

    source: str
    width: int
    height: int
    captured_at: str
    products: int
    recognized: int
    ambiguous: int
    unknown: int
    shelves: int
    empty: int
    advice: str
    notes: str
    seconds: float


class FailureRow(NamedTuple):
    """One input, or step on it, that failed while the rest went on."""

    source: str
    frame: int
    stage: str
    error: str
    hint: str


PRODUCT_COLUMNS = ProductRow._fields
PLANOGRAM_COLUMNS = PlanogramRow._fields
PHOTO_COLUMNS = PhotoRow._fields
FAILURE_COLUMNS = FailureRow._fields

_Row = TypeVar("_Row", ProductRow, PlanogramRow, PhotoRow, FailureRow)
_Cell = str | int | float | None


def product_rows(result: FrameResult) -> list[ProductRow]:
    """Rows of products.csv of one frame, box by box."""
    return [_product_row(result, i) for i in range(len(result.detections))]


def _product_row(result: FrameResult, i: int) -> ProductRow:
    matches, layout = result.matches, result.layout
    status = Status(int(matches.status[i]))
    candidates = [(int(s), float(v)) for s, v in zip(matches.skus[i, :2], matches.scores[i, :2], strict=True)]
    (first, score), (second, second_score) = [*candidates, (NO_SKU, math.nan), (NO_SKU, math.nan)][:2]
    named = status is not Status.UNKNOWN
    sku = _sku(result, first if named else NO_SKU)
    x_min, y_min, x_max, y_max = (round(float(edge), 1) for edge in result.detections.xyxy[i])
    return ProductRow(
        result.frame.source,
        result.frame.index,
        i + 1,
        x_min,
        y_min,
        x_max,
        y_max,
        detection_score=_score(float(result.detections.scores[i])),
        shelf=int(layout.shelves[i]),
        position=int(layout.positions[i]),
        status=status.label,
        sku=sku.sku,
        gtin=sku.gtin,
        name=sku.name,
        brand=sku.brand,
        category=sku.category,
        score=_score(score),
        margin=_score(float(matches.margins[i])),
        confidence=_score(float(matches.confidence[i])),
        second_sku=_sku(result, second if named else NO_SKU).sku,
        second_score=_score(second_score),
    )


def planogram_rows(result: FrameResult) -> list[PlanogramRow]:
    """Rows of planogram.csv of one frame, ordered by bay, shelf, position."""
    slots = sorted(result.layout.slots, key=lambda slot: (slot.bay, slot.shelf, slot.position))
    return [_planogram_row(result, slot) for slot in slots]


def _planogram_row(result: FrameResult, slot: Slot) -> PlanogramRow:
    frame, sku = result.frame, _sku(result, slot.sku)
    x_min, y_min, x_max, y_max = (round(float(edge), 1) for edge in slot.xyxy)
    return PlanogramRow(
        frame.planogram_id,
        frame.store_id,
        frame.captured_at,
        frame.source,
        frame.index,
        slot.bay,
        slot.shelf,
        slot.position,
        gtin=sku.gtin,
        sku=sku.sku,
        name=sku.name,
        brand=sku.brand,
        category=sku.category,
        facings_wide=slot.facings_wide,
        facings_high=slot.facings_high,
        facings_deep=None,
        orientation="",
        x=x_min,
        y=y_min,
        width=round(x_max - x_min, 1),
        height=round(y_max - y_min, 1),
        unit=UNIT,
        status=slot.status.label,
        confidence=_score(slot.confidence),
        margin=_score(slot.margin),
    )


def photo_row(result: FrameResult) -> PhotoRow:
    """The row of photos.csv of one frame."""
    frame, status = result.frame, result.matches.status
    return PhotoRow(
        frame.source,
        frame.image.shape[1],
        frame.image.shape[0],
        frame.captured_at,
        products=len(result.detections),
        recognized=int((status == Status.RECOGNIZED).sum()),
        ambiguous=int((status == Status.AMBIGUOUS).sum()),
        unknown=int((status == Status.UNKNOWN).sum()),
        shelves=len(result.layout.lines),
        empty=sum(slot.status is Status.EMPTY for slot in result.layout.slots),
        advice="; ".join(frame.advice),
        notes="; ".join(frame.notes),
        seconds=round(sum(result.seconds.values()), 3),
    )


def failure_row(failure: Failure) -> FailureRow:
    """The row of failures.csv of one failure."""
    return FailureRow(failure.source, failure.frame, failure.stage, failure.error, failure.hint)


def encode(rows: Iterable[Sequence[_Cell]]) -> bytes:
    """CSV bytes of rows; None and numbers that are not finite become empty cells.

    A byte of a path that is no UTF-8 is written as its escape, such as \\udcff.
    """
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def read_products(path: Path) -> list[ProductRow]:
    """Rows of a products.csv, guard removed.

    Raises:
        SourceError: the file cannot be read, or is no products.csv.
    """
    return _read(path, ProductRow)


def read_planogram(path: Path) -> list[PlanogramRow]:
    """Rows of a planogram.csv, guard removed.

    Raises:
        SourceError: the file cannot be read, or is no planogram.csv.
    """
    return _read(path, PlanogramRow)


def read_photo_rows(path: Path) -> list[PhotoRow]:
    """Rows of a photos.csv, guard removed.

    Raises:
        SourceError: the file cannot be read, or is no photos.csv.
    """
    return _read(path, PhotoRow)


def _read(path: Path, kind: type[_Row]) -> list[_Row]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file, strict=True)
        if tuple(header) != kind._fields:
            raise ValueError(f"its columns are not {','.join(kind._fields)}")
        types = list(get_type_hints(kind).values())
        return [kind._make(_value(c, t) for c, t in zip(row, types, strict=True)) for row in rows]
    except (OSError, ValueError, csv.Error) as error:
        raise SourceError(f"table {path}: {error}", "give a table that `run` wrote") from error


def _cell(value: _Cell) -> str:
    if isinstance(value, str):
        return guard(value)
    return "" if value is None or not math.isfinite(value) else str(value)


def _value(cell: str, kind: object) -> _Cell:
    if kind is str:
        return unguard(cell)
    if kind is int:
        return int(cell)
    if kind is float:
        return float(cell)
    return None if cell == "" else float(cell)


def _score(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def _sku(result: FrameResult, sku: int) -> Sku:
    return _NOTHING if sku == NO_SKU else result.skus[sku]
