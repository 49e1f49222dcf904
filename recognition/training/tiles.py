"""Cuts labelled shelf photos into small training tiles in which products have a chosen size.

The detector is used at one scale: `detection/scale.py` resizes a photo until its median product measures
`product_px` pixels. Training sees sizes around that one, so that 320-pixel tiles are enough and a CPU can train on
them; one tile of six shows smaller and larger products, as the looks that measure a photo do.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.detection.yolo_labels import label_lines
from recognition.errors import SourceError
from recognition.outputs.files import writing
from recognition.parallel import THREADS, map_ahead, thread_pool
from recognition.settings import DetectSettings
from recognition.sources.decode import read_image
from recognition.telling import Progress
from recognition.training.detector_data import Example
from recognition.training.render.camera import motion_kernel
from recognition.types import Failure

_FEWEST, _MOST = 4, 24
"""Tiles of one photo."""


@dataclass(frozen=True)
class TileSettings:
    """How tiles are drawn.

    size: side of a tile, pixels. product_px: range of the median product size (square root of box area)
    in the tile, pixels; wide_px: the same in the share `wide` of the tiles. aspect: range of random horizontal
    stretch. min_visible: share of a box that must lie inside the tile for its visible part to be kept as a label.
    """

    size: int = 320
    product_px: tuple[float, float] = (24.0, 90.0)
    wide_px: tuple[float, float] = (14.0, 180.0)
    wide: float = 1 / 6
    aspect: tuple[float, float] = (0.75, 1.33)
    min_visible: float = 0.4
    max_zoom: float = 3.0


@dataclass(frozen=True)
class Cut:
    """What was cut. measured: photos with their boxes (n, 4), pixels; left_out: photos that cannot be read."""

    tiles: int = 0
    measured: list[tuple[Path, NDArray[np.float64]]] = field(default_factory=list)
    left_out: list[Failure] = field(default_factory=list)


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
    median = _median_size(boxes)
    for _ in range(count):
        low, high = settings.wide_px if rng.random() < settings.wide else settings.product_px
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
    """Some of what phones and networks do to a picture: blur of lens or hand, noise, JPEG blocks."""
    if rng.random() < 0.2:
        tile = cv2.GaussianBlur(tile, (0, 0), rng.uniform(0.5, 1.6))
    elif rng.random() < 0.1:
        tile = cv2.filter2D(tile, -1, motion_kernel(rng.uniform(2, 8), rng.uniform(0, np.pi)))
    if rng.random() < 0.15:
        noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(3, 12), tile.shape)
        tile = (tile + noise).clip(0, 255).astype(np.uint8)
    return tile


def _median_size(boxes: NDArray[np.float64]) -> float:
    sides = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    return float(np.median(sides)) if len(sides) else 60.0


def tile_count(width: int, height: int, boxes: NDArray[np.float64], size: int) -> int:
    """Tiles to cut from a photo, 4 to 24: twice what covers it at the scale of use, or at its own if that is less."""
    zoom = min(DetectSettings().product_px / _median_size(boxes), 1.0)
    return round(min(max(2 * width * height * zoom**2 / size**2, _FEWEST), _MOST))


def write_tiles(
    examples: Sequence[Example],
    out: Path,
    seed: int,
    settings: TileSettings | None = None,
    share: float = 1.0,
    progress: Progress = lambda done, total: None,
) -> Cut:
    """Writes tiles of photos as `out/images/*.jpg` and `out/labels/*.txt` (YOLO); photos that cannot be read are
    left out.

    share: of the tiles that `tile_count` wants, for photos that are only looked at now and then.

    Raises:
        OutputError: a file cannot be written.
    """
    settings = settings or TileSettings()
    with writing(out):
        for folder in ("images", "labels"):
            (out / folder).mkdir(parents=True, exist_ok=True)

    def cut(numbered: tuple[int, Example]) -> Cut:
        number, example = numbered
        try:
            image = read_image(example.path).image
        except SourceError as error:
            return Cut(left_out=[Failure(str(example.path), 0, "read", error.message, error.hint)])
        height, width = image.shape[:2]
        boxes = example.in_pixels(width, height)
        rng = random.Random(f"{seed}/{example.path.name}")
        count = max(1, round(share * tile_count(width, height, boxes, settings.size)))
        # The number tells apart photos of the same name in different folders.
        tiles = cut_tiles(image, boxes, count, rng, settings)
        return Cut(_write(tiles, out, f"{number:06d}_{example.path.stem}", rng), [(example.path, boxes)])

    parts = []
    with thread_pool(name="cut-tiles") as pool:
        for part in map_ahead(pool, cut, enumerate(examples), 2 * THREADS):
            parts.append(part)
            progress(len(parts), len(examples))
    return Cut(
        sum(part.tiles for part in parts),
        [photo for part in parts for photo in part.measured],
        [failure for part in parts for failure in part.left_out],
    )


def _write(
    tiles: Iterator[tuple[NDArray[np.uint8], NDArray[np.float64]]], out: Path, name: str, rng: random.Random
) -> int:
    """Writes tiles and labels; of two tiles without a product one is left out."""
    written = 0
    for number, (tile, boxes) in enumerate(tiles):
        quality = rng.randint(45, 95)
        if not len(boxes) and rng.random() < 0.5:
            continue
        size = tile.shape[0]
        jpeg = cv2.imencode(".jpg", tile, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        with writing(out):
            (out / "images" / f"{name}_{number:03d}.jpg").write_bytes(jpeg)
            (out / "labels" / f"{name}_{number:03d}.txt").write_text(label_lines(boxes, size, size))
        written += 1
    return written
