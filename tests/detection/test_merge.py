from __future__ import annotations

import numpy as np
import pytest

from recognition.detection.merge import add_large, fuse, unite
from recognition.types import Detections

Row = tuple[float, float, float, float, float]
BIG = (0.0, 0.0, 100.0, 200.0)
LABEL = (10.0, 50.0, 90.0, 100.0)
CAP = (30.0, 0.0, 70.0, 30.0)


def made(*rows: Row) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(table[:, :4].copy(), table[:, 4].copy())


def listed(found: Detections) -> list[tuple[float, ...]]:
    return [(*box, round(score, 2)) for box, score in zip(found.xyxy.tolist(), found.scores.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("rows", "most", "kept"),
    [
        ([], 9, []),
        ([(5, 5, 5, 9, 0.9)], 9, []),
        ([(0, 0, 10, 10, 0.5), (1, 0, 11, 10, 0.75), (20, 0, 30, 10, 0.25)], 9, [1, 2]),
        ([(0, 0, 10, 10, 0.25), (20, 0, 30, 10, 0.5), (40, 0, 50, 10, 0.75)], 2, [2, 1]),
    ],
)
def test_unite(rows: list[Row], most: int, kept: list[int]) -> None:
    assert listed(unite(made(*rows), 0.5, most)) == [rows[i] for i in kept]


@pytest.mark.parametrize(
    ("fine", "coarse", "wanted"),
    [
        ([], [], []),
        ([(*LABEL, 0.5)], [], [(*LABEL, 0.5)]),
        ([], [(*BIG, 0.5)], [(*BIG, 0.5)]),
        ([], [(*LABEL, 0.5)], []),  # not above the side: the fine look would have seen it
        ([(*LABEL, 0.5), (*CAP, 0.25)], [(*BIG, 0.75)], [(*BIG, 0.75)]),
        ([(*LABEL, 0.5), (*CAP, 0.25)], [(*BIG, 0.4)], [(*LABEL, 0.5), (*CAP, 0.25)]),
        ([(200, 0, 240, 40, 0.9), (*CAP, 0.25)], [(*BIG, 0.5)], [(200, 0, 240, 40, 0.9), (*BIG, 0.5)]),
        ([(2, 0, 100, 198, 0.9)], [(*BIG, 0.5)], [(2, 0, 100, 198, 0.9), (*BIG, 0.5)]),  # the same: left to unite
    ],
)
def test_add_large(fine: list[Row], coarse: list[Row], wanted: list[Row]) -> None:
    assert listed(add_large(made(*fine), made(*coarse), 150)) == wanted


@pytest.mark.parametrize(
    ("look", "closer", "wanted"),
    [
        ([], [], []),
        ([(0, 0, 10, 10, 0.9)], [], [(0, 0, 10, 10, 0.54)]),  # one look alone has it
        ([], [(0, 0, 10, 10, 0.9)], [(0, 0, 10, 10, 0.54)]),
        ([(0, 0, 10, 10, 0.75)], [(0, 2, 10, 10, 0.25)], [(0, 0.5, 10, 10, 0.5)]),  # both have it
        ([(0, 0, 10, 10, 0.5)], [(0, 0, 10, 10, 0.5), (0, 0, 10, 9, 0.5)], [(0, 0, 10, 10, 0.5), (0, 0, 10, 9, 0.3)]),
        (  # two flat packs on top of each other
            [(0, 0, 10, 20, 0.9)],
            [(0, 0, 10, 10, 0.9), (0, 10, 10, 20, 0.8)],
            [(0, 0, 10, 10, 0.54), (0, 10, 10, 20, 0.48)],
        ),
        (  # unsure parts
            [(0, 0, 10, 20, 0.9)],
            [(0, 0, 10, 10, 0.5), (0, 10, 10, 20, 0.8)],
            [(0, 0, 10, 20, 0.54), (0, 0, 10, 10, 0.3), (0, 10, 10, 20, 0.48)],
        ),
        (  # a label and a cap do not fill a bottle
            [(0, 0, 10, 30, 0.9)],
            [(0, 0, 10, 8, 0.9), (0, 15, 10, 25, 0.9)],
            [(0, 0, 10, 30, 0.54), (0, 0, 10, 8, 0.54), (0, 15, 10, 25, 0.54)],
        ),
    ],
)
def test_fuse(look: list[Row], closer: list[Row], wanted: list[Row]) -> None:
    assert listed(fuse(made(*look), made(*closer))) == wanted
