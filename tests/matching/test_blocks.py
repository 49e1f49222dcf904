import numpy as np
import pytest

from recognition.matching.blocks import equal_neighbours, support
from recognition.types import Matches, Status


@pytest.mark.parametrize(
    ("box", "near"),
    [
        ((32, 0, 62, 50), True),  # beside
        ((0, -52, 30, -2), True),  # on top
        ((45, 0, 75, 50), False),  # a gap of half a pack
        ((32, 12, 62, 62), False),  # not in one line
        ((32, -10, 62, 50), False),  # a larger pack
        ((32, -52, 62, -2), False),  # across the corner
    ],
)
def test_who_is_an_equal_neighbour(box: tuple[float, ...], near: bool) -> None:
    found = equal_neighbours(np.array([(0, 0, 30, 50), box], np.float32))
    assert found.tolist() == [[False, near], [near, False]]


def matches(*named):
    """Products with the SKU that they were named, -1 = none, and the confidence."""
    skus, sure = np.array([sku for sku, _ in named], np.int64), np.array([c for _, c in named], np.float32)
    status = np.where(skus >= 0, Status.RECOGNIZED, Status.UNKNOWN).astype(np.int8)
    return Matches(status, skus[:, None], np.where(skus >= 0, 0.9, -np.inf).astype(np.float32)[:, None], sure)


def test_named_neighbours_speak_for_what_the_own_search_has_found():
    near = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool)
    candidates = np.array([[7, 8], [8, 7], [9, -1]])
    said = support(near, candidates, matches((7, 0.9), (-1, 0.4), (9, 0.8)))
    assert said == pytest.approx(np.array([[0, 0], [0, 0.9], [0, 0]]))


def test_many_neighbours_say_no_more_together_than_two():
    near = ~np.eye(5, dtype=bool)
    said = support(near, np.full((5, 1), 7), matches(*[(7, 1.0)] * 5))
    assert said == pytest.approx(np.full((5, 1), 2.0))


def test_no_boxes():
    near = equal_neighbours(np.zeros((0, 4), np.float32))
    assert near.shape == (0, 0)
    assert support(near, np.zeros((0, 3), np.int64), matches()).shape == (0, 3)
