"""Of two sizes with one print the shelf around tells which one stands there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from recognition.matching.size import MOST_AGAINST, Rulers, misfit, physical_sizes
from recognition.matching.surroundings import Millimetres, Shelf, by_size
from recognition.types import NO_SKU, Matches, Sku, Status

SMALL, LARGE, OTHER, UNSIZED = 1, 2, 3, 4
MM = {SMALL: (70.0, 190.0), LARGE: (74.0, 240.0), OTHER: (100.0, 150.0)}
ASKED: list[list[int]] = []


def describe(ids: Iterable[int]) -> dict[int, Sku]:
    ASKED.append(list(ids))
    sizes = {sku: MM.get(sku, (None, None)) for sku in ASKED[-1]}
    return {sku: Sku(sku, f"S{sku}", width_mm=wide, height_mm=high) for sku, (wide, high) in sizes.items()}


def stand(skus: Sequence[int], scale: float = 0.5) -> NDArray[np.float32]:
    """Boxes of products side by side, at so many pixels per millimetre, a little off."""
    x, boxes = 10.0, []
    for number, sku in enumerate(skus):
        wide, high = (scale * size * (1 + 0.03 * (-1) ** number) for size in MM[sku])
        boxes.append((x, 200 - high, x + wide, 200))
        x += wide + 3
    return np.array(boxes, np.float32)


def rulers(boxes: NDArray[np.float32], skus: Sequence[int], sure: float = 0.9) -> Rulers:
    mm = np.array([MM.get(sku, (np.nan, np.nan)) for sku in skus]).reshape(-1, 2)
    return Rulers(boxes, mm, np.array(skus, np.int64), np.full(len(skus), sure))


def matches(skus: Sequence[int], sure: float = 0.9) -> Matches:
    named = np.array(skus, np.int64)
    status = np.where(named >= 0, Status.RECOGNIZED, Status.UNKNOWN).astype(np.int8)
    each = np.full(len(named), sure, np.float32)
    return Matches(status, named[:, None], each[:, None], each)


@pytest.mark.parametrize("stands", [SMALL, LARGE])
@pytest.mark.parametrize("scale", [0.2, 3.0])
def test_named_products_around_tell_the_size(stands: int, scale: float) -> None:
    skus = [OTHER] * 4 + [stands]
    boxes = stand(skus, scale)
    found = physical_sizes(boxes[4:], np.array([[SMALL, LARGE]]), rulers(boxes[:4], skus[:4]))
    assert found[0] == pytest.approx(MM[stands], rel=0.07)
    said = misfit(found, np.array([[MM[SMALL], MM[LARGE]]]))[0]
    right, wrong = said[[SMALL, LARGE].index(stands)], said[[LARGE, SMALL].index(stands)]
    assert right > -0.5 and wrong < right - 1.3


def test_a_block_with_the_wrong_name_does_not_prove_itself() -> None:
    skus = [OTHER] * 5 + [LARGE] * 6
    boxes = stand([OTHER] * 5 + [SMALL] * 6)
    found = physical_sizes(boxes[5:], np.tile([SMALL, LARGE], (6, 1)), rulers(boxes, skus))
    assert found[:3, 1] == pytest.approx(np.full(3, MM[SMALL][1]), rel=0.1)  # the others stand too far away


def test_one_wrong_ruler_among_many_says_little() -> None:
    boxes = stand([OTHER] * 7 + [SMALL])
    boxes[2, 1] += 40
    found = physical_sizes(boxes[7:], np.array([[SMALL]]), rulers(boxes[:7], [OTHER] * 7))
    assert found[0] == pytest.approx(MM[SMALL], rel=0.1)


@pytest.mark.parametrize(
    ("skus", "sure"), [([OTHER] * 2, 0.9), ([OTHER] * 6, 0.3), ([NO_SKU] * 6, 0.9), ([UNSIZED] * 6, 0.9), ([], 0.9)]
)
def test_where_little_is_named_nothing_is_said(skus: list[int], sure: float) -> None:
    boxes = stand([OTHER] * len(skus) + [SMALL])
    found = physical_sizes(boxes[-1:], np.array([[SMALL, LARGE]]), rulers(boxes[:-1], skus, sure))
    assert np.isnan(found).all()
    assert (misfit(found, np.array([[MM[SMALL], MM[LARGE]]])) == 0).all()


def test_what_stands_far_away_does_not_count() -> None:
    boxes = stand([OTHER] * 5)
    there = boxes[:1] + np.float32(3000)
    assert np.isnan(physical_sizes(there, np.array([[SMALL]]), rulers(boxes, [OTHER] * 5))).all()


def test_what_is_said_is_bounded_and_a_candidate_without_a_size_is_let_be() -> None:
    physical = np.array([[70.0, 190.0], [np.nan, np.nan]])
    mm = np.array([[[70, 190], [700, 1900], [np.nan, np.nan]]] * 2, np.float64)
    assert misfit(physical, mm).tolist() == [[0, -MOST_AGAINST, 0], [0, 0, 0]]
    assert misfit(np.zeros((0, 2)), np.zeros((0, 3, 2))).shape == (0, 3)


def test_sizes_are_looked_up_once() -> None:
    ASKED.clear()
    millimetres = Millimetres(describe)
    first = millimetres(np.array([[SMALL, NO_SKU], [UNSIZED, SMALL]]))
    assert first[0, 0].tolist() == list(MM[SMALL]) and np.isnan(first[[0, 1], [1, 0]]).all()
    assert millimetres(np.array([SMALL, UNSIZED])).shape == (2, 2)
    assert ASKED == [[SMALL, UNSIZED]]


def test_a_shelf_hears_neighbours_and_sizes_but_cut_products_are_not_measured() -> None:
    skus = [OTHER] * 4 + [SMALL, SMALL]
    boxes, alone = stand(skus), matches([OTHER] * 4 + [LARGE, NO_SKU])
    candidates = np.array([[OTHER, SMALL]] * 4 + [[LARGE, SMALL]] * 2)
    whole = np.array([True] * 5 + [False])
    said = Shelf(boxes, whole, Millimetres(describe)).hear(candidates, alone)
    assert said.shape == (6, 2)
    assert (said[:4, 0] > 0.5).all()  # equal neighbours speak for it, its size fits
    assert said[4, 0] < -1.5 and said[4, 1] > said[4, 0] + 1.3
    assert said[5].tolist() == pytest.approx([0.9, 0])


def test_crops_of_known_size_stand_alone() -> None:
    hear = by_size(np.array([MM[SMALL], (np.nan, np.nan)]), Millimetres(describe))
    said = hear(np.array([[SMALL, LARGE]] * 2), matches([SMALL, SMALL]))
    assert said[0, 0] == 0 and said[0, 1] < -2 and said[1].tolist() == [0, 0]
