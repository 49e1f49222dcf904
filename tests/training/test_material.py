from __future__ import annotations

import pytest
from training.encoder_shop import product

from recognition.errors import UsageError
from recognition.training.material import Product, Source, hold_out, merge_named


def source(count: int, groups: int, name: str = "products", named: bool = True) -> Source:
    return Source(name, 44, 4, tuple(product(i, f"group {i % groups}", named) for i in range(count)))


@pytest.mark.parametrize("counts", [[], [0], [23], [23, 10]])
def test_too_few_products(counts: list[int]) -> None:
    with pytest.raises(UsageError, match="too few"):
        hold_out([source(count, 2) for count in counts], seed=1)


@pytest.mark.parametrize(("count", "groups", "held"), [(24, 1, 8), (24, 24, 8), (100, 7, 20), (1500, 30, 200)])
def test_a_part_is_held_out_and_never_trained_on(count: int, groups: int, held: int) -> None:
    given = source(count, groups)
    material = hold_out([given], seed=1)
    assert len(material.held_out) == held and material.held_out_of == "products"
    assert {p.key for p in material.products} == {p.key for p in given.products} - {p.key for p in material.held_out}


def test_look_alikes_are_held_out_together_and_the_seed_says_which() -> None:
    draws = [hold_out([source(100, 10)], seed).held_out for seed in (1, 1, 2)]
    assert len({p.group for p in draws[0]}) == 2
    assert [p.key for p in draws[0]] == [p.key for p in draws[1]] != [p.key for p in draws[2]]


def test_of_photos_whole_ones_are_left_out() -> None:
    material = hold_out([source(100, 7, named=False)], seed=1)
    held = {p.group for p in material.held_out}
    assert held and not held & {p.group for p in material.products}


def test_facings_of_one_photo_are_split() -> None:
    material = hold_out([source(40, 1, named=False)], seed=1)
    assert (len(material.held_out), len(material.products)) == (8, 32)


def test_the_first_source_that_is_large_enough() -> None:
    material = hold_out([source(5, 1, "products"), source(0, 1, "photos"), source(30, 3, "rendered")], seed=1)
    assert material.held_out_of == "rendered"
    assert [(s.name, len(s.products)) for s in material.sources] == [("products", 5), ("rendered", 22)]


def test_the_digest_changes_with_the_pictures() -> None:
    whole, same = (hold_out([source(40, 4)], seed=1).digest for _ in range(2))
    fewer = hold_out([Source("products", 44, 4, source(40, 4).products[1:])], seed=1).digest
    assert whole == same != fewer


def test_crops_join_the_reference_of_their_sku() -> None:
    reference, crop, stranger = product(1), product(2), product(3)
    seen = Product("sku 1", (), crop.clean, "crops")
    joined = merge_named([reference], [seen, Product("sku 9", (), stranger.clean, "crops")])
    assert [(p.key, p.group, len(p.clean), len(p.seen)) for p in joined] == [
        ("sku 1", "brand A", 1, 1), ("sku 9", "crops", 0, 1),
    ]  # fmt: skip
    assert joined[0].first is reference.clean[0] and joined[1].first is stranger.clean[0]
