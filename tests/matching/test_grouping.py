"""Which crops stand for which: rendered packs in a row, look-alikes among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from recognition.embedding.encoder import Encoder
from recognition.embedding.loading import load_encoder
from recognition.matching.grouping import ALIKE, group_facings
from recognition.settings import EmbedSettings
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


def told(seeds: Sequence[int]) -> np.ndarray:
    """Vectors (n, 9) that are equal for equal seeds and have nothing in common for others."""
    return np.eye(9, dtype=np.float32)[list(seeds)]


def test_no_crops_no_groups() -> None:
    stands = group_facings([], told([]), np.zeros((0, 4), np.float32))
    assert stands.tolist() == []
    assert stands.dtype == np.int64


def test_one_crop_stands_for_itself(draw_pack: Callable[..., Image]) -> None:
    assert group_facings([draw_pack(1)], told([1]), row_of(1)).tolist() == [0]


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
    stands = group_facings(facings([draw_pack(seed) for seed in seeds]), told(seeds), row_of(len(seeds)))
    assert [int(np.flatnonzero(stands == own)[0]) for own in stands] == groups
    assert all(stands[own] == own for own in stands)


def test_the_sharpest_stands_for_the_others(draw_pack: Callable[..., Image]) -> None:
    crops = facings([draw_pack(4)] * 3)
    crops[1], crops[0] = crops[0], crops[1]
    assert group_facings(crops, told([4] * 3), row_of(3)).tolist() == [1, 1, 1]


def test_small_differences_do_not_add_up_to_a_large_one(draw_pack: Callable[..., Image]) -> None:
    """Each is like its neighbour, the first not like the last."""
    turn = np.arccos(ALIKE) * 0.9 * np.arange(4)
    vectors = np.stack([np.cos(turn), np.sin(turn)], axis=1).astype(np.float32)
    stands = group_facings(facings([draw_pack(1)] * 4), vectors, row_of(4))
    assert ((vectors * vectors[stands]).sum(axis=1) > ALIKE).all()
    assert 1 < len(set(stands.tolist())) < 4


@pytest.mark.parametrize(
    "boxes",
    [row_of(2, step=3 * WIDTH), row_of(2) * [[1], [1.4]], row_of(2) + np.float32([[0], [300]])],
    ids=["apart", "another size", "another shelf"],
)
def test_the_same_picture_elsewhere_or_of_another_size_is_not_taken_for_a_facing(
    draw_pack: Callable[..., Image], boxes: np.ndarray
) -> None:
    crops = facings([draw_pack(1)] * 2)
    assert group_facings(crops, told([1, 1]), boxes.astype(np.float32)).tolist() == [0, 1]


def test_units_above_each_other_are_neighbours(draw_pack: Callable[..., Image]) -> None:
    boxes = np.array([[0, 170, WIDTH, 170 + HEIGHT], [2, 0, WIDTH + 2, HEIGHT]], np.float32)
    assert group_facings(facings([draw_pack(1)] * 2), told([1, 1]), boxes).tolist() == [0, 0]


def is_one_group(encoder: Encoder, packs: Sequence[Image]) -> bool:
    crops = facings(packs)
    stands = group_facings(crops, encoder.encode(crops), row_of(len(packs)))
    return len(set(stands.tolist())) == 1


def test_the_starter_joins_facings_and_keeps_most_flavours_apart() -> None:
    """Rendered look-alikes, one layout and logo: those that are mixed are why grouping is off by default."""
    starter = load_encoder(EmbedSettings(device="cpu"))
    joined = mixed = 0
    for seed in range(8):
        one, other = (draw_packshot(design, 200) for design in make_brand_world(seed, 1, 2))
        joined += is_one_group(starter, [one, one])
        mixed += is_one_group(starter, [one, other])
    assert joined >= 7
    assert mixed <= 2
