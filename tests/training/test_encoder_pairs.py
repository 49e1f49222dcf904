from __future__ import annotations

import cv2
import numpy as np
import pytest

from recognition.training import encoder_pairs
from recognition.training.crops import store, whole
from recognition.training.encoder_pairs import find_pairs
from recognition.training.material import Product
from recognition.training.render.packs import draw_packshot
from recognition.training.render.pairs import training_world

ALIKE = [1.0, 0.1]
OTHER = [0.1, 1.0]


@pytest.fixture(scope="module")
def packs() -> list[np.ndarray]:
    """Three rendered packs of different brands, RGB."""
    designs = {design.brand.name: design for design in training_world(1000)}
    return [draw_packshot(design, 220) for design in list(designs.values())[:3]]


def facing(pack: np.ndarray, turn: float, photo: str, named: bool = False) -> Product:
    """A pack as a camera sees it: turned by some degrees, smaller, on grey."""
    height, width = pack.shape[:2]
    how = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 0.85)
    seen = cv2.warpAffine(pack, how, (width, height), borderValue=(90, 90, 90))
    crop = store(seen[:, :, ::-1], (0, 0, width, height))
    return Product(f"{photo}{turn}", (), (crop,), photo, named)


def unit(rows: list[list[float]]) -> np.ndarray:
    vectors = np.array(rows, np.float32).reshape(len(rows), -1)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_no_products_and_none_without_a_name(packs: list[np.ndarray]) -> None:
    told: list[str] = []
    empty = find_pairs([], np.zeros((0, 2), np.float32), told.append)
    assert (empty.same.shape, empty.family.tolist(), empty.partners()) == ((0, 2), [], {})
    named = [facing(packs[0], turn, "x", named=True) for turn in (0, 3)]
    assert find_pairs(named, unit([ALIKE, ALIKE]), told.append).partners() == {}
    assert told == [], "catalogues are not compared"


def test_what_is_printed_decides_within_a_photo_and_across(packs: list[np.ndarray]) -> None:
    """To the encoder the first four are alike: three facings of pack 0, one of them in photo b, and pack 1."""
    products = [
        whole_product(packs[2]),
        facing(packs[0], 0, "a"), facing(packs[0], 4, "a"), facing(packs[0], -5, "b"), facing(packs[1], 2, "b"),
        facing(packs[2], 1, "b"),
    ]  # fmt: skip
    told: list[str] = []
    pairs = find_pairs(products, unit([OTHER, ALIKE, ALIKE, ALIKE, ALIKE, OTHER]), told.append)
    assert pairs.same.tolist() == [[1, 2], [1, 3], [2, 3]]
    assert pairs.partners() == {1: [2, 3], 2: [1, 3], 3: [1, 2]}
    family = pairs.family.tolist()
    assert family[1] == family[2] == family[3]
    assert len({family[0], family[1], family[4], family[5]}) == 4
    assert told[-1] == "3 pairs show one product"


def whole_product(pack: np.ndarray) -> Product:
    return Product("named", (whole(pack),), (), "brand")


def test_facings_that_the_encoder_finds_unlike_are_not_compared(
    packs: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_pairs, "_PART", 1)
    products = [facing(packs[0], 0, "a"), facing(packs[0], 3, "b")]
    assert find_pairs(products, unit([ALIKE, OTHER]), lambda _: None).same.size == 0
    assert find_pairs(products, unit([ALIKE, ALIKE]), lambda _: None).same.tolist() == [[0, 1]]


def test_keypoints_that_were_forgotten_are_found_again(
    packs: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    products = [facing(pack, turn, photo) for photo, turn in (("a", 0), ("b", 4)) for pack in packs]
    likeness = unit([ALIKE] * 6)
    wanted = find_pairs(products, likeness, lambda _: None)
    monkeypatch.setattr(encoder_pairs, "_KEPT", 1)
    assert find_pairs(products, likeness, lambda _: None).same.tolist() == wanted.same.tolist()
    assert {tuple(pair) for pair in wanted.same.tolist()} <= {(0, 3), (1, 4), (2, 5)} and len(wanted.same) >= 2
