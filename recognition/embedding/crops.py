"""Cuts products out of a photo: the one place where BGR becomes RGB."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.types import Image


def cut_crops(image: Image, xyxy: NDArray[np.float32], margin: float = 0.0) -> list[Image]:
    """The picture inside each box, in order, one for every row.

    image: BGR uint8 (h, w, 3). xyxy: float32 (n, 4), pixels; what lies outside the image is cut off, and a box
    with nothing inside becomes the nearest pixel. margin: widens a box on each side by this share of its width and
    height. Returns RGB uint8 arrays, contiguous, at least 1 x 1.

    Raises:
        ValueError: the image holds no pixel.
    """
    height, width = image.shape[:2]
    if not height or not width:
        raise ValueError(f"cut_crops: wanted an image with pixels, got one of shape {image.shape}")
    boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    boxes = boxes + sides * margin * (-1, -1, 1, 1)
    limits = (width, height)
    first = np.clip(np.floor(boxes[:, :2]), 0, np.subtract(limits, 1)).astype(int)
    last = np.clip(np.ceil(boxes[:, 2:]), first + 1, limits).astype(int)
    return [
        cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_BGR2RGB)
        for (x0, y0), (x1, y1) in zip(first.tolist(), last.tolist(), strict=True)
    ]
