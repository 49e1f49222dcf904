"""Which crops stand for which: rendered packs in a row, look-alikes among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from recognition.matching.grouping import group_facings
from recognition.training.render.brands import make_brand_world
from recognition.training.render.packs import draw_packshot
from recognition.types import Image

HEIGHT, WIDTH = 160, 90


def row_of(count: int, step: float = WIDTH + 4) -> np.ndarray:
    """Boxes side by side."""
    left = np.arange(count) * step
    return np.stack([left, np.zeros(count), left + WIDTH, np.full(count, HEIGHT)], axis=1).astype(np.float32)


def seen(pack: Image, number: int) -> Image:
    """A facing: its own shift, light and noise; later ones less sharp."""
    dice = np.random.default_rng(number)
    move = np.array([[1, 0.01, dice.uniform(-2, 2)], [0.01, 1, dice.uniform(-2, 2)]])
    small = cv2.resize(pack, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    moved = cv2.warpAffine(small, move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    soft = cv2.GaussianBlur(moved, (0, 0), 0.3 + 0.3 * number).astype(np.float32)
    return np.clip(soft * dice.uniform(0.9, 1.05) + dice.normal(0, 3, soft.shape), 0, 255).astype(np.uint8)


def facings(packs: Sequence[Image]) -> list[Image]:
    return [seen(pack, number) for number, pack in enumerate(packs)]


def test_no_crops_no_groups() -> None:
    stands = group_facings([], np.zeros((0, 4), np.float32))
    assert stands.tolist() == []
    assert stands.dtype == np.int64


def test_one_crop_stands_for_itself(draw_pack: Callable[..., Image]) -> None:
    assert group_facings([draw_pack(1)], row_of(1)).tolist() == [0]


@pytest.mark.parametrize(
    ("seeds", "groups"),
    [
        ([1, 1, 1, 1], [0, 0, 0, 0]),
        ([1, 2, 3], [0, 1, 2]),
        ([1, 1, 2, 2], [0, 0, 2, 2]),
        ([1, 2, 1], [0, 1, 2]),  # not beside each other
    ],
)
def test_equal_neighbours_are_one_group(draw_pack: Callable[..., Image], seeds: list[int], groups: list[int]) -> None:
    stands = group_facings(facings([draw_pack(seed) for seed in seeds]), row_of(len(seeds)))
    assert [int(np.flatnonzero(stands == own)[0]) for own in stands] == groups
    assert all(stands[own] == own for own in stands)


def test_the_sharpest_stands_for_the_others(draw_pack: Callable[..., Image]) -> None:
    crops = facings([draw_pack(4)] * 3)
    crops[1], crops[0] = crops[0], crops[1]
    assert group_facings(crops, row_of(3)).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "boxes",
    [row_of(2, step=3 * WIDTH), row_of(2) * [[1], [1.3]], row_of(2) + np.float32([[0], [300]])],
    ids=["apart", "another size", "another shelf"],
)
def test_the_same_picture_elsewhere_or_of_another_size_is_not_taken_for_a_facing(
    draw_pack: Callable[..., Image], boxes: np.ndarray
) -> None:
    crops = facings([draw_pack(1)] * 2)
    assert group_facings(crops, boxes.astype(np.float32)).tolist() == [0, 1]


def test_units_above_each_other_are_neighbours(draw_pack: Callable[..., Image]) -> None:
    boxes = np.array([[0, 170, WIDTH, 170 + HEIGHT], [2, 0, WIDTH + 2, HEIGHT]], np.float32)
    assert group_facings(facings([draw_pack(1)] * 2), boxes).tolist() == [0, 0]


def test_blank_and_tiny_crops_are_left_alone() -> None:
    crops = [np.full((40, 30, 3), 128, np.uint8), np.full((40, 30, 3), 128, np.uint8), np.zeros((1, 1, 3), np.uint8)]
    boxes = np.array([[0, 0, 30, 40], [31, 0, 61, 40], [62, 0, 63, 1]], np.float32)
    assert group_facings(crops, boxes).tolist() == [0, 1, 2]


def test_most_flavours_are_kept_apart() -> None:
    """Rendered look-alikes, one layout and logo: those that are mixed are why grouping is off by default."""
    mixed = pairs = 0
    for seed in range(8):
        one, other = make_brand_world(seed, 1, 2)
        packs = [draw_packshot(design, 200) for design in (one, replace(other, sku="other"))]
        stands = group_facings(facings(packs), row_of(2))
        pairs, mixed = pairs + 1, mixed + (stands[0] == stands[1])
    assert mixed <= pairs // 4
