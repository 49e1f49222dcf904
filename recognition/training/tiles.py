"""Cuts labelled shelf photos into small training tiles in which products have a chosen size.

The detector is used at one scale: `detection/tiling.py` resizes a photo until its median product measures a
fixed number of pixels. Training sees the same scale, widened by a log-uniform jitter, so that 320-pixel tiles
are enough and a CPU can train on them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.detection.yolo_labels import read_yolo_labels
from recognition.sources.decode import read_image


@dataclass(frozen=True)
class TileSettings:
    """How tiles are drawn.

    size: side of a tile, pixels. product_px: range of the median product size (square root of box area)
    in the tile, pixels. aspect: range of random horizontal stretch. min_visible: share of a box that must lie
    inside the tile for its visible part to be kept as a label.
    """

    size: int = 320
    product_px: tuple[float, float] = (20.0, 130.0)
    aspect: tuple[float, float] = (0.75, 1.33)
    min_visible: float = 0.4
    max_zoom: float = 3.0


def cut_tiles(
    image: NDArray[np.uint8], boxes: NDArray[np.float64], count: int, rng: random.Random, settings: TileSettings
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float64]]]:
    """Yields `count` random tiles of one photo.

    Args:
        image: BGR uint8 (h, w, 3). boxes: (n, 4) pixels.

    Yields:
        tile BGR uint8 (size, size, 3) and its boxes (m, 4) in tile pixels.
    """
    height, width = image.shape[:2]
    sides = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    median = float(np.median(sides)) if len(sides) else 60.0
    low, high = settings.product_px
    for _ in range(count):
        zoom = min(low * (high / low) ** rng.random() / median, settings.max_zoom)
        stretch = float(np.exp(rng.uniform(np.log(settings.aspect[0]), np.log(settings.aspect[1]))))
        zoom_xy = np.array([zoom * np.sqrt(stretch), zoom / np.sqrt(stretch)])
        window = settings.size / zoom_xy
        corner = np.array(
            [
                rng.uniform(min(0, width - window[0]), max(0, width - window[0])),
                rng.uniform(min(0, height - window[1]), max(0, height - window[1])),
            ]
        )
        matrix = np.array([[zoom_xy[0], 0, -corner[0] * zoom_xy[0]], [0, zoom_xy[1], -corner[1] * zoom_xy[1]]])
        source = image
        if zoom < 0.7:  # area averaging first: warpAffine alone aliases when it shrinks
            source = cv2.resize(image, None, fx=zoom_xy[0], fy=zoom_xy[1], interpolation=cv2.INTER_AREA)
            matrix = np.array([[1, 0, -corner[0] * zoom_xy[0]], [0, 1, -corner[1] * zoom_xy[1]]])
        tile = cv2.warpAffine(
            source,
            matrix,
            (settings.size, settings.size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(114, 114, 114),
        )
        yield _degrade(tile, rng), _clip_boxes((boxes.reshape(-1, 2, 2) - corner) * zoom_xy, settings)


def _clip_boxes(corners: NDArray[np.float64], settings: TileSettings) -> NDArray[np.float64]:
    boxes = corners.reshape(-1, 4)
    clipped = boxes.clip(0, settings.size)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    visible = np.prod((clipped[:, 2:] - clipped[:, :2]).clip(0), axis=1) / area.clip(1e-9)
    tiny = (clipped[:, 2:] - clipped[:, :2]).min(axis=1, initial=np.inf) < 3
    kept: NDArray[np.float64] = clipped[(visible >= settings.min_visible) & ~tiny]
    return kept


def _degrade(tile: NDArray[np.uint8], rng: random.Random) -> NDArray[np.uint8]:
    """Some of what phones and networks do to a picture: blur, noise, JPEG blocks."""
    if rng.random() < 0.2:
        tile = cv2.GaussianBlur(tile, (0, 0), rng.uniform(0.5, 1.6))
    if rng.random() < 0.15:
        noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(3, 12), tile.shape)
        tile = (tile + noise).clip(0, 255).astype(np.uint8)
    return tile


def write_tiles(
    photos: Iterable[tuple[Path, Path]], out: Path, per_photo: int, seed: int, settings: TileSettings | None = None
) -> int:
    """Writes tiles of (photo, YOLO label file) pairs as `out/images/*.jpg` and `out/labels/*.txt`; their number.

    Raises:
        SourceError: a photo cannot be read.
    """
    settings = settings or TileSettings()
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / "labels").mkdir(exist_ok=True)
    written = 0
    for photo, label in photos:
        rng = random.Random(f"{seed}/{photo.name}")
        image = read_image(photo).image
        boxes = read_yolo_labels(label, image.shape[1], image.shape[0])
        for i, (tile, kept) in enumerate(cut_tiles(image, boxes, per_photo, rng, settings)):
            if not len(kept) and rng.random() < 0.8:
                continue
            name = f"{photo.stem}_{i:03d}"
            quality = rng.randint(45, 95)
            cv2.imwrite(str(out / "images" / f"{name}.jpg"), tile, [cv2.IMWRITE_JPEG_QUALITY, quality])
            size = settings.size
            rows = np.hstack([(kept[:, :2] + kept[:, 2:]) / 2 / size, (kept[:, 2:] - kept[:, :2]) / size])
            (out / "labels" / f"{name}.txt").write_text(
                "".join("0 " + " ".join(f"{v:.5f}" for v in r) + "\n" for r in rows)
            )
            written += 1
    return written
