"""Pictures of single products, kept small in memory: what the encoder learns from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

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

    def image(self) -> Rgb:
        """RGB uint8 (h, w, 3)."""
        bgr = np.asarray(cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)
        return np.ascontiguousarray(bgr[:, :, ::-1])

    def tight(self) -> Rgb:
        """RGB uint8 (h, w, 3) of the product alone."""
        x_min, y_min, x_max, y_max = self.box.astype(int)
        return self.image()[y_min:y_max, x_min:x_max]


def whole(image: Rgb, longest: int = LONGEST) -> StoredCrop:
    """A picture that shows nothing but its product. image: RGB uint8; longest: side it is brought down to."""
    height, width = image.shape[:2]
    return store(image[:, :, ::-1], (0, 0, width, height), longest)


def store(image: NDArray[np.uint8], box: Sequence[float], longest: int = LONGEST) -> StoredCrop:
    """The product in a box of a photo, BGR uint8, with what surrounds it; pixels outside the photo are left out."""
    place = np.array(box, np.float64)
    height, width = image.shape[:2]
    margin = CONTEXT * (place[2:] - place[:2]).max()
    left, top = (int(v) for v in (place[:2] - margin).clip(0, [width - 1, height - 1]))
    right, bottom = (int(v) for v in (place[2:] + margin).clip([left + 1, top + 1], [width, height]))
    crop = image[top:bottom, left:right]
    zoom = min(1.0, longest / max(crop.shape[:2]))
    if zoom < 1:
        size = max(1, round(crop.shape[1] * zoom)), max(1, round(crop.shape[0] * zoom))
        crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    jpeg = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, 93])[1].tobytes()
    inside = (place - [left, top, left, top]) * zoom
    low = inside[:2].clip(0, np.subtract(crop.shape[1::-1], 1))
    high = inside[2:].clip(low + 1, crop.shape[1::-1])
    return StoredCrop(jpeg, np.concatenate([low, high]).astype(np.float32))


def some_boxes(boxes: NDArray[np.float64], rng: random.Random) -> Iterator[list[float]]:
    """At most 70 of a photo's boxes (n, 4); those too small to tell anything are left out."""
    size = boxes[:, 2:] - boxes[:, :2]
    large = boxes[(size.min(axis=1, initial=np.inf) >= LEAST_SIDE) & (size.prod(axis=1) >= LEAST_AREA)]
    yield from rng.sample(large.tolist(), min(PER_PHOTO, len(large)))
