"""Boxes of many frames as one shelf: doubles, cut boxes, what is taken, hidden, brought back, lost and found again."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from recognition.detection.boxes import cut
from recognition.shelves.mosaic import ShelfMosaic
from recognition.shelves.places import GONE_S, moved
from recognition.types import NO_SKU, Matches, Status

SIZE = (400, 240)
WIDE, HIGH = 50.0, 70.0


def picture(seed: int = 1, width: int = 1400) -> np.ndarray:
    """A shelf whose every place looks different, BGR."""
    rng = np.random.default_rng(seed)
    art = rng.integers(0, 255, (24, width // 10, 3)).astype(np.uint8)
    return cv2.resize(art, (width, 240), interpolation=cv2.INTER_CUBIC)


SHELF = picture()
BOXES = np.array(
    [[x, y, x + WIDE - 4, y + HIGH] for y in (20.0, 130.0) for x in np.arange(6, 1390 - WIDE, WIDE)], np.float32
)
SKUS = np.arange(len(BOXES)) // 3


def answers(skus: np.ndarray, confidence: float = 0.9) -> Matches:
    """Matches by SKU: -1 = unknown, -2 = ambiguous between 7 and 8."""
    status = np.where(skus >= 0, Status.RECOGNIZED, np.where(skus == -2, Status.AMBIGUOUS, Status.UNKNOWN))
    first = np.where(skus == -2, 7, skus)
    both = np.stack([first, np.where(first >= 0, first + 1, NO_SKU)], axis=1).astype(np.int64)
    scores = np.where(both >= 0, np.array([0.8, 0.6]), -np.inf).astype(np.float32)
    return Matches(status.astype(np.int8), both, scores, np.full(len(skus), confidence, np.float32))


class Camera:
    """Shows a mosaic what stands at x, at 10 frames a second."""

    def __init__(self, mosaic: ShelfMosaic, shelf: np.ndarray = SHELF) -> None:
        self.mosaic, self.shelf, self.seconds = mosaic, shelf, 0.0

    def show(self, x: float, without: set[int] = frozenset(), skus: np.ndarray = SKUS, tracks: bool = False) -> bool:
        where = np.array([[1, 0, -x], [0, 1, 3 * np.sin(x / 30)], [0, 0, 1.0]])
        image = cv2.warpPerspective(self.shelf, where, SIZE)
        boxes = moved(BOXES, where)
        shown = boxes.clip(0, np.tile(SIZE, 2)).astype(np.float32)
        seen = np.ptp(shown[:, ::2], axis=1) > 0.3 * WIDE
        seen[list(without)] = False
        self.seconds += 0.1
        rows = np.flatnonzero(seen)
        ids = rows if tracks else None
        return self.mosaic.add(image, shown[rows], answers(skus[rows]), ids, self.seconds)


@pytest.fixture
def camera() -> Camera:
    return Camera(ShelfMosaic())


def test_nothing_was_seen() -> None:
    mosaic = ShelfMosaic()
    for shelf in (mosaic.current(),):
        assert len(shelf.detections) == len(shelf.matches) == len(shelf.layout.slots) == 0
        assert shelf.notes == ()
    assert len(mosaic.boxes()) == 0
    assert mosaic.add(SHELF[:, :400].copy(), np.zeros((0, 4), np.float32), answers(np.zeros(0, np.int64)))
    assert len(mosaic.current().detections) == 0


def test_rows_must_agree() -> None:
    with pytest.raises(ValueError, match="2 boxes, 1 matches"):
        ShelfMosaic().add(SHELF[:, :400].copy(), BOXES[:2], answers(SKUS[:1]))


def test_a_walk_counts_every_product_once(camera: Camera) -> None:
    assert all(camera.show(x) for x in (*range(0, 1000, 50), 990))
    shelf = camera.mosaic.current()
    assert len(shelf.detections) == len(BOXES)
    assert shelf.notes == ()
    slots = [(s.shelf, s.sku, s.facings_wide) for s in shelf.layout.slots]
    expected = [(2 - (i >= len(BOXES) // 2), int(sku)) for i, sku in enumerate(SKUS)]
    assert sorted(slots) == sorted((*pair, expected.count(pair)) for pair in set(expected))
    order = np.lexsort([shelf.detections.xyxy[:, 0], shelf.detections.xyxy[:, 1] > 80])
    np.testing.assert_allclose(np.ptp(shelf.detections.xyxy[order][:, ::2], axis=1), WIDE - 4, atol=2)
    np.testing.assert_array_equal(shelf.matches.decided[order], SKUS)
    assert (shelf.tracks == -1).all()


def test_a_product_that_was_only_seen_in_part_counts_and_grows(camera: Camera) -> None:
    camera.show(30)  # the first column is cut
    before = len(camera.mosaic.current().detections)
    camera.show(10)
    camera.show(0)
    shelf = camera.mosaic.current()
    assert len(shelf.detections) == before
    first = shelf.detections.xyxy[shelf.detections.xyxy[:, 0] < 20]
    np.testing.assert_allclose(np.ptp(first[:, ::2], axis=1), [WIDE - 4] * 2, atol=1)


def test_what_is_taken_is_gone_and_what_is_brought_is_there(camera: Camera) -> None:
    for _ in range(5):
        camera.show(100)
    full = len(camera.mosaic.boxes())
    for _ in range(int(GONE_S * 10) + 3):
        camera.show(100, without={4})
    assert len(camera.mosaic.boxes()) == full - 1
    (gone,) = [p for p in camera.mosaic.places if not p.stands]
    assert gone.gone == pytest.approx(0.6)
    other = SKUS.copy()
    other[4] = 77
    camera.show(100, skus=other)
    assert len(camera.mosaic.boxes()) == full
    assert 77 in camera.mosaic.current().matches.decided


def test_what_is_covered_for_a_moment_stays(camera: Camera) -> None:
    camera.show(100)
    full = len(camera.mosaic.boxes())
    for _ in range(int(GONE_S * 10) - 3):
        camera.show(100, without={4})
    assert len(camera.mosaic.boxes()) == full
    camera.show(100)
    for _ in range(int(GONE_S * 10) + 5):  # a person hides many at once: time counts less
        camera.show(100, without=set(range(3, 8)) | set(range(30, 36)))
    assert len(camera.mosaic.boxes()) == full


def test_what_left_the_picture_stays(camera: Camera) -> None:
    for x in (*range(0, 900, 60), *([900] * 20)):
        camera.show(x)
    assert len(camera.mosaic.current().detections) == len([b for b in BOXES if b[0] < 1300 - 15])


def test_a_single_wrong_answer_is_outvoted_and_the_newest_wins_in_the_end(camera: Camera) -> None:
    wrong = SKUS.copy()
    wrong[5] = 99
    for skus in (SKUS, SKUS, wrong):
        camera.show(100, skus=skus)
    assert 99 not in camera.mosaic.current().matches.decided
    for _ in range(30):
        camera.show(100, skus=wrong)
    assert 99 in camera.mosaic.current().matches.decided


@pytest.mark.parametrize(("sku", "status"), [(-1, Status.UNKNOWN), (-2, Status.AMBIGUOUS), (5, Status.RECOGNIZED)])
def test_statuses_are_voted_too(camera: Camera, sku: int, status: Status) -> None:
    skus = np.full(len(SKUS), sku)
    camera.show(100, skus=skus)
    camera.show(100, skus=skus)
    matches = camera.mosaic.current().matches
    assert set(matches.status) == {status}
    assert set(matches.decided) == {sku if sku >= 0 else NO_SKU}


def test_tracks_are_told(camera: Camera) -> None:
    camera.show(100, tracks=True)
    shelf = camera.mosaic.current()
    assert len(set(shelf.tracks)) == len(shelf.tracks) == len(camera.mosaic.boxes())
    assert shelf.tracks.min() >= 0


def test_after_a_gap_the_shelf_is_found_again(camera: Camera) -> None:
    for x in range(0, 400, 50):
        camera.show(x)
    camera.mosaic.interrupt()
    assert camera.show(150)
    shelf = camera.mosaic.current()
    assert shelf.notes == ()
    assert len(shelf.detections) == len({int(b[0]) for b in BOXES if b[0] + 15 < 750}) * 2


def test_another_shelf_is_a_part_of_its_own_until_the_way_between_is_seen() -> None:
    mosaic = ShelfMosaic()
    camera = Camera(mosaic)
    camera.show(0)
    mosaic.interrupt()
    placed = [camera.show(900) for _ in range(16)]
    assert placed[0] is False
    assert placed[-1] is True
    apart = mosaic.current()
    assert "2 parts" in apart.notes[0]
    assert {slot.bay for slot in apart.layout.slots} == {1, 2}
    count = len(apart.detections)
    for x in range(860, 100, -40):
        camera.show(x)
    joined = mosaic.current()
    assert joined.notes == ()
    assert len(joined.detections) == len(BOXES) - 2 > count  # the last column was not in the picture
    assert len(set(joined.layout.bays)) == 1


def test_a_frame_without_a_place_adds_nothing(camera: Camera) -> None:
    camera.show(100)
    before = camera.mosaic.boxes()
    noise = np.random.default_rng(2).integers(0, 255, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    assert camera.mosaic.add(noise, BOXES[:3], answers(SKUS[:3])) is False
    np.testing.assert_array_equal(camera.mosaic.boxes(), before)


def test_arithmetic() -> None:
    none = np.zeros((0, 4), np.float32)
    assert moved(none, np.eye(3)).shape == (0, 4)
    assert cut(none, SIZE).shape == (0,)
    boxes = np.array([[10, 10, 30, 50], [0, 10, 30, 50], [10, 10, 30, 240]], np.float32)
    np.testing.assert_array_equal(cut(boxes, SIZE), [False, True, True])
    np.testing.assert_allclose(moved(boxes[:1], np.diag([2.0, 3.0, 1])), [[20, 30, 60, 150]])
