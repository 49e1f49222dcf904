"""How a trained detector does beside the one it started from, and the picture of how it got there."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from recognition.detection.yolo import YoloDetector
from recognition.errors import SourceError
from recognition.evaluation.detection import LOW_CONFIDENCE, DetectionReport, report_detection
from recognition.outputs.files import writing
from recognition.settings import DetectSettings
from recognition.sources.decode import read_image
from recognition.telling import Progress

_PANELS = (("train/", "loss on training tiles"), ("val/", "loss on held-out tiles"), ("metrics/", "held-out tiles"))


@dataclass(frozen=True)
class TrainReport:
    """What a training came to. detector: its file; photos, tiles, epochs: trained on; held_out: photos that `start`
    and `result` were measured on; start: figures of the weights it began with, None from scratch; left_out: photos
    and rows that could not be used; better: AP of the result is above that of the start."""

    detector: str
    photos: int
    tiles: int
    epochs: int
    held_out: int
    left_out: int
    start: DetectionReport | None
    result: DetectionReport
    better: bool

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people: a row of figures each for start and result, and a warning where nothing was gained."""
        rows = [("result", self.result)] if self.start is None else [("start", self.start), ("result", self.result)]
        text = [f"on {self.held_out} held-out photos, {self.result.products} products, as `run` sees them:"]
        text += [
            f"{name:8} AP50 {r.ap50:.3f}  AP {r.ap:.3f}  precision {r.precision:.3f}  recall {r.recall:.3f}"
            f"  count error {r.count_error:.3f}"
            for name, r in rows
        ]
        if not self.better:
            begin = "finds nothing yet" if self.start is None else "is not better than the start: keep the start"
            text.append(f"the result {begin}; more photos, more epochs or a lower --rate may help")
        return text


def measure(
    weights: Path, photos: Sequence[tuple[Path, NDArray[np.float32]]], device: str, progress: Progress
) -> DetectionReport:
    """Figures of a detector on photos with true boxes (n, 4), pixels, by the way that `run` detects.

    Photos that have gone since they were cut are passed over.

    Raises:
        RecognitionError: the detector cannot be used.
    """
    settings = DetectSettings(device=device)
    detector = YoloDetector(weights, replace(settings, conf=LOW_CONFIDENCE))
    truth, found = [], []
    for number, (path, boxes) in enumerate(photos):
        progress(number, len(photos))
        try:
            image = read_image(path).image
        except SourceError:
            continue
        found += detector.detect([image])
        truth.append(boxes)
    return report_detection(truth, found, settings.conf)


def draw_curves(table: Path, picture: Path) -> None:
    """Draws ultralytics' results.csv as a PNG: losses and average precision by epoch.

    Raises:
        OutputError: the picture cannot be written.
    """
    with table.open(encoding="utf-8", newline="") as file:
        rows = [{name.strip(): float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    by_epoch = {int(row["epoch"]): row for row in rows}  # an epoch that was interrupted stands there twice
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for axes, (prefix, title) in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
        for name in (name for name in rows[0] if name.startswith(prefix)):
            values = [row[name] for row in by_epoch.values()]
            axes.plot(
                list(by_epoch), values, marker="o", markersize=3, label=name.removeprefix(prefix).removesuffix("(B)")
            )
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    with writing(picture):
        figure.savefig(picture, dpi=110)
