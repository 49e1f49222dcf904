"""The page of `evaluate end-to-end`: photos with the most faults, and products that were given a wrong SKU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from recognition.evaluation.asking import read_crop
from recognition.evaluation.end_to_end import EndToEndReport, JudgedPhoto, corners
from recognition.evaluation.labelled import LabelledCrop
from recognition.evaluation.marked import FALSE, HIT, MISSED, Mark, mark
from recognition.evaluation.page import Case, Page, Picture
from recognition.outputs.tables import ProductRow
from recognition.skus.database import SkuDatabase
from recognition.types import Image

MOST_PHOTOS, MOST_WRONG = 12, 28
WRONG, UNNAMED = "#cc79a7", "#e69f00"
LEGEND = {
    HIT: "right SKU, or rightly none",
    WRONG: "given a wrong SKU, or one where there is none in the catalogue",
    UNNAMED: "found, and not named",
    MISSED: "missed",
    FALSE: "box that is no product",
}
ReferenceOf = Callable[[str], Image | None]


def end_to_end_page(
    result: Path, report: EndToEndReport, judged: Sequence[JudgedPhoto], reference_of: ReferenceOf
) -> Page:
    """Worst photos, then wrong answers, the surest first. reference_of: a SKU's picture, or None."""
    worst = sorted(judged, key=lambda one: -sum(m.colour != HIT for m in marks(one)) / max(len(marks(one)), 1))
    photos = [_photo(one) for one in worst if any(m.colour != HIT for m in marks(one))][:MOST_PHOTOS]
    wrong = sorted(_wrong_rows(judged), key=lambda found: -(found[1].confidence or 0.0))[:MOST_WRONG]
    cases = [*photos, *(_wrong(one, row, want, reference_of) for one, row, want in wrong)]
    return Page(f"Whole run {result.name}", report.as_dict(), cases, legend=LEGEND)


def references_of(database: SkuDatabase) -> ReferenceOf:
    """Pictures of SKUs from a database, by the SKU's name: its first reference."""
    rows = database.live_rows()
    ids = database.reference_skus(rows)
    names = database.describe(np.unique(ids).tolist())
    first: dict[str, int] = {}
    for row, sku in zip(rows.tolist(), ids.tolist(), strict=True):
        first.setdefault(names[sku].sku, row)
    return lambda sku: database.reference_image(first[sku]) if sku in first else None


def marks(judged: JudgedPhoto) -> list[Mark]:
    """Every box of the run and every missed product, told apart; what is wrong is drawn over what is right."""
    found = [
        _mark(row, answer, int(true), judged)
        for row, answer, true in zip(judged.rows, judged.answers, judged.claimed, strict=True)
    ]
    missed = np.setdiff1d(np.arange(len(judged.photo.boxes)), judged.claimed)
    boxes = judged.photo.boxes[missed].tolist()
    lost = [Mark((x_min, y_min, x_max, y_max), MISSED) for x_min, y_min, x_max, y_max in boxes]
    return sorted([*found, *lost], key=lambda one: one.colour != HIT)


def _mark(row: ProductRow, answer: str, true: int, judged: JudgedPhoto) -> Mark:
    if true < 0:
        return Mark(corners(row), FALSE, answer)
    want = judged.photo.skus[true]
    if answer == want:
        return Mark(corners(row), HIT)
    return Mark(corners(row), WRONG if answer else UNNAMED, answer)


def _photo(judged: JudgedPhoto) -> Case:
    drawn = marks(judged)
    counts = {meaning: sum(m.colour == colour for m in drawn) for colour, meaning in LEGEND.items()}
    text = "; ".join(f"{meaning}: {count}" for meaning, count in counts.items())
    picture = mark(read_crop(LabelledCrop(judged.photo.path, "")), drawn)
    return Case(judged.photo.path.name, text, [Picture(picture, judged.source)])


def _wrong_rows(judged: Sequence[JudgedPhoto]) -> Iterator[tuple[JudgedPhoto, ProductRow, str]]:
    for one in judged:
        for row, answer, true in zip(one.rows, one.answers, one.claimed, strict=True):
            if true >= 0 and answer and answer != one.photo.skus[int(true)]:
                yield one, row, one.photo.skus[int(true)]


def _wrong(judged: JudgedPhoto, row: ProductRow, want: str, reference_of: ReferenceOf) -> Case:
    crop = read_crop(LabelledCrop(judged.photo.path, want, corners(row)))
    pictures = [Picture(crop, f"query: {want or 'in no catalogue'}, {judged.photo.path.name}")]
    for sku, role, tone in ((row.sku, "answer", "wrong"), (want, "right", "right")):
        reference = reference_of(sku)
        if reference is not None:
            pictures.append(Picture(reference, f"{role}: {sku}", tone))
    text = (
        f"score {row.score or 0:.3f}, confidence {row.confidence or 0:.2f}, second candidate {row.second_sku or 'none'}"
    )
    return Case(f"{want or 'A product in no catalogue'}, taken for {row.sku}", text, pictures)
