"""The pencil of lines: exact where the camera is, indifferent to false boxes."""

from __future__ import annotations

import numpy as np
import pytest

from recognition.shelves.perspective import Pencil, fit_pencil, neighbour_pairs, row_pairs, upright


@pytest.mark.parametrize("pencil", [Pencil(), Pencil(100, 50, 0.2), Pencil(100, 50, -0.1, 5e-4)])
def test_level_and_height_undo_each_other(pencil: Pencil) -> None:
    x, y = np.array([0.0, 100, 700]), np.array([10.0, -40, 300])
    assert pencil.y(pencil.level(x, y), x) == pytest.approx(y)


def test_nothing_to_fit_is_level() -> None:
    one = np.array([[10, 20, 30, 60]], np.float32)
    assert fit_pencil(one, neighbour_pairs(one)) == Pencil(20, 60)


@pytest.mark.parametrize(("tilt", "yaw"), [(0, 0), (12, 0), (0, 25), (-8, -20)])
def test_bases_of_a_row_get_one_level(view, tilt: float, yaw: float) -> None:
    made = view([[(1, 70, 150, 12, 1)]] * 4, [220] * 4, tilt, yaw)
    pencil = fit_pencil(made.xyxy, neighbour_pairs(made.xyxy))
    x = ((made.xyxy[:, 0] + made.xyxy[:, 2]) / 2).astype(float)
    pencil = fit_pencil(made.xyxy, row_pairs(made.row.astype(np.int32), x), pencil)
    boxes = upright(made.xyxy, pencil)
    spread = [np.ptp(boxes.bottom[made.row == row]) for row in range(4)]
    assert max(spread) < 0.03 * np.median(boxes.height)


def test_half_of_the_pairs_may_be_wrong(view) -> None:
    made = view([[(1, 70, 150, 12, 1)]] * 4, [220] * 4, 6)
    rng = np.random.default_rng(0)
    stray = made.xyxy[rng.integers(0, 48, 24)] + np.float32(rng.uniform(-80, 80, (24, 1)))
    every = np.concatenate([made.xyxy, stray]).astype(np.float32)
    assert fit_pencil(every, neighbour_pairs(every)).tilt == pytest.approx(np.tan(np.radians(6)), abs=0.02)


def test_row_pairs_are_short_and_long() -> None:
    left, right = row_pairs(np.array([0, 0, 0, 1, -1], np.int32), np.array([20.0, 0, 10, 5, 7]))
    assert sorted(zip(left.tolist(), right.tolist(), strict=True)) == [(1, 0), (1, 2), (2, 0)]
