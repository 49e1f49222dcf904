from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recognition.outputs import annotate as module
from recognition.outputs.annotate import COLOURS, annotate
from recognition.outputs.labels import overlap
from recognition.types import Detections, Frame, FrameResult, Matches, ShelfLayout, Sku, Slot, Status


def shelf(across: int, rows: int, size: tuple[int, int], name: str = "Oat Drink Barista 1 L") -> FrameResult:
    """A photo (w, h) filled with products side by side; every fifth is unknown, every seventh ambiguous."""
    n, (width, height) = across * rows, size
    step = np.array([width / across, height / rows])
    at = np.stack(np.meshgrid(np.arange(across), np.arange(rows)), -1).reshape(-1, 2)
    xyxy = np.concatenate([at * step, (at + 1) * step], 1).astype(np.float32)
    kinds = [Status.UNKNOWN if i % 5 == 4 else Status.AMBIGUOUS if i % 7 == 6 else Status.RECOGNIZED for i in range(n)]
    slots = tuple(
        Slot(1, rows - i // across, i % across + 1, tuple(xyxy[i].tolist()), kinds[i], 1, members=(i,))
        for i in range(n)
    )
    places = np.ones(n, np.int32)
    layout = ShelfLayout(places, places.copy(), places.copy(), slots, np.zeros((rows, 2, 2), np.float32))
    matches = Matches(
        np.array(kinds, np.int8), np.ones((n, 1), np.int64), np.ones((n, 1), np.float32), np.ones(n, np.float32)
    )
    frame = Frame("shelf.jpg", 0, np.full((height, width, 3), 90, np.uint8))
    return FrameResult(
        frame, Detections(xyxy, np.ones(n, np.float32)), matches, layout, {1: Sku(1, "S1", name=name)}, {}
    )


def plates(result: FrameResult):
    style = module._style(result)
    height, width = (round(side * style.scale) for side in result.frame.image.shape[:2])
    return list(module._labels(result, style, (width, height))), (width, height)


def has(picture: np.ndarray, status: Status) -> bool:
    return bool((picture == np.array(COLOURS[status].as_bgr())).all(axis=2).any())


def test_no_products(make_empty):
    result = make_empty()
    picture = annotate(result)
    assert picture.dtype == np.uint8 and picture.shape[1:] == (120, 3) and picture.shape[0] > 90
    assert (picture[:90] == 0).all()


def test_every_status_shows_and_the_frame_is_untouched(make_result):
    result = make_result()
    before = result.frame.image.copy()
    picture = annotate(result)
    photo = picture[: round(picture.shape[1] * 160 / 256)]
    assert all(has(photo, status) for status in Status)
    assert (result.frame.image == before).all()


@pytest.mark.parametrize(("size", "larger"), [((1280, 960), True), ((4000, 3000), False)])
def test_labels_of_a_full_shelf_never_cover_each_other(size: tuple[int, int], larger: bool):
    result = shelf(30, 5, size)
    labels, bounds = plates(result)
    rects = [label.rect for _, label in labels]
    assert len(rects) > 150 and (bounds[0] > size[0]) is larger and max(bounds) <= 4096
    assert not any(overlap(a, b) for i, a in enumerate(rects) for b in rects[:i])
    assert all(x0 >= 0 and y0 >= 0 and x1 <= bounds[0] and y1 <= bounds[1] for x0, y0, x1, y1 in rects)


def test_a_full_shelf_is_drawn():
    assert annotate(shelf(30, 5, (1280, 960))).shape[1] > 1280


def test_one_label_for_a_group():
    result = shelf(4, 1, (800, 300))
    whole = (0.0, 0.0, 800.0, 300.0)
    group = Slot(1, 1, 1, whole, Status.RECOGNIZED, 1, 4, members=(0, 1, 2, 3))
    labels, _ = plates(replace(result, layout=replace(result.layout, slots=(group,))))
    assert [label.lines for _, label in labels] == [("1",), ("Oat Drink Barista 1 L",)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("", "S1"), ("Müsli", "Müsli"), ("Öl\nzum Braten", "Öl zum Braten"), ("綠茶", "S1"), ("a\ud800", "a?")],
)
def test_what_cannot_be_drawn_gives_way_to_the_sku(name: str, expected: str):
    result = shelf(1, 1, (300, 300), name)
    assert module._text(result, result.layout.slots[0]) == expected
    annotate(result)


def test_boxes_without_area_and_over_the_edge_are_survived():
    result = shelf(2, 1, (200, 100))
    boxes = Detections(np.array([[50, 50, 50, 50], [-40, -40, 500, 300]], np.float32), np.ones(2, np.float32))
    slots = tuple(replace(s, xyxy=tuple(b)) for s, b in zip(result.layout.slots, boxes.xyxy.tolist(), strict=True))
    gap = Slot(1, 1, 3, (10, 10, 10, 10), Status.EMPTY)
    annotate(replace(result, detections=boxes, layout=replace(result.layout, slots=(*slots, gap))))
