from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from recognition.detection import boxes as bx
from recognition.detection.tiling import STRIDE, look, resize, spans, whole_side
from recognition.types import Detections, Image


@pytest.mark.parametrize("length", [1, 319, 320, 321, 500, 777, 1281, 5000])
@pytest.mark.parametrize("overlap", [30, 168, 250])
def test_spans_cover_everything_and_overlap_enough(length: int, overlap: int) -> None:
    line = spans(length, overlap, limit=320)
    assert line[0].start == 0 and line[-1].stop == length
    assert len(line) == 1 or len({s.stop - s.start for s in line}) == 1
    for span, after in itertools.pairwise(line):
        assert span.stop - after.start >= overlap
        assert span.high == after.low
        assert (span.stop - span.start) % STRIDE == 0
        assert span.stop - span.start <= 320


def test_one_tile_owns_everything() -> None:
    (span,) = spans(320, 100, limit=320)
    assert span.owns(np.array([0, 0, 319], np.float32), np.array([320, 1, 320], np.float32)).all()


def test_cut_and_foreign_boxes_are_left_to_the_neighbour() -> None:
    left, right = spans(600, 40, limit=320)
    assert (left.stop, right.start) == (320, 280)
    first, last = np.array([290, 310, 200, 0]), np.array([320, 318, 260, 10])
    assert left.owns(first, last).tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("zoom", "shape"), [(1.0, (40, 60, 3)), (0.5, (20, 30, 3)), (2.0, (80, 120, 3)), (0.001, (1, 1, 3))]
)
def test_resize(zoom: float, shape: tuple[int, int, int]) -> None:
    assert resize(np.zeros((40, 60, 3), np.uint8), zoom).shape == shape


def shelf(rng: np.random.Generator, width: int, height: int, largest: float) -> bx.Floats:
    """Products on a loose grid, none overlapping, sides up to `largest`; integer corners at least 8 pixels apart."""
    step = int(largest) + 8
    corners = np.array([(x, y) for y in range(0, height - step, step) for x in range(0, width - step, step)])
    sides = rng.integers(10, int(largest), corners.shape)
    corners = corners + rng.integers(0, step - 8 - sides + 1)
    return np.hstack([corners, corners + sides]).astype(np.float32)


def paint(boxes: bx.Floats, width: int, height: int) -> Image:
    image = np.zeros((height, width, 3), np.uint8)
    for x_min, y_min, x_max, y_max in boxes.astype(int):
        image[y_min:y_max, x_min:x_max] = 255
    return image


def blobs(tiles: Sequence[Image]) -> list[Detections]:
    """A perfect detector of white rectangles on black: also reports the visible part of those cut by its tile."""
    found = []
    for tile in tiles:
        _, _, stats, _ = cv2.connectedComponentsWithStats((tile[..., 0] > 127).astype(np.uint8))
        xywh = stats[1:, :4].astype(np.float32)
        found.append(Detections(np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]]), np.ones(len(xywh), np.float32)))
    return found


@pytest.mark.parametrize("overlap", [60, 168])
@pytest.mark.parametrize("seed", range(6))
def test_tiles_give_exactly_the_true_boxes(seed: int, overlap: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recognition.detection.tiling.TILE", 320)
    rng = np.random.default_rng(seed)
    width, height = rng.integers(200, 1500, 2)
    true = shelf(rng, width, height, whole_side(overlap))
    (found,) = look([paint(true, width, height)], [1.0], blobs, overlap)
    assert set(map(tuple, found.xyxy.tolist())) == set(map(tuple, true.tolist()))


def test_boxes_come_back_in_pixels_of_the_image_and_in_order() -> None:
    images = [paint(np.array([box], np.float32), 400, 300) for box in ((40, 80, 120, 200), (200, 20, 360, 280))]
    first, second = look(images, [0.5, 2.0], blobs, 60)
    assert first.xyxy.tolist() == [[40, 80, 120, 200]]
    assert second.xyxy[0] == pytest.approx([200, 20, 360, 280], abs=1)


def test_tiles_of_all_images_go_through_together() -> None:
    calls = []

    def find(tiles: Sequence[Image]) -> list[Detections]:
        calls.append(len(tiles))
        return [Detections.empty() for _ in tiles]

    assert look([], [], find, 60) == []
    found = look([np.zeros((1300, 1300, 3), np.uint8), np.zeros((50, 50, 3), np.uint8)], [1.0, 1.0], find, 60)
    assert [len(f) for f in found] == [0, 0]
    assert calls == [0, 5]
