from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from recognition.detection.scale import detect_by_size, floor_score, typical_size
from recognition.settings import DetectSettings
from recognition.types import Detections, Image

SETTINGS = DetectSettings(conf=0.3, product_px=40)


def made(*rows: tuple[float, float, float]) -> Detections:
    """Squares of (side, x, score)."""
    boxes = np.array([(x, 0, x + side, side) for side, x, _ in rows], np.float32).reshape(-1, 4)
    return Detections(boxes, np.array([score for *_, score in rows], np.float32))


@pytest.mark.parametrize(
    ("found", "size"),
    [
        (made(), None),
        (made((50, 0, 0.1)), None),
        (made((50, 0, 0.5)), 50),
        (made((10, 0, 0.3), (20, 0, 0.3), (60, 0, 0.9)), 60),
        (made((10, 0, 0.5), (20, 0, 0.5), (60, 0, 0.5)), 20),
    ],
)
def test_typical_size(found: Detections, size: float | None) -> None:
    assert typical_size(found) == size


def test_the_model_is_asked_low_enough() -> None:
    assert floor_score(DetectSettings(conf=0.01)) == 0.01
    assert floor_score(DetectSettings(conf=0.9)) == 0.25


def photo(width: int, height: int, boxes: list[tuple[int, int, int, int]]) -> Image:
    image = np.zeros((height, width, 3), np.uint8)
    for x_min, y_min, x_max, y_max in boxes:
        image[y_min:y_max, x_min:x_max] = 255
    return image


def grid(rows: int, columns: int, side: int, step: int, left: int = 8) -> list[tuple[int, int, int, int]]:
    corners = [(left + step * c, 8 + step * r) for r in range(rows) for c in range(columns)]
    return [(x, y, x + side, y + side) for x, y in corners]


class Seer:
    """Finds white rectangles, but only those of 6 to 150 pixels; remembers the tiles it was shown."""

    def __init__(self) -> None:
        self.shown: list[list[tuple[int, ...]]] = []

    def __call__(self, tiles: Sequence[Image]) -> list[Detections]:
        self.shown.append([tile.shape[:2] for tile in tiles])
        return [self.see(tile) for tile in tiles]

    def see(self, tile: Image) -> Detections:
        _, _, stats, _ = cv2.connectedComponentsWithStats((tile[..., 0] > 127).astype(np.uint8))
        xywh = stats[1:, :4].astype(np.float32)
        xywh = xywh[(xywh[:, 2:].max(axis=1) <= 150) & (xywh[:, 2:].min(axis=1) >= 6)]
        return Detections(np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]]), np.full(len(xywh), 0.9, np.float32))


def seen(image: Image) -> tuple[list[tuple[float, ...]], Seer]:
    seer = Seer()
    (found,) = detect_by_size([image], seer, SETTINGS)
    return sorted(map(tuple, found.xyxy.tolist())), seer


@pytest.mark.parametrize(
    ("image", "boxes"),
    [
        (photo(640, 480, []), []),
        (photo(640, 480, grid(4, 6, 40, 80)), grid(4, 6, 40, 80)),
        (photo(3000, 2000, grid(12, 19, 60, 150)), grid(12, 19, 60, 150)),  # fine: tiled
        (photo(2400, 1800, [(200, 100, 2200, 1700)]), [(200, 100, 2200, 1700)]),  # one fills the photo
        (
            photo(3000, 2000, [(2000, 300, 2600, 1500), *grid(12, 12, 60, 150)]),
            [(2000, 300, 2600, 1500), *grid(12, 12, 60, 150)],  # small and large ones in one photo
        ),
    ],
    ids=["none", "as wanted", "fine", "huge", "mixed"],
)
def test_products_of_every_size_are_found_once(image: Image, boxes: list[tuple[int, ...]]) -> None:
    found, _ = seen(image)
    blur = max(image.shape) / 160
    assert len(found) == len(boxes)
    for got, true in zip(found, sorted(boxes), strict=True):
        assert got == pytest.approx(true, abs=blur)


def test_fine_shelves_are_tiled_and_close_ups_are_not() -> None:
    _, seer = seen(photo(3000, 2000, grid(12, 19, 60, 150)))
    assert [len(tiles) for tiles in seer.shown] == [1, 1, 4, 6]
    _, seer = seen(photo(3000, 2000, grid(4, 6, 190, 400)))
    assert [len(tiles) for tiles in seer.shown if tiles] == [1, 1, 1]


def test_a_closer_look_is_taken_where_there_is_more_to_see() -> None:
    def looks(image: Image, close_look: bool) -> int:
        seer = Seer()
        detect_by_size([image], seer, replace(SETTINGS, close_look=close_look))
        return sum(bool(tiles) for tiles in seer.shown)

    shelf, tiny = photo(640, 480, grid(4, 6, 40, 80)), photo(320, 240, grid(4, 6, 12, 40))
    assert looks(shelf, True) == looks(shelf, False) + 1
    assert looks(tiny, True) == looks(tiny, False)  # enlarged as far as it goes
    assert looks(photo(640, 480, []), True) == looks(photo(640, 480, []), False)  # nothing to look at


def test_images_share_the_looks_and_keep_their_order() -> None:
    images = [photo(640, 480, grid(4, n, 40, 80)) for n in (2, 5)]
    seer = Seer()
    assert [len(found) for found in detect_by_size(images, seer, SETTINGS)] == [8, 20]
    assert [len(tiles) for tiles in seer.shown if tiles] == [2, 2, 2]
    assert detect_by_size([], seer, SETTINGS) == []
