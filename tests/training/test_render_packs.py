"""Invented packs: names, numbers, look-alikes and pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recognition.training.render.art import MOTIFS, motif, stamp, tone
from recognition.training.render.assortment import LINES, SIZES_MM
from recognition.training.render.brands import SAMPLE_SEED, gtin13, make_brand_world
from recognition.training.render.faces import contrast, draw_face
from recognition.training.render.lettering import TextStyle, paint, text_mask, write
from recognition.training.render.packs import draw_pack, draw_packshot


@pytest.mark.parametrize(("brands", "skus", "count"), [(0, 5, 0), (1, 1, 1), (3, 4, 12), (8, 5, 40)])
def test_world_has_the_wanted_number_of_packs(brands: int, skus: int, count: int) -> None:
    world = make_brand_world(3, brands, skus)
    assert len(world) == count
    assert len({d.sku for d in world}) == len({d.gtin for d in world}) == count


def test_world_follows_its_seed() -> None:
    assert make_brand_world(3, 2, 4) == make_brand_world(3, 2, 4)
    assert make_brand_world(3, 2, 4) != make_brand_world(4, 2, 4)


def test_sample_brands_are_named_like_no_other() -> None:
    sample = {d.brand.name for d in make_brand_world(SAMPLE_SEED, 8, 5)}
    others = {d.brand.name for seed in range(60) for d in make_brand_world(seed, 8, 1)}
    assert sample
    assert not sample & others


@pytest.mark.parametrize(("number", "gtin"), [(0, "2000000000008"), (1, "2000000000015"), (12345, "2000000123455")])
def test_gtin_ends_with_its_check_digit(number: int, gtin: str) -> None:
    assert gtin13(number) == gtin
    assert sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(gtin)) % 10 == 0


def test_lines_hold_look_alikes() -> None:
    world = make_brand_world(5, 6, 6)
    lines: dict[int, list[str]] = {}
    for design in world:
        lines.setdefault(design.line_seed, []).append(design.flavour.name)
    assert any(len(set(flavours)) > 1 for flavours in lines.values())
    sizes = [(a, b) for a in world for b in world if a.line_seed == b.line_seed and a.rank < b.rank]
    assert sizes
    for small, large in sizes:
        assert large.height_mm > small.height_mm
        assert large.amount != small.amount
        assert not np.isclose(large.width_mm / large.height_mm, small.width_mm / small.height_mm, rtol=0.1)


def test_every_line_names_packs_and_pictures_that_exist() -> None:
    for _, _, kinds, amounts, flavours in LINES:
        assert set(kinds) <= set(SIZES_MM)
        assert len(amounts) == 3
        assert {f.motif for f in flavours} <= set(MOTIFS)


@pytest.mark.parametrize("kind", sorted(SIZES_MM))
def test_pack_fills_its_silhouette(kind: str) -> None:
    design = replace(make_brand_world(1, 1, 1)[0], kind=kind, width_mm=80.0, height_mm=160.0)
    pack = draw_pack(design, 120)
    assert pack.shape == (120, 60, 4)
    assert pack.dtype == np.uint8
    opaque = pack[..., 3] > 127
    assert opaque.mean() > 0.45
    assert opaque.any(axis=1).mean() > 0.97
    assert pack[opaque][:, :3].std() > 5
    np.testing.assert_array_equal(pack, draw_pack(design, 120))


def test_flavour_changes_the_picture_and_size_does_not_change_the_colours() -> None:
    world = make_brand_world(5, 6, 6)
    first = world[0]
    other = next(d for d in world if d.line_seed == first.line_seed and d.flavour != first.flavour)
    same_size = replace(other, width_mm=first.width_mm, height_mm=first.height_mm)
    one, two = draw_pack(first, 150).astype(int), draw_pack(same_size, 150).astype(int)
    assert np.abs(one - two).max() > 40
    np.testing.assert_array_equal(one[..., 3], two[..., 3])


def test_packshot_stands_on_pure_white() -> None:
    shot = draw_packshot(make_brand_world(2, 1, 1)[0], 300)
    assert abs(shot.shape[0] - 300) <= 2
    assert (shot[:5] == 255).all()
    assert (shot[:, :5] == 255).all()
    assert (shot < 200).any()


@pytest.mark.parametrize("name", sorted(MOTIFS))
def test_motifs_draw_something(name: str) -> None:
    sprite = motif(name, (200, 60, 40))
    assert 0.05 < (sprite[..., 3] > 127).mean() <= 1
    canvas = np.zeros((60, 60, 3), np.uint8)
    stamp(canvas, sprite, 30, 30, 40, 20)
    assert canvas.any()
    assert not canvas[:3].any()


def test_stamp_outside_the_picture_changes_nothing() -> None:
    canvas = np.zeros((20, 20, 3), np.uint8)
    stamp(canvas, motif("sun", (9, 9, 9)), -200, 5, 30)
    assert not canvas.any()


@pytest.mark.parametrize(("factor", "colour"), [(0.5, (50, 100, 10)), (1.0, (100, 200, 20)), (2.0, (255, 255, 255))])
def test_tone(factor: float, colour: tuple[int, int, int]) -> None:
    assert tone((100, 200, 20), factor) == colour


@pytest.mark.parametrize(("ground", "dark"), [((255, 255, 255), True), ((250, 220, 0), True), ((20, 20, 90), False)])
def test_contrast_can_be_read(ground: tuple[int, int, int], dark: bool) -> None:
    assert (sum(contrast(ground)) < 200) is dark


@pytest.mark.parametrize("style", [TextStyle(face=f, slant=s, spacing=p, arc=a) for f in range(3)
                                   for s, p, a in ((0, 0, 0), (0.2, 0, 0.3), (-0.1, 0.2, -0.2))])  # fmt: skip
def test_text_masks(style: TextStyle) -> None:
    assert text_mask("", style).max(initial=0) == 0
    mask = text_mask("Nordela 500 g", style)
    assert mask.max() > 200
    assert mask.shape[1] > 2 * mask.shape[0]
    assert mask[:, 0].any() or mask[:, 1].any()


def test_write_stays_in_its_box_and_paint_clips() -> None:
    canvas = np.zeros((40, 200, 3), np.uint8)
    write(canvas, "Words", TextStyle(), (50, 10, 100, 20), (255, 0, 0))
    assert canvas[..., 0].max() > 200
    assert not canvas[..., 1:].any()
    rows, columns = np.nonzero(canvas[..., 0])
    assert rows.min() >= 9
    assert rows.max() <= 31
    assert columns.min() >= 49
    assert columns.max() <= 151
    before = canvas.copy()
    paint(canvas, np.full((5, 5), 255, np.uint8), 300, 300, (1, 2, 3))
    np.testing.assert_array_equal(canvas, before)


@pytest.mark.parametrize(("width", "height"), [(8, 8), (40, 120), (200, 60)])
def test_faces_of_any_shape(width: int, height: int) -> None:
    for design in make_brand_world(9, 3, 2):
        assert draw_face(design, width, height).shape == (height, width, 3)
