"""Measures a detector: COCO average precision, and what a user meets at the shipping confidence."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from recognition.detection.boxes import iou_matrix
from recognition.types import Detections

LOW_CONFIDENCE = 0.01
MAX_BOXES = 3000


@dataclass(frozen=True)
class DetectionReport:
    """Figures of one detector on one set.

    ap, ap50, ap75: COCO, boxes of score 0.01 and up, at most 3,000 per photo. The rest at confidence `conf` and
    IoU 0.5. count_error: mean of |found - true| / true over photos. skipped: photos that could not be read.
    """

    photos: int
    products: int
    ap: float
    ap50: float
    ap75: float
    conf: float
    precision: float
    recall: float
    f1: float
    count_error: float
    skipped: int = 0

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


def match_boxes(found: NDArray[np.float32], true: NDArray[np.float32], iou: float = 0.5) -> NDArray[np.int64]:
    """For each found box, best first, the true box it claims: int64 (n,), -1 for none. Greedy, one to one (COCO)."""
    claimed = np.full(len(found), -1, np.int64)
    if not len(found) or not len(true):
        return claimed
    overlap = iou_matrix(found, true)
    for row in range(len(found)):
        best = int(overlap[row].argmax())
        if overlap[row, best] >= iou:
            claimed[row] = best
            overlap[:, best] = -1
    return claimed


def report_detection(truth: Sequence[NDArray[np.float32]], found: Sequence[Detections], conf: float) -> DetectionReport:
    """Compares detections (all of score 0.01 and up) with the true boxes of the same photos, in the same order."""
    ap, ap50, ap75 = _average_precision(truth, found)
    hits = boxes = products = 0
    count_errors = []
    for true, detections in zip(truth, found, strict=True):
        sure = detections.select(np.argsort(-detections.scores, kind="stable"))
        sure = sure.select(sure.scores >= conf)
        hits += int((match_boxes(sure.xyxy, true) >= 0).sum())
        boxes += len(sure)
        products += len(true)
        if len(true):
            count_errors.append(abs(len(sure) - len(true)) / len(true))
    precision, recall = hits / max(boxes, 1), hits / max(products, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    error = float(np.mean(count_errors)) if count_errors else 0.0
    return DetectionReport(len(truth), products, ap, ap50, ap75, conf, precision, recall, f1, error)


def _average_precision(truth: Sequence[NDArray[np.float32]], found: Sequence[Detections]) -> tuple[float, float, float]:
    """AP at IoU 0.50:0.95, 0.50 and 0.75 by pycocotools (Lin et al. 2014)."""
    images = [{"id": i + 1} for i in range(len(truth))]
    notes = [note for i, boxes in enumerate(truth) for note in _notes(i + 1, boxes)]
    results = [
        {**note, "score": float(score)}
        for i, detections in enumerate(found)
        for note, score in zip(_notes(i + 1, detections.xyxy), detections.scores, strict=True)
    ]
    if not notes or not results:
        return 0.0, 0.0, 0.0
    annotations = [
        {**note, "id": n + 1, "area": note["bbox"][2] * note["bbox"][3], "iscrowd": 0} for n, note in enumerate(notes)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "product"}]}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.params.maxDets = [1, 100, MAX_BOXES]
        # All sizes together: each further range costs as much again.
        evaluation.params.areaRng, evaluation.params.areaRngLbl = evaluation.params.areaRng[:1], ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, 0, 0, -1]  # IoU thresholds x recall levels, all areas, all boxes
    return tuple(float(p[p > -1].mean()) for p in (precision, precision[0], precision[5]))  # type: ignore[return-value]


def _notes(image: int, boxes: NDArray[np.float32]) -> Iterable[dict[str, Any]]:
    for x_min, y_min, x_max, y_max in boxes.tolist():
        yield {"image_id": image, "category_id": 1, "bbox": [x_min, y_min, x_max - x_min, y_max - y_min]}
