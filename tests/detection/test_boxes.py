from __future__ import annotations

import numpy as np
import pytest

from recognition.detection import boxes as bx

NONE = np.zeros((0, 4), np.float32)


def rows(*boxes: tuple[float, float, float, float]) -> bx.Floats:
    return np.array(boxes, np.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("a", "b", "iou", "inside"),
    [
        (NONE, NONE, np.zeros((0, 0)), np.zeros((0, 0))),
        (NONE, rows((0, 0, 1, 1)), np.zeros((0, 1)), np.zeros((0, 1))),
        (rows((0, 0, 2, 2)), rows((0, 0, 2, 2)), [[1]], [[1]]),
        (rows((0, 0, 2, 2)), rows((2, 0, 4, 2)), [[0]], [[0]]),
        (rows((0, 0, 2, 2)), rows((1, 0, 3, 2)), [[1 / 3]], [[0.5]]),
        (rows((1, 1, 2, 2)), rows((0, 0, 2, 2)), [[0.25]], [[1]]),
        (rows((1, 1, 1, 1)), rows((1, 1, 1, 1)), [[0]], [[0]]),
    ],
)
def test_overlaps(a: bx.Floats, b: bx.Floats, iou: list[list[float]], inside: list[list[float]]) -> None:
    assert bx.iou_matrix(a, b) == pytest.approx(np.array(iou))
    assert bx.inside_matrix(a, b) == pytest.approx(np.array(inside))
    assert bx.share_matrix(a, b) == pytest.approx(np.array(inside))  # no `b` is the smaller one
    assert bx.share_matrix(b, a) == pytest.approx(np.array(inside).T)


def test_areas_sizes_and_clip() -> None:
    boxes = rows((-5, 2, 5, 12), (1, 1, 3, 9))
    assert bx.areas(boxes).tolist() == [100, 16]
    assert bx.sizes(boxes).tolist() == [10, 4]
    assert bx.clip(boxes, 4, 8).tolist() == [[0, 2, 4, 8], [1, 1, 3, 8]]


@pytest.mark.parametrize(
    ("boxes", "scores", "kept"),
    [
        (NONE, [], []),
        (rows((0, 0, 9, 9)), [0.5], [0]),
        (rows((0, 0, 9, 9), (0, 0, 9, 9)), [0.5, 0.5], [0]),
        (rows((0, 0, 10, 10), (1, 0, 11, 10), (20, 0, 30, 10)), [0.5, 0.9, 0.7], [1, 2]),
        # a suppressed box suppresses nothing itself
        (rows((0, 0, 10, 10), (3, 0, 13, 10), (6, 0, 16, 10)), [0.9, 0.8, 0.7], [0, 2]),
    ],
)
def test_nms(boxes: bx.Floats, scores: list[float], kept: list[int]) -> None:
    assert bx.nms(boxes, np.array(scores, np.float32), 0.5).tolist() == kept


def test_nms_agrees_with_torchvision() -> None:
    torch = pytest.importorskip("torch")
    from torchvision.ops import nms

    rng = np.random.default_rng(3)
    corners = rng.uniform(0, 300, (500, 2))
    boxes = np.hstack([corners, corners + rng.uniform(10, 60, (500, 2))]).astype(np.float32)
    scores = rng.random(500).astype(np.float32)
    wanted = nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.4).tolist()
    assert bx.nms(boxes, scores, 0.4).tolist() == wanted
