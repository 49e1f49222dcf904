"""Facings of shelf photos without names: boxes from label files, else from the detector."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.detection.detector import Detector
from recognition.detection.yolo_labels import read_yolo_labels
from recognition.errors import SourceError, UsageError
from recognition.sources.decode import read_image
from recognition.sources.inputs import expand_inputs
from recognition.telling import Say
from recognition.training.crops import some_boxes, store
from recognition.training.material import Product

MakeDetector = Callable[[], Detector]


def read_shelves(
    folder: Path, boxes_file: Path, detector: MakeDetector, longest: int, seed: int, say: Say
) -> tuple[Product, ...]:
    """Facings of shelf photos, each a product of its own, grouped by photo.

    A photo's boxes are those of labels/NAME.txt beside its folder, in YOLO format; where there is none the detector's,
    which are kept in `boxes_file` for the next time. longest: side that crops are brought down to, pixels.

    Raises:
        UsageError: there is no photo, no box on any, or a label file is broken. RecognitionError: the detector failed.
    """
    boxes = _Boxes(boxes_file, detector)
    rng = random.Random(seed)
    found = []
    for path in map(Path, expand_inputs([str(folder)])):
        image = read_photo(path, say)
        if image is None:
            continue
        for number, box in enumerate(some_boxes(boxes.of(path, image), rng)):
            key = f"{path}#{number}"
            found.append(Product(key, (), (store(image, box, longest),), f"photo {path}", named=False))
    if not found:
        raise UsageError(f"{folder}: no products found on its photos", "give a folder of shelf photos")
    return tuple(found)


def read_photo(path: Path, say: Say) -> NDArray[np.uint8] | None:
    """A photo as BGR uint8 (h, w, 3); None, and a line, when it cannot be read."""
    try:
        return read_image(path).image
    except SourceError as error:
        say(f"left out: {error}")
        return None


class _Boxes:
    """Boxes of photos: labels, else the detector's, one JSON line a photo."""

    def __init__(self, file: Path, detector: MakeDetector) -> None:
        self._file, self._make = file, detector
        self._detector: Detector | None = None
        lines = file.read_text(encoding="utf-8").split("\n") if file.is_file() else []
        # A line that a kill cut short does not end in its second bracket.
        self._known = dict(json.loads(line) for line in lines if line.endswith("]]"))

    def of(self, photo: Path, image: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Boxes (n, 4) in pixels of a photo, BGR uint8."""
        label = photo.parent.parent / "labels" / f"{photo.stem}.txt"
        if label.is_file():
            return _labels(label, image)
        if str(photo) not in self._known:
            self._detector = self._detector or self._make()
            self._known[str(photo)] = self._detector.detect([image])[0].xyxy.tolist()
            with self._file.open("a", encoding="utf-8") as file:
                file.write(f"\n{json.dumps([str(photo), self._known[str(photo)]])}")
        return np.array(self._known[str(photo)], np.float64).reshape(-1, 4)


def _labels(label: Path, image: NDArray[np.uint8]) -> NDArray[np.float64]:
    try:
        return read_yolo_labels(label, image.shape[1], image.shape[0])
    except (OSError, ValueError) as error:
        raise UsageError(f"{label}: {error}", "wanted class x_center y_center width height a line") from error
