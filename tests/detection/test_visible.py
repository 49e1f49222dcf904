from __future__ import annotations

import numpy as np
import pytest

from recognition.detection.visible import visible_share, weigh_visible
from recognition.types import Detections

WIDTH, HEIGHT = 400, 300
Row = tuple[float, float, float, float]
SHELF: list[Row] = [(x, 100, x + 40, 200) for x in (60, 110, 160, 210)]
"""Four packs of 40 x 100 in the middle of the picture."""


def made(boxes: list[Row], score: float = 0.8) -> Detections:
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), score, np.float32))


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ((10, 100, 30, 200), 1.0),  # narrow, but no border cuts it
        ((0, 100, 20, 200), 0.5),
        ((2.5, 100, 22.5, 200), 0.5),  # a detector seldom ends at the very last pixel
        ((380, 95, 400, 205), 0.5),
        ((120, 0, 160, 25), 0.25),
        ((120, 270, 160, 300), 0.3),
        ((0, 270, 40, 300), 0.3),  # in a corner: less of its height than of its width is there
        ((0, 100, 70, 200), 1.0),  # wider than its neighbours: never more than all of it
        ((0, 10, 20, 90), 1.0),  # nothing stands in its row
        ((0, 130, 20, 170), 1.0),  # of its height there is nothing
        ((300, 0, 380, 25), 1.0),  # nor of its width
    ],
)
def test_share_that_the_border_leaves(box: Row, share: float) -> None:
    shares = visible_share(made([*SHELF, box]), WIDTH, HEIGHT)
    assert shares[:-1].tolist() == [1] * 4
    assert shares[-1] == pytest.approx(share)


def test_the_five_nearest_tell_the_size() -> None:
    far = [(float(x), 100.0, float(x) + 25, 200.0) for x in range(220, 370, 30)]
    near = [(float(x), 100.0, float(x) + 40, 200.0) for x in (30, 80, 130)]
    assert visible_share(made([(0, 100, 20, 200), *near, *far]), WIDTH, HEIGHT)[0] == pytest.approx(0.5)


def test_unsure_and_cut_neighbours_say_nothing() -> None:
    cut = made([(0, 100, 20, 200), (385, 100, 400, 200)])
    assert visible_share(cut, WIDTH, HEIGHT).tolist() == [1, 1]
    unsure = made(SHELF, 0.2)
    both = Detections(np.vstack([cut.xyxy, unsure.xyxy]), np.concatenate([cut.scores, unsure.scores]))
    assert visible_share(both, WIDTH, HEIGHT).tolist() == [1] * 6


def test_half_a_product_scores_less_and_comes_later() -> None:
    found = made([(0, 100, 20, 200), *SHELF, (374, 100, 400, 200)])
    weighed = weigh_visible(found, WIDTH, HEIGHT)
    assert weighed.xyxy[:4].tolist() == [list(box) for box in SHELF]
    assert weighed.xyxy[4].tolist() == [374, 100, 400, 200]  # counts whole from 0.6 on
    assert weighed.scores.tolist() == pytest.approx([0.8] * 5 + [0.8 * 0.5 / 0.6])


def test_nothing_found() -> None:
    assert len(weigh_visible(Detections.empty(), WIDTH, HEIGHT)) == 0
