"""Multipacks: one product made of several packs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from recognition.training.render.brands import PackDesign, make_brand_world
from recognition.training.render.gondola import PlanStyle, Stock, plan_gondola
from recognition.training.render.multipacks import BUNDLED, draw_bundle, random_bundles

DESIGNS = [design for seed in range(41, 46) for design in make_brand_world(seed, 5, 5)]


def of_kind(kind: str) -> PackDesign:
    return next(design for design in DESIGNS if design.kind == kind)


@pytest.mark.parametrize("kind", sorted(BUNDLED))
def test_a_bundle_is_some_packs_wide_and_its_picture_has_its_proportions(kind: str) -> None:
    design, sizes = of_kind(kind), Counter()
    for seed in range(12):
        bundle = draw_bundle(design, np.random.default_rng(seed))
        wide, high = bundle.width_mm / design.width_mm, bundle.height_mm / design.height_mm
        sizes[round(wide), round(high)] += 1
        assert wide == pytest.approx(round(wide))
        assert high == pytest.approx(round(high))
        height, width = bundle.picture.shape[:2]
        assert width / height == pytest.approx(bundle.width_mm / bundle.height_mm, rel=0.05)
        assert bundle.picture.dtype == np.uint8
        assert (bundle.picture[..., 3] > 127).mean() > 0.5
    assert min(sizes)[0] >= 2
    assert len(sizes) > 1


def test_the_same_dice_draw_the_same_bundle_and_others_another() -> None:
    one, same, other = (draw_bundle(of_kind("can"), np.random.default_rng(seed)).picture for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_where_nothing_is_sold_in_bundles_there_are_none() -> None:
    boxes = [design for design in DESIGNS if design.kind not in BUNDLED]
    assert boxes
    assert random_bundles(boxes, 5, np.random.default_rng(1)) == []


def test_a_bundle_stands_on_the_shelf_as_one_product() -> None:
    rng = np.random.default_rng(3)
    cans = [of_kind("can"), of_kind("tin")]
    bundles = random_bundles(cans, 3, rng)
    stock = Stock.of(cans, [True, True]).with_bundles(bundles)
    gondola = plan_gondola(stock, PlanStyle(width=4000), rng)
    widths = {
        stock.designs[group.design].width_mm for shelf in gondola.shelves for group in shelf.groups if group.known
    }
    assert any(width == pytest.approx(bundle.width_mm) for width in widths for bundle in bundles)
    assert len({design.sku for design in stock.designs}) == 5
