"""Registration of two frames: known views of made shelves, and the ways it could go wrong unseen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from recognition.shelves.keyframes import FrameMap
from recognition.shelves.register import overlap, prepare, register, register_views

SIZE = (480, 320)
GRID = np.array([[x, y] for x in (40, 240, 440) for y in (40, 160, 280)], np.float32)[None]


def pack(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A pack with a print of its own."""
    art = rng.integers(0, 255, (height // 8 + 1, width // 8 + 1, 3)).astype(np.uint8)
    return cv2.resize(art, (width, height), interpolation=cv2.INTER_CUBIC)


def shelf(seed: int, width: int = 2400, kinds: int = 40, facings: int = 4, height: int = 500) -> np.ndarray:
    """Shelves of groups of equal packs, BGR; kinds=1: the same pack everywhere."""
    rng = np.random.default_rng(seed)
    designs = [pack(rng, 48, 90) for _ in range(kinds)]
    picture = np.full((height, width, 3), 60, np.uint8)
    for top in range(10, height - 100, 120):
        x = 0
        while x < width - 50:
            design = designs[int(rng.integers(kinds))]
            for _ in range(facings):
                if x < width - 50:
                    picture[top : top + 90, x : x + 48] = design
                    x += 50
        picture[top + 92 : top + 102] = 190
    return picture


def view(x: float, y: float = 80, turn: float = 0.0, zoom: float = 1.0, lean: float = 0.0) -> np.ndarray:
    """Homography from the shelf to a frame whose top-left corner is about at (x, y)."""
    cos, sin = np.cos(turn) * zoom, np.sin(turn) * zoom
    flat = np.array([[cos, -sin, 0], [sin, cos, 0], [lean, 0, 1]]) @ np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1.0]])
    return flat


def shot(picture: np.ndarray, homography: np.ndarray, noise: float = 2.0) -> np.ndarray:
    image = cv2.warpPerspective(picture, homography, SIZE).astype(np.float32)
    return (image + noise * np.random.default_rng(3).standard_normal(image.shape)).clip(0, 255).astype(np.uint8)


