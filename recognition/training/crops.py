"""Products cut from labelled shelf photos, kept small in memory: what the encoder learns from."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.detection.yolo_labels import read_yolo_labels
from recognition.training.augment import Rgb

CONTEXT = 0.15
LONGEST = 224
LEAST_SIDE = 22
LEAST_AREA = 1700
PER_PHOTO = 70


@dataclass(frozen=True, eq=False)
class StoredCrop:
    """A JPEG of one product with some surroundings. box: float32 (4,), the product inside it, pixels."""

    jpeg: bytes
    box: NDArray[np.float32]
    photo: int

    def image(self) -> Rgb:
        """RGB uint8 (h, w, 3)."""
        return decode_jpeg(self.jpeg)

    def tight(self) -> Rgb:
        """RGB uint8 (h, w, 3) of the product alone."""
        x_min, y_min, x_max, y_max = self.box.astype(int)
        return self.image()[y_min:y_max, x_min:x_max]


def decode_jpeg(content: bytes) -> Rgb:
    """RGB uint8 (h, w, 3) of a JPEG of our own."""
    bgr = np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(bgr[:, :, ::-1])


def store_crops(photos: Iterable[tuple[Path, Path]], seed: int) -> list[StoredCrop]:
    """At most 70 products of each (photo, YOLO label file); those too small to tell anything are left out."""
    rng = random.Random(seed)
    crops = []
    for number, (photo, label) in enumerate(photos):
        image = np.asarray(cv2.imread(str(photo)), np.uint8)
        boxes = read_yolo_labels(label, image.shape[1], image.shape[0])
        size = boxes[:, 2:] - boxes[:, :2]
        boxes = boxes[(size.min(axis=1, initial=np.inf) >= LEAST_SIDE) & (size.prod(axis=1) >= LEAST_AREA)]
        for box in rng.sample(boxes.tolist(), min(PER_PHOTO, len(boxes))):
            crops.append(_store(image, np.array(box), number))
    return crops


def _store(image: NDArray[np.uint8], box: NDArray[np.float64], photo: int) -> StoredCrop:
    height, width = image.shape[:2]
    margin = CONTEXT * (box[2:] - box[:2]).max()
    left, top = (int(v) for v in (box[:2] - margin).clip(0))
    right, bottom = (int(v) for v in (box[2:] + margin).clip(0, [width, height]))
    crop = image[top:bottom, left:right]
    zoom = min(1.0, LONGEST / max(crop.shape[:2]))
    if zoom < 1:
        crop = cv2.resize(crop, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
    jpeg = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, 93])[1].tobytes()
    return StoredCrop(jpeg, ((box - [left, top, left, top]) * zoom).astype(np.float32), photo)
