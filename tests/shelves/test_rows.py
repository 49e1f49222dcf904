"""Shelf of each box: small exact cases, 200 random photos, and what must not change the answer."""

from __future__ import annotations

import time

import numpy as np
import pytest

from recognition.shelves.rows import find_rows

CANS = [(1, 66, 60, 6, 3)]
HOLES = [(0, 279), (31, 279)]
BOTTLES = [(2, 80, 230, 8, 1)]


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def row(base: float, *sizes: tuple[float, float]) -> list[tuple[float, float, float, float]]:
    """Products of (width, height) side by side on a level board at `base`."""
    x, made = 0.0, []
    for width, height in sizes:
        made.append((x, base - height, x + width, base))
        x += width + 5
    return made


@pytest.mark.parametrize(
    ("xyxy", "shelves"),
    [
        (boxes(), []),
        (boxes((10, 10, 50, 90)), [0]),
        (boxes((10, 10, 10, 10)), [0]),
        (boxes((10, 10, 50, 90), (10, 10, 50, 90)), [0, 0]),
        (boxes((10, 10, 50, 90), (60, 12, 100, 92)), [0, 0]),
        (boxes((10, 10, 50, 90), (10, 130, 50, 210)), [1, 0]),
        (boxes(*row(300, (40, 200), (80, 40), (60, 120), (90, 45))), [0, 0, 0, 0]),
        (boxes(*row(300, (50, 90), (50, 90)), *row(120, (50, 90), (50, 90))), [0, 0, 1, 1]),
        # A can on a can beside a bottle: one shelf. The same with a board's thickness between them: two.
        (boxes((0, 100, 40, 160), (0, 161, 40, 221), (50, 60, 90, 220)), [0, 0, 0]),
        (boxes(*row(300, (50, 60), (50, 60), (50, 60)), *row(220, (50, 60), (50, 60), (50, 60))), [0, 0, 0, 1, 1, 1]),
        # Flat packs on top of each other, each drawn a quarter of its height too short.
        (boxes(*((x, y, x + 21, y + 21) for y in (300, 274, 248) for x in (0, 22, 44))), [0] * 9),
        # The same with a hole in two of three stacks; and equal packs on two boards, which one would fit between.
        (
            boxes(*((x, y, x + 30, y + 21) for y in (300, 279, 258) for x in (0, 31, 62) if (x, y) not in HOLES)),
            [0] * 7,
        ),
        (boxes(*row(300, (50, 60), (50, 60), (50, 60)), *row(180, (50, 60), (50, 60), (50, 60))), [0, 0, 0, 1, 1, 1]),
        (boxes(*row(300, (50, 60), (50, 60), (50, 60)), *row(238, (50, 60), (50, 60), (50, 60))), [0, 0, 0, 0, 0, 0]),
    ],
)
def test_small_cases(xyxy: np.ndarray, shelves: list[int]) -> None:
    found = find_rows(xyxy)
    assert found.dtype == np.int32
    assert found.tolist() == shelves


@pytest.mark.parametrize("tilt", [-15, -5, 0, 15])
@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (25, 0), (-20, 10)])
def test_tilted_and_slanting_photos(view, tilt: float, yaw: float, pitch: float) -> None:
    made = view(
        [BOTTLES * 2, BOTTLES + CANS * 2, CANS * 3 + BOTTLES, [(3, 120, 90, 9, 1)]],
        [260, 300, 270, 150],
        tilt,
        yaw,
        pitch,
    )
    assert find_rows(made.xyxy).tolist() == made.row.tolist()


@pytest.mark.parametrize("high", [2, 3, 4])
def test_stacks_belong_to_the_shelf_they_stand_on(view, high: int) -> None:
    made = view([BOTTLES, [(1, 70, 50, 5, high), (2, 80, 210, 5, 1)], BOTTLES], [260, 260, 260], tilt=4)
    assert find_rows(made.xyxy).tolist() == made.row.tolist()


def test_shelves_at_very_different_distances(view) -> None:
    made = view(
        [[(1, 90, 260, 10, 1)], [(2, 90, 90, 10, 1)], [(3, 90, 80, 10, 1)], [(4, 90, 240, 10, 1)]], [300, 130, 140, 280]
    )
    assert find_rows(made.xyxy).tolist() == made.row.tolist()


def test_shelf_with_two_products_is_a_shelf(view) -> None:
    shelves = [BOTTLES, [(-1, 80, 200, 3, 1), (5, 80, 200, 2, 1)], BOTTLES]
    made = view(shelves, [260, 260, 260])
    assert find_rows(made.xyxy).tolist() == made.row.tolist()


def test_lone_false_box_does_not_renumber_the_shelves(view) -> None:
    made = view([BOTTLES, BOTTLES], [300, 300])
    x_min, y_max = made.xyxy[:, 0].min(), made.xyxy[:, 3].max()
    stray = np.array([[x_min + 50, y_max + 40, x_min + 120, y_max + 100]], np.float32)
    assert find_rows(np.concatenate([made.xyxy, stray])).tolist() == [*made.row.tolist(), 0]


def test_boards_of_two_bays_at_different_heights_share_numbers(view) -> None:
    left = view([BOTTLES, BOTTLES, BOTTLES], [300, 300, 300])
    right = left.xyxy + np.array([1200, 60, 1200, 60], np.float32)
    assert find_rows(np.concatenate([left.xyxy, right])).tolist() == [*left.row.tolist(), *left.row.tolist()]


def test_row_accuracy_over_random_photos(photo) -> None:
    right = []
    for seed in range(200):
        made = photo(np.random.default_rng(seed))
        real = made.row >= 0
        right.append((find_rows(made.xyxy)[real] == made.row[real]).mean())
    assert np.mean(right) >= 0.99
    assert np.mean(np.array(right) == 1) >= 0.97


@pytest.mark.parametrize("seed", range(8))
def test_place_scale_and_order_change_nothing(photo, seed: int) -> None:
    xyxy = photo(np.random.default_rng(seed)).xyxy
    found = find_rows(xyxy)
    assert np.array_equal(find_rows(xyxy + np.float32(512)), found)
    assert np.array_equal(find_rows(xyxy * np.float32(4)), found)
    assert np.array_equal(find_rows(xyxy[::-1].copy()), found[::-1])


def test_mirrored_photo_has_the_same_shelves(photo) -> None:
    xyxy = photo(np.random.default_rng(3)).xyxy
    mirrored = np.stack([2000 - xyxy[:, 2], xyxy[:, 1], 2000 - xyxy[:, 0], xyxy[:, 3]], axis=1)
    assert np.array_equal(find_rows(mirrored), find_rows(xyxy))


def test_many_boxes_are_fast(view) -> None:
    made = view([[(1, 40, 60, 34, 1)]] * 10, [90] * 10, tilt=3, yaw=10)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        found = find_rows(made.xyxy)
        times.append(time.perf_counter() - start)
    assert found.tolist() == made.row.tolist()
    assert min(times) < 0.2  # about a tenth of it when nothing else runs


def test_boxes_far_apart_do_not_exhaust_memory() -> None:
    assert find_rows(boxes((0, 0, 1, 1), (0, 1e7, 1, 1e7 + 1))).tolist() == [1, 0]
