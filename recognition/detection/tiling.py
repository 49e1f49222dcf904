"""Looks at images at chosen zooms: shrinks or enlarges them, cuts overlapping tiles, maps what was found back.

A convolutional detector sees one scale well, and memory bounds the area of one input. Neighbouring tiles share a
strip; each tile answers for the boxes whose centre lies in its own half of the strip, so that every box that is
not larger than the strip is reported once, by a tile that sees it whole.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.detection import boxes as bx
from recognition.types import Detections, Image

Finder = Callable[[Sequence[Image]], list[Detections]]
"""Runs the model: BGR uint8 tiles of any sizes in, boxes in tile pixels out, in order."""

TILE = 1280
"""Largest side of a tile, pixels."""
STRIDE = 32
"""The model's coarsest grid: tile sides are multiples of it, so that nothing is padded inside an image."""
BORDER = 4.0
"""A box that ends this near to an inner border of its tile counts as cut, pixels."""
SLACK = 6.0
"""How far beyond its half of a strip a tile still answers, pixels: a centre may wobble between two tiles."""


@dataclass(frozen=True)
class Span:
    """A tile along one axis, pixels: it covers start..stop and answers for centres in low..high."""

    start: int
    stop: int
    low: float
    high: float

    def owns(self, first: bx.Floats, last: bx.Floats) -> NDArray[np.bool_]:
        """Which boxes with these two edges, in tile pixels, the tile answers for: own centre, not cut."""
        centre = self.start + (first + last) / 2
        inside = (centre >= self.low - SLACK) & (centre < self.high + SLACK)
        cut_first = (first < BORDER) & np.isfinite(self.low)
        cut_last = (last > self.stop - self.start - BORDER) & np.isfinite(self.high)
        whole: NDArray[np.bool_] = inside & ~cut_first & ~cut_last
        return whole


def spans(length: int, overlap: int, limit: int) -> list[Span]:
    """The fewest equal tiles of at most `limit` pixels that cover 0..length, neighbours sharing >= overlap pixels."""
    if length <= limit:
        return [Span(0, length, -math.inf, math.inf)]
    count = math.ceil((length - overlap) / (limit - overlap))
    even = (length + (count - 1) * overlap) / count
    size = min(math.ceil(even / STRIDE) * STRIDE, limit)
    starts = [round(i * (length - size) / (count - 1)) for i in range(count)]
    middles = [(a + size + b) / 2 for a, b in itertools.pairwise(starts)]
    lows, highs = [-math.inf, *middles], [*middles, math.inf]
    return [Span(s, s + size, low, high) for s, low, high in zip(starts, lows, highs, strict=True)]


def look(images: Sequence[Image], zooms: Sequence[float], find: Finder, overlap: int) -> list[Detections]:
    """What `find` sees of each image at its zoom, in pixels of the image; tiles of all images go through together.

    overlap: strip shared by neighbouring tiles, pixels of the zoomed image. Boxes with a side above
    `whole_side(overlap)` may be missing where an image was cut into tiles; a few stand twice where strips meet.
    """
    scaled = [resize(image, zoom) for image, zoom in zip(images, zooms, strict=True)]
    grids = [
        [(y, x) for y in spans(s.shape[0], overlap, TILE) for x in spans(s.shape[1], overlap, TILE)] for s in scaled
    ]
    tiles = [s[y.start : y.stop, x.start : x.stop] for s, grid in zip(scaled, grids, strict=True) for y, x in grid]
    found = iter(find(tiles))
    return [
        _gather([(y, x, next(found)) for y, x in grid], image.shape[:2], s.shape[:2])
        for image, s, grid in zip(images, scaled, grids, strict=True)
    ]


def whole_side(overlap: int) -> float:
    """The longest side, pixels of the zoomed image, of a box that is never lost between tiles."""
    return overlap - 2 * BORDER


def resize(image: Image, zoom: float) -> Image:
    """The image at another zoom, each side at least one pixel; shrunk by area, so that fine print does not alias."""
    height, width = (max(1, round(side * zoom)) for side in image.shape[:2])
    if (height, width) == image.shape[:2]:
        return image
    method = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)


def _gather(tiles: list[tuple[Span, Span, Detections]], image: tuple[int, ...], scaled: tuple[int, ...]) -> Detections:
    boxes, scores = [], []
    for y, x, found in tiles:
        own = x.owns(found.xyxy[:, 0], found.xyxy[:, 2]) & y.owns(found.xyxy[:, 1], found.xyxy[:, 3])
        boxes.append(found.xyxy[own] + np.array([x.start, y.start, x.start, y.start], np.float32))
        scores.append(found.scores[own])
    back = np.array([image[1] / scaled[1], image[0] / scaled[0]] * 2, np.float32)
    return Detections(bx.clip(np.concatenate(boxes) * back, image[1], image[0]), np.concatenate(scores))