def error(found: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    truth = second @ np.linalg.inv(first)
    gap = cv2.perspectiveTransform(GRID, found) - cv2.perspectiveTransform(GRID, truth.astype(np.float32))
    return float(np.linalg.norm(gap, axis=2).max())


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return shelf(1)


@pytest.mark.parametrize(
    ("second", "guess"),
    [
        (view(600), True),
        (view(612, 83), True),
        (view(612, 83, turn=0.02, zoom=1.03, lean=3e-5), True),
        (view(640, 78), False),
        (view(612, 83), False),
        (view(700, 70, turn=-0.03, zoom=0.95), False),
        (view(720, 85, turn=0.05, zoom=1.1), False),
    ],
)
def test_known_views_are_found(picture: np.ndarray, second: np.ndarray, guess: bool) -> None:
    first = view(600)
    found = register(shot(picture, first), shot(picture, second), np.eye(3) if guess else None)
    assert found is not None
    assert found.dtype == np.float64
    assert error(found, first, second) < 1.0


def test_large_and_grey_frames_and_other_sizes(picture: np.ndarray) -> None:
    first, second = view(600), view(620, 84)
    large = cv2.resize(shot(picture, first), None, fx=2, fy=2)
    grey = cv2.cvtColor(shot(picture, second), cv2.COLOR_BGR2GRAY)
    found = register(large, grey)
    assert found is not None
    assert error(found @ np.diag([2.0, 2.0, 1]), first, second) < 1.0
    assert prepare(large).zoom == pytest.approx(640 / 960)


@pytest.mark.parametrize("guess", [None, np.eye(3)])
def test_what_cannot_be_trusted_is_refused(picture: np.ndarray, guess: np.ndarray | None) -> None:
    image = shot(picture, view(600))
    blank = np.full_like(image, 128)
    noise = np.random.default_rng(5).integers(0, 255, image.shape).astype(np.uint8)
    for other in (blank, noise, shot(shelf(2), view(600)), shot(picture, view(1500)), image[:, ::-1].copy()):
        assert register(image, other, guess) is None
    assert register(blank, blank, guess) is None
    assert register(image, image, np.diag([-1.0, 1, 1])) is None  # no camera sees a mirrored shelf


def test_equal_facings_need_a_motion_that_decides() -> None:
    same = shelf(4, kinds=1, height=420)  # moved by one facing (50 pixels), it looks the same
    first = view(600, 40)
    image = shot(same, first)
    assert register(image, shot(same, view(620, 40))) is None
    small = register(image, shot(same, view(608, 42)), np.eye(3))
    assert small is not None
    assert error(small, first, view(608, 42)) < 1.0
    told = register(image, shot(same, view(660, 41)), np.array([[1, 0, -57], [0, 1, 0], [0, 0, 1.0]]))
    assert told is not None
    assert error(told, first, view(660, 41)) < 1.0
    assert register(image, shot(same, view(625, 41)), np.eye(3)) is None  # half a facing: either way


def test_where_most_is_repeated_a_wrong_facing_is_not_taken(picture: np.ndarray) -> None:
    first, second = view(600), view(640, 78)  # one facing less would be a smaller motion, and looks nearly as good
    assert register(shot(picture, first), shot(picture, second), np.eye(3)) is None
    told = register(shot(picture, first), shot(picture, second), view(38, 0))
    assert told is not None
    assert error(told, first, second) < 1.0


def test_a_person_in_front_does_not_move_the_shelf(picture: np.ndarray) -> None:
    first, second = view(600), view(610, 82)
    image = shot(picture, second)
    image[60:, 120:260] = pack(np.random.default_rng(6), 140, 260)
    found = register(shot(picture, first), image, np.eye(3))
    assert found is not None
    assert error(found, first, second) < 1.5


def test_the_answer_says_how_sure_it_is(picture: np.ndarray) -> None:
    views = [prepare(shot(picture, view(x))) for x in (600, 615)]
    found = register_views(*views, np.eye(3))
    assert found is not None
    assert found.likeness > 0.8
    assert found.inliers > 100
    assert found.residual < 0.5


@pytest.mark.parametrize(
    ("homography", "share"),
    [
        (np.eye(3), 1.0),
        (view(240, 0), 0.5),
        (view(-480, 0), 0.0),
        (view(0, 0, zoom=0.5), 0.25),
        (np.diag([-1.0, 1, 1]), 0.0),
        (np.array([[1, 0, 0], [0, 1, 0], [-0.01, 0, 1.0]]), 0.0),
    ],
)
def test_overlap(homography: np.ndarray, share: float) -> None:
    assert overlap(homography, SIZE, SIZE) == pytest.approx(share, abs=0.01)


def walk(picture: np.ndarray, xs: list[float]) -> tuple[FrameMap, list[float]]:
    """A map of frames at these places, and how far each is from where it should lie, pixels."""
    frames, off = FrameMap(), []
    for x in xs:
        where = view(x, 80 + 5 * np.sin(x / 40), turn=0.01 * np.sin(x / 90))
        first = view(xs[0], 80 + 5 * np.sin(xs[0] / 40), turn=0.01 * np.sin(xs[0] / 90))
        found = frames.place(shot(picture, where))
        off.append(np.nan if found is None else error(found, where, first))
    return frames, off


def test_a_walk_there_and_back_does_not_drift(picture: np.ndarray) -> None:
    there = [100.0 + 30 * i for i in range(28)]
    frames, off = walk(picture, there + there[::-9])
    assert max(off) < 6
    assert off[-1] < 1
    assert {k.part for k in frames.keyframes} == {0}
    assert 3 <= len(frames.keyframes) <= 8


def test_after_an_interruption_the_way_back_is_found(picture: np.ndarray) -> None:
    frames, _ = walk(picture, [100.0 + 60 * i for i in range(8)])
    frames.interrupt()
    found = frames.place(shot(picture, view(200)))
    assert found is not None
    assert frames.part == 0
    assert error(found, view(200), view(100, 80 + 5 * np.sin(2.5), turn=0.01 * np.sin(100 / 90))) < 2


def test_an_upright_map_takes_perspective_out(picture: np.ndarray) -> None:
    frames, leans = FrameMap(), {"turn": 0.03, "lean": 1.2e-4}
    for x in range(100, 1300, 60):
        assert frames.place(shot(picture, view(x, **leans))) is not None
    flat = frames.upright(0) @ view(100, **leans)
    corners = np.array([[[200.0, 150], [1700, 150], [1700, 350], [200, 350]]])
    sides = [cv2.perspectiveTransform(corners, h)[0][[[0, 3], [1, 2]], 1] for h in (flat, view(100, **leans))]
    heights = [np.ptp(side, axis=1) for side in sides]
    assert heights[1][1] / heights[1][0] < 0.9
    assert heights[0][1] / heights[0][0] == pytest.approx(1, abs=0.04)
    np.testing.assert_array_equal(FrameMap().upright(0), np.eye(3))
