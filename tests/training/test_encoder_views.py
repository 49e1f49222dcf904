from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from training.encoder_shop import pack, product

from recognition.embedding.preprocess import PreprocessSpec
from recognition.training.crops import some_boxes, store, whole
from recognition.training.encoder_probe import distinct, make_probe
from recognition.training.material import Product, Source
from recognition.training.views import Batches, two_pictures, two_views

SPEC = PreprocessSpec((32, 32), "pad", (32, 32), "area", (0.5,) * 3, (0.5,) * 3)  # type: ignore[arg-type]


def batches(seed: int = 1, size: int = 16) -> Batches:
    named = Source("products", 44, 4, tuple(product(i, f"brand {i % 5}") for i in range(40)))
    shelf = Source("photos", 44, 4, tuple(product(100 + i, f"photo {i % 4}", False) for i in range(30)))
    return Batches([named, shelf], {}, size, SPEC, seed)


def test_a_step_and_a_seed_fix_the_batch_from_any_thread() -> None:
    one, other = batches(), batches()
    with ThreadPoolExecutor(2) as pool:
        drawn = list(pool.map(other.draw, (3, 2, 1)))
    for step, found in zip((3, 2, 1), drawn, strict=True):
        again = one.draw(step)
        for name in ("references", "views", "rows"):
            np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert not np.array_equal(drawn[0].rows, drawn[1].rows)
    assert not np.array_equal(batches(2).draw(3).rows, drawn[0].rows)


def test_sources_share_a_batch_and_each_product_stands_once() -> None:
    batch = batches().draw(0)
    assert batch.references.shape == batch.views.shape == (16, 32, 32, 3)
    assert len(set(batch.rows.tolist())) == 16
    assert (batch.rows < 40).sum() == 8


def test_look_alikes_are_drawn_together() -> None:
    groups = Counter(int(row) % 5 for row in batches().draw(0).rows if row < 40)
    assert len(groups) <= 3


def test_confirmed_facings_show_each_other() -> None:
    """Facing 0 was confirmed as the product of facing 1; the view of facing 2 can only be its own."""
    colours = [(200, 0, 0), (0, 0, 200), (0, 200, 0)]
    facings = [whole(np.full((20, 20, 3), colour, np.uint8)) for colour in colours]
    shelf = Source("photos", 44, 3, tuple(Product(str(i), (), (f,), "photo", False) for i, f in enumerate(facings)))
    drawer = Batches([shelf], {0: [1], 1: [0]}, 3, SPEC, 1)
    crossed = Counter()
    for step in range(40):
        batch = drawer.draw(step)
        for row, view in zip(batch.rows.tolist(), batch.views, strict=True):
            shown = int(view[12:20, 12:20].reshape(-1, 3).mean(axis=0)[[0, 2, 1]].argmax())
            crossed[row] += shown != row
    assert 8 < crossed[0] < 32 and 8 < crossed[1] < 32 and crossed[2] == 0


def test_a_photo_of_a_product_is_preferred_to_its_reference() -> None:
    both = Product("sku", product(1).clean, product(2, named=False).seen, "brand")
    drawn = [two_pictures(both, random.Random(seed)) for seed in range(60)]
    assert all(reference is both.clean[0] for reference, _ in drawn)
    assert 30 < sum(other is both.seen[0] for _, other in drawn) < 55
    only = product(1)
    assert two_pictures(only, random.Random(1)) == (only.clean[0], only.clean[0])


def test_white_around_a_pack_becomes_the_background() -> None:
    image = np.full((60, 60, 3), 255, np.uint8)
    image[15:45, 15:45] = (200, 0, 0)
    clean = whole(image)
    green = whole(np.full((20, 20, 3), (0, 200, 0), np.uint8))
    shares = []
    for seed in range(20):
        _, view = two_views(clean, clean, green, 32, random.Random(seed))
        shares.append(((view[..., 1] > view[..., 0]) & (view[..., 1] > view[..., 2])).mean())
    assert np.median(shares) > 0.3


@pytest.mark.parametrize(
    ("box", "shape", "inside"),
    [
        ((20, 20, 60, 80), (78, 58), (9, 9, 49, 69)),
        ((-5, 0, 20, 20), (23, 23), (0, 0, 20, 20)),
        ((0, 0, 100, 100), (100, 100), (0, 0, 100, 100)),
        ((120, 130, 140, 150), (1, 1), None),
    ],
)
def test_crops_keep_some_surroundings(box: tuple[int, ...], shape: tuple[int, int], inside: object) -> None:
    crop = store(np.zeros((100, 100, 3), np.uint8), box)
    assert crop.image().shape[:2] == shape
    assert inside is None or crop.box.tolist() == pytest.approx(inside)
    assert crop.tight().size > 0


def test_stored_pictures_are_small_and_keep_their_colours() -> None:
    crop = whole(np.full((1000, 400, 3), (200, 30, 60), np.uint8), longest=100)
    assert crop.image().shape == (100, 40, 3) and crop.box.tolist() == [0, 0, 40, 100]
    assert np.abs(crop.tight().mean((0, 1)) - (200, 30, 60)).max() < 5


def test_boxes_too_small_to_tell_anything_are_left_out() -> None:
    boxes = np.array([[0, 0, 100, 100], [0, 0, 21, 300], [0, 0, 40, 40]], float)
    assert list(some_boxes(boxes, random.Random(1))) == [[0, 0, 100, 100]]
    assert list(some_boxes(np.zeros((0, 4)), random.Random(1))) == []
    assert len(list(some_boxes(np.tile(boxes[:1], (200, 1)), random.Random(1)))) == 70


class Perfect:
    """Tells packs apart by their mean colour, which views change little."""

    name, dim, fingerprint = "perfect", 3, ""

    def encode(self, crops: object) -> np.ndarray:
        means = np.array([crop.mean((0, 1)) for crop in crops], np.float32)  # type: ignore[attr-defined]
        means -= means.mean(axis=0)
        return means / np.linalg.norm(means, axis=1, keepdims=True)


def test_recall_of_a_probe() -> None:
    products = [product(i) for i in range(10)]
    probe = make_probe(products, [whole(pack(99))], 32, seed=1)
    assert len(probe.references) == 10 and probe.owner.tolist() == [i // 2 for i in range(20)]
    again = make_probe(products, [whole(pack(99))], 32, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(probe.queries, again.queries, strict=True))
    assert 0.1 < probe.recall(Perfect()) <= 1


def test_facings_of_a_held_out_photo_that_may_be_one_product() -> None:
    likeness = np.array([[1, 0], [1, 0.1], [0, 1], [1, 0]], np.float32)
    likeness /= np.linalg.norm(likeness, axis=1, keepdims=True)
    shelf = [product(i, "photo 1" if i < 3 else "photo 2", False) for i in range(4)]
    assert distinct(shelf, likeness) == [shelf[0], shelf[2], shelf[3]]
    named = [product(i) for i in range(4)]
    assert distinct(named, likeness) == named
