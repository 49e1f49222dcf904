"""The page of `evaluate detection`: the photos with the most missed and false boxes, marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition.evaluation.asking import read_crop
from recognition.evaluation.detection import DetectionReport, match_boxes
from recognition.evaluation.labelled import LabelledCrop, LabelledPhoto
from recognition.evaluation.marked import FALSE, HIT, MISSED, Mark, mark
from recognition.evaluation.page import Case, Page, Picture
from recognition.types import Detections

MOST_PHOTOS = 20
LEGEND = {HIT: "product, found", MISSED: "product, missed", FALSE: "box that is no product"}


@dataclass(frozen=True)
class Marked:
    """The boxes of one photo at the shipping confidence, told apart."""

    path: Path
    marks: tuple[Mark, ...]

    def count(self, colour: str) -> int:
        """How many are of one kind."""
        return sum(one.colour == colour for one in self.marks)

    @property
    def faults(self) -> float:
        """Missed and false boxes per box there is, 0..1."""
        return 1 - self.count(HIT) / max(len(self.marks), 1)


def detection_page(
    data: Path,
    report: DetectionReport,
    photos: Sequence[LabelledPhoto],
    found: Sequence[Detections],
    skipped: Sequence[str],
) -> Page:
    """Worst photos first; photos without a fault are left out. Photos and detections belong together in order."""
    marked = [tell_apart(photo, one, report.conf) for photo, one in zip(photos, found, strict=True)]
    worst = sorted((one for one in marked if one.faults), key=lambda one: -one.faults)[:MOST_PHOTOS]
    title = f"Detection on {data.name}"
    return Page(title, report.as_dict(), [_case(one) for one in worst], legend=LEGEND, notes=skipped)


def tell_apart(photo: LabelledPhoto, found: Detections, conf: float) -> Marked:
    """Hits, false and missed boxes at one confidence and IoU 0.5; missed ones are drawn last, over the others."""
    sure = found.select(np.argsort(-found.scores, kind="stable"))
    sure = sure.select(sure.scores >= conf)
    claimed = match_boxes(sure.xyxy, photo.boxes)
    marks = [Mark(_corners(box), HIT if true >= 0 else FALSE) for box, true in zip(sure.xyxy, claimed, strict=True)]
    missed = np.setdiff1d(np.arange(len(photo.boxes)), claimed)
    return Marked(photo.path, (*marks, *(Mark(_corners(photo.boxes[i]), MISSED) for i in missed)))


def _corners(box: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> tuple[float, float, float, float]:
    x_min, y_min, x_max, y_max = box.tolist()
    return x_min, y_min, x_max, y_max


def _case(one: Marked) -> Case:
    hits, missed, false = (one.count(colour) for colour in (HIT, MISSED, FALSE))
    text = f"{hits} found, {missed} missed, {false} boxes that are no product"
    picture = mark(read_crop(LabelledCrop(one.path, "")), one.marks)
    return Case(one.path.name, text, [Picture(picture, str(one.path))])
