"""Since when has a place looked as it does?"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from live.live_scene import pack

from recognition.live.overlap import far
from recognition.live.past import Past
from recognition.live.views import Look

PLACE = np.array([100, 60, 155, 160], np.float32)
FIRST = 6.0


def picture(sku: int | None, shift: int = 0, blur: int = 1) -> np.ndarray:
    """A shelf of pack 9, and in its middle a pack, or none; grey uint8 (240, 320). shift: pixels to the left."""
    image = np.full((240, 320, 3), 90, np.uint8)
    image[::8] = np.random.default_rng(3).integers(60, 120, (30, 320, 3))
    for x, number in ((40, 9), (100, sku), (160, 9)):
        if number is not None:
            image[60:160, x : x + 55] = pack(number)
    image = np.roll(image, -shift, axis=1)
    return cv2.cvtColor(cv2.blur(image, (blur, 1)), cv2.COLOR_BGR2GRAY)


def film(*skus: int | None, blur: int = 1) -> Past:
    """A picture every half second."""
    past = Past()
    for index, sku in enumerate(skus):
        past.keep(
            index / 2,
            0,
            picture(sku, shift=3 * index, blur=blur),
            np.array([[1, 0, 3 * index], [0, 1, 0], [0, 0, 1.0]]),
        )
    return past


@pytest.mark.parametrize(
    ("skus", "since"),
    [
        ((), FIRST),
        ((5,) * 12, 0.0),  # was there all the time, and found late
        ((None,) * 6 + (5,) * 6, 3.0),
        ((4,) * 8 + (5,) * 4, 4.0),  # another product before
        ((5,) * 5 + (None,) * 2 + (5,) * 5, 0.0),  # covered for a moment
        ((5,) * 3 + (None,) * 7 + (5,) * 2, 5.0),  # away for long, and back
    ],
)
def test_a_place_looks_so_since_it_began_to(skus: tuple[int | None, ...], since: float) -> None:
    now = Look.at(picture(5), PLACE)
    assert film(*skus).since(FIRST, 0, PLACE, now) == since


def test_blur_is_no_change_and_another_part_says_nothing() -> None:
    now = Look.at(picture(5), PLACE)
    assert film(*(5,) * 12, blur=7).since(FIRST, 0, PLACE, now) == 0.0
    assert film(*(5,) * 12).since(FIRST, 1, PLACE, now) == FIRST


def test_what_slides_into_view_before_and_after_it_was_found_was_there_before() -> None:
    past, pictures = Past(), []
    for index in range(12):
        image = np.full((240, 320), 90, np.uint8)
        left = 160 - 6 * index  # of a pack that comes out from behind the one beside it
        image[60:160, left : left + 55] = cv2.cvtColor(pack(5), cv2.COLOR_BGR2GRAY)
        image[60:160, 160:215] = cv2.cvtColor(pack(9), cv2.COLOR_BGR2GRAY)
        pictures.append(image)
        past.keep(index / 2, 0, image, np.eye(3))
    assert past.since(4.0, 0, PLACE, Look.at(pictures[-1], PLACE)) < 2.0


def test_parts_that_are_joined_share_their_past_and_it_is_bounded() -> None:
    past = film(*(5,) * 12)
    move = np.array([[1, 0, 200], [0, 1, 0], [0, 0, 1.0]])
    past.join(0, 3, move)
    assert past.since(FIRST, 3, PLACE + np.array([200, 0, 200, 0], np.float32), Look.at(picture(5), PLACE)) == 0.0
    for second in range(500):
        past.keep(10.0 + second, 3, picture(5), np.eye(3))
    assert len(past._pictures) <= 40


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 0, 10, 20), False),
        ((4, 0, 14, 20), False),
        ((6, 0, 16, 20), True),
        ((0, -11, 10, 9), True),
        ((0, 0, 30, 20), False),  # the rest of it was found
        ((-9, 0, 10, 20), False),
    ],
)
def test_a_box_that_grows_has_not_moved(box: tuple[int, ...], expected: bool) -> None:
    assert far(np.array(box, np.float32), np.array([0, 0, 10, 20], np.float32)) is expected


@pytest.mark.parametrize(("hand", "since"), [(False, 0.0), (True, FIRST)])
def test_a_hand_between_two_looks_parts_them_though_they_are_much_alike(hand: bool, since: float) -> None:
    """A wall whose shade resembles the pack's would pass for a slow change, but for what happened in between."""
    now = cv2.cvtColor(pack(5), cv2.COLOR_BGR2GRAY).astype(np.float32)
    other = cv2.cvtColor(pack(9), cv2.COLOR_BGR2GRAY).astype(np.float32)
    wall, past = 0.5 * now + (1 - 0.5) * other, Past()
    for index in range(16):
        image = np.full((240, 320), 90, np.uint8)
        image[60:160, 100:155] = (wall if index < 12 else now).astype(np.uint8)
        if hand and index == 13:
            image[90:240, 90:170] = 150
        past.keep(index / 2, 0, image, np.eye(3))
    look = Look.at(image, PLACE)
    before = Look.at(past._pictures[0].grey, PLACE)
    assert not before.jumped(look) and not before.roughly(look)
    assert past.since(FIRST, 0, PLACE, look) == since
