"""What a camera that walks by tells of depth."""

from __future__ import annotations

import numpy as np
import pytest

from recognition.live.parallax import Parallax
from recognition.live.sighting import News, Sighting
from recognition.live.state import Shelf
from recognition.live.views import Look
from recognition.matching.surroundings import Millimetres
from recognition.outputs.live_events import EventKind
from recognition.types import Matches, Status

GREY = np.random.default_rng(5).integers(0, 255, (400, 1600), np.uint8)
FRONT = [(100 + 60 * i, 100, 150 + 60 * i, 200) for i in (0, 1, 2, 6, 7, 8)]  # room for three in the middle
DEPTH = 0.05
TAKEN = 4
EMPTIED = GREY.copy()
EMPTIED[100:200, FRONT[TAKEN][0] : FRONT[TAKEN][2]] = 60


def walk(slope: float, steps: int = 30, step: float = 12.0, tremble: float = 1.0) -> Parallax:
    """A product that would be seen at x = 500 from straight ahead, before a camera that starts at x = 600."""
    dice, parallax = np.random.default_rng(3), Parallax()
    for number in range(steps):
        camera = np.array([600.0 + number * step, 300.0])
        x = 500 * (1 - slope) + slope * camera[0] + dice.normal(0, tremble)
        parallax.add(camera, np.array([x - 20, 260, x + 20, 340 + dice.normal(0, tremble)], np.float32))
    return parallax


@pytest.mark.parametrize(
    ("slope", "steps", "step", "behind", "is_open"),
    [
        (0.06, 30, 12.0, True, True),
        (0.0, 30, 12.0, False, False),
        (0.0, 30, 0.0, False, True),  # a camera that stands
        (0.06, 30, 1.0, False, True),  # one that trembles
        (0.06, 5, 12.0, False, True),  # too few sightings
        (0.008, 60, 12.0, False, False),  # a row that is a little uneven
    ],
)
def test_what_goes_along_with_the_camera_stands_behind(
    slope: float, steps: int, step: float, behind: bool, is_open: bool
) -> None:
    parallax = walk(slope, steps, step)
    assert (parallax.behind, parallax.open) == (behind, is_open)


def test_where_it_would_be_seen_from_straight_ahead() -> None:
    box = np.array([510, 260, 550, 340], np.float32)
    assert walk(0.06).straight(box) == pytest.approx([480, 260, 520, 340], abs=4)


def test_boxes_that_tremble_much_prove_nothing() -> None:
    assert not walk(0.03, steps=12, tremble=15).behind


def test_a_camera_that_stops_does_not_make_it_forget() -> None:
    parallax, box = walk(0.06), np.array([510, 260, 550, 340], np.float32)
    for _ in range(1000):
        parallax.add(np.array([948.0, 300.0]), box)
    assert parallax.behind


def pass_by(
    x: float, frames: int = 60, step: float = 10.0, taken: int = 1000, mixed_up: bool = False
) -> tuple[Shelf, list[News]]:
    """A camera walks from x = 200 along a front row and one product of the second, seen at x from straight ahead.

    taken: frame from which on one of the front row is missing. mixed_up: the tracker takes the second row's for it.
    """
    shelf, news = Shelf(Millimetres(lambda ids: {})), []
    for number in range(frames):
        grey = GREY if number < taken else EMPTIED
        middle = 200 + number * step
        seen = x * (1 - DEPTH) + DEPTH * middle
        boxes = np.array([*FRONT, (seen, 100, seen + 50, 200)], np.float32)
        boxes = boxes[: len(FRONT) + all(seen > box[0] + 25 or seen < box[0] - 25 for box in FRONT)]
        names = np.arange(len(boxes))
        if number >= taken:
            boxes, names = np.delete(boxes, TAKEN, axis=0), np.delete(names, TAKEN)
            names[names == len(FRONT)] = TAKEN if mixed_up else len(FRONT)
            boxes[-1, 2] -= 10 * (number % 2) * mixed_up  # half covered by the front, its box trembles
        count = len(boxes)
        shelf.observe(
            Sighting(
                seconds=number / 10,
                part=0,
                moving=number > 0 and step > 0,
                middle=np.array([middle, 150.0]),
                boxes=boxes,
                scores=np.full(count, 0.9, np.float32),
                tracks=names,
                qualities=np.full(count, 50.0),
                cut=np.zeros(count, bool),
                whole=lambda box: True,
                within=lambda boxes, reach: np.ones(len(boxes), bool),
                look=lambda box, grey=grey: Look.at(grey, box),
                since=lambda item, first: first,
            )
        )
        rows = [item.row for item in shelf.wanted]
        skus = np.stack([np.array(rows, np.int64), np.full(len(rows), -1)], axis=1).reshape(-1, 2)
        recognized = np.full(len(rows), Status.RECOGNIZED, np.int8)
        high = np.full(len(rows), 0.9, np.float32)
        news += shelf.conclude(Matches(recognized, skus, np.stack([high, -high], axis=1).reshape(-1, 2), high))
    return shelf, news


def test_what_another_product_hides_from_straight_ahead_is_none_of_the_planogram_and_no_news() -> None:
    shelf, news = pass_by(x=225)
    assert len(shelf.items) == len(FRONT) + 1  # it is found, and followed
    assert len(shelf.present) == len(FRONT)
    assert {one.item.number for one in news} == {item.number for item in shelf.present}


def test_a_product_that_stands_farther_back_with_nothing_before_it_is_one() -> None:
    shelf, news = pass_by(x=330)
    assert len(shelf.present) == len({one.item.number for one in news}) == len(FRONT) + 1


def test_before_a_camera_that_stands_nothing_is_known_of_depth_and_nothing_waits() -> None:
    shelf, news = pass_by(x=330, frames=15, step=0.0)
    assert len(shelf.present) == len({one.item.number for one in news}) == len(FRONT) + 1


def test_what_is_taken_before_its_depth_is_known_is_told_of() -> None:
    _, news = pass_by(x=225, frames=40, taken=10)
    assert [one.kind for one in news if one.item.number == TAKEN + 1] == [EventKind.APPEARED, EventKind.DISAPPEARED]
    assert next(one.seconds for one in news if one.kind is EventKind.DISAPPEARED) == pytest.approx(1.0)


def test_a_track_that_goes_on_with_the_row_behind_does_not_move_a_taken_product_there() -> None:
    _, news = pass_by(x=550, frames=60, taken=20, mixed_up=True)
    gone = [one for one in news if one.kind is EventKind.DISAPPEARED]
    assert [one.item.number for one in gone] == [TAKEN + 1] and gone[0].seconds == pytest.approx(2.0)


def test_a_product_that_was_never_wholly_seen_lies_where_it_is() -> None:
    box = np.array([510, 260, 550, 340], np.float32)
    assert Parallax().straight(box) is box
    assert not Parallax().behind
