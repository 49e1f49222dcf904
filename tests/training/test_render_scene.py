"""Shelf scenes: camera, plan, pixels and their truth."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recognition.errors import UsageError
from recognition.training.render.brands import make_brand_world
from recognition.training.render.camera import Camera, Look, develop, jpeg_bytes, random_look
from recognition.training.render.canvas import Canvas, shrink
from recognition.training.render.gondola import GAP, PlanStyle, Stock, plan_gondola
from recognition.training.render.scene import Scene, SceneStyle, random_style, render_scene
from recognition.training.render.surroundings import BARE, Surroundings
from recognition.training.render.truth import (
    MIN_VISIBLE,
    PLACE_COLUMNS,
    PRODUCT_COLUMNS,
    Gap,
    SceneTruth,
    Seen,
    number_places,
    visible_boxes,
    write_truth,
    yolo_lines,
)

STRAIGHT = Camera((0.0, 0.0, 1000.0), 0.0, 0.0, 0.0, 500.0, 400, 300)
SMALL = SceneStyle(480, 360, PlanStyle(1100, 700, gaps=0.15, unknowns=0.2), side=0.1, up=0.05)


def make_stock() -> Stock:
    designs = make_brand_world(5, 4, 5)
    return Stock.of(designs, [i < 14 for i in range(len(designs))])


@pytest.fixture(scope="module")
def scene() -> Scene:
    return render_scene(make_stock(), SMALL, 3)


@pytest.mark.parametrize(
    ("camera", "point", "pixel"),
    [
        (STRAIGHT, (0, 0, 0), (200, 150)),
        (STRAIGHT, (100, 0, 0), (250, 150)),
        (STRAIGHT, (0, 100, 0), (200, 100)),
        (STRAIGHT, (100, 100, 500), (300, 50)),
        (replace(STRAIGHT, eye=(0, 300, 1000), pitch=float(np.arctan(0.3))), (0, 0, 0), (200, 150)),
        (replace(STRAIGHT, eye=(300, 0, 1000), yaw=-float(np.arctan(0.3))), (0, 0, 0), (200, 150)),
    ],
)
def test_projection(camera: Camera, point: tuple[float, ...], pixel: tuple[float, float]) -> None:
    np.testing.assert_allclose(camera.project(np.array([point], float)), [pixel], atol=1e-6)


def test_a_perfect_look_changes_nothing_and_a_bad_one_does() -> None:
    image = np.random.default_rng(0).integers(20, 200, (60, 80, 3)).astype(np.uint8)
    np.testing.assert_array_equal(develop(image, Look(), np.random.default_rng(1)), image)
    look = replace(random_look(np.random.default_rng(2)), glare=2, motion=3, noise=5.0)
    bad = [develop(image, look, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(bad[0], bad[1])
    assert (bad[0] != bad[2]).any()
    assert len(jpeg_bytes(image, 40)) < len(jpeg_bytes(image, 95))


def test_canvas_knows_who_owns_each_pixel() -> None:
    canvas = Canvas(STRAIGHT)
    texture = np.full((50, 50, 4), 255, np.uint8)
    square = np.array([[0, 100, 0], [100, 100, 0], [100, 0, 0], [0, 0, 0]], float)
    canvas.sprite(texture, square, 1)
    canvas.sprite(texture, np.add(square, [50, 0, 1]), 2)
    boxes = visible_boxes(canvas.owner)
    assert canvas.areas[1] == pytest.approx(2500, rel=0.05)
    assert boxes[1][1] / canvas.areas[1] == pytest.approx(0.5, abs=0.05)
    assert boxes[2][0] == pytest.approx((225, 100, 275, 150), abs=2)
    canvas.fill(np.add(square, [50, 0, 2]), (9, 9, 9))
    assert 2 not in visible_boxes(canvas.owner)
    canvas.sprite(texture, np.add(square, [5000, 0, 0]), 3)  # outside the picture
    assert 3 not in canvas.areas


def test_a_product_at_the_edge_is_seen_in_part() -> None:
    canvas = Canvas(STRAIGHT)
    square = np.array([[350, 100, 0], [450, 100, 0], [450, 0, 0], [350, 0, 0]], float)
    canvas.sprite(np.full((50, 50, 4), 255, np.uint8), square, 1)
    ((box, pixels),) = visible_boxes(canvas.owner).values()
    assert box == pytest.approx((375, 100, 400, 150), abs=1)
    assert pixels / canvas.areas[1] == pytest.approx(0.5, abs=0.05)


def test_shrink_never_enlarges() -> None:
    texture = np.zeros((100, 60, 4), np.uint8)
    assert shrink(texture, 500) is texture
    assert shrink(texture, 20).shape == (23, 14, 4)


@pytest.mark.parametrize("seed", range(6))
def test_plan_keeps_its_rules(seed: int) -> None:
    stock = make_stock()
    plan = plan_gondola(stock, PlanStyle(1500, 1200, gaps=0.15, unknowns=0.2), np.random.default_rng(seed))
    for shelf in plan.shelves:
        for left, right in zip(shelf.groups, shelf.groups[1:], strict=False):
            assert left.x + left.width <= right.x
            assert left.design == GAP or left.design != right.design or not left.known
        for number, group in enumerate(shelf.groups):
            members = [u for u in shelf.units if u.group == number and u.row == 0]
            assert bool(members) is (group.design != GAP)
            assert group.known or len(members) <= 1
            assert all(u.y + stock.designs[u.design].height_mm <= shelf.y + shelf.clear for u in members)
        assert shelf.groups[-1].x <= plan.width


def test_plan_refuses_a_stock_of_one() -> None:
    stock = Stock.of(make_brand_world(1, 1, 1), [True])
    with pytest.raises(UsageError, match="1 packs"):
        plan_gondola(stock, PlanStyle(), np.random.default_rng(0))


def test_scene_is_the_same_for_the_same_seed(scene: Scene) -> None:
    again = render_scene(make_stock(), SMALL, 3)
    np.testing.assert_array_equal(scene.image, again.image)
    assert scene.truth == again.truth
    assert render_scene(make_stock(), SMALL, 4).truth != scene.truth


def test_truth_lies_in_the_picture_and_agrees_with_itself(scene: Scene) -> None:
    assert scene.image.shape == (360, 480, 3)
    assert len(scene.truth.products) > 15
    skus = {d.sku for d, known in zip(make_stock().designs, make_stock().known, strict=True) if known}
    places = {(p.shelf, p.position): p for p in scene.truth.places}
    assert len(places) == len(scene.truth.places)
    for product in scene.truth.products:
        x0, y0, x1, y1 = product.box
        assert 0 <= x0 < x1 <= 480
        assert 0 <= y0 < y1 <= 360
        assert MIN_VISIBLE <= product.visible <= 1.05
        assert product.sku == "" or product.sku in skus
        assert places[product.shelf, product.position].sku == product.sku
    for (shelf, position), place in places.items():
        members = [p for p in scene.truth.products if (p.shelf, p.position) == (shelf, position)]
        assert (len(members) == 0) is (place.status == "empty")
        assert len(members) <= place.facings_wide * place.facings_high
        assert place.status != "unknown" or len(members) == 1


def test_shelves_count_upwards_and_positions_to_the_right(scene: Scene) -> None:
    feet = {s: np.median([p.box[3] for p in scene.truth.products if p.shelf == s]) for s in (1, 2)}
    assert feet[1] > feet[2]
    for shelf in {p.shelf for p in scene.truth.places}:
        row = [p for p in scene.truth.places if p.shelf == shelf]
        assert [p.position for p in row] == list(range(1, len(row) + 1))
        centres = [p.box[0] + p.box[2] for p in row]
        assert centres == sorted(centres)


def test_what_stands_in_the_way_takes_from_the_truth() -> None:
    free = render_scene(make_stock(), replace(SMALL, talkers=0), 3).truth
    hidden = render_scene(make_stock(), replace(SMALL, talkers=12, hand=True, cart=True), 3).truth
    assert sum(p.visible for p in hidden.products) < sum(p.visible for p in free.products)


def test_boxes_are_tight_around_a_pack_of_its_own_colour() -> None:
    picture = np.zeros((80, 60, 4), np.uint8)
    picture[...] = (255, 0, 255, 255)
    stock = Stock.of(make_brand_world(5, 1, 2), [False, True]).with_pictures([picture])
    style = replace(SMALL, talkers=0, plan=replace(SMALL.plan, unknowns=0, max_wide=1, tidy=1.3))
    image, truth = (s := render_scene(stock, style, 8)).image.astype(int), s.truth
    pink = (image[..., 0] > 60) & (image[..., 2] > 60) & (image[..., 1] < 25)
    boxes = [p.box for p in truth.products if p.sku.startswith("picture")]
    assert boxes
    for x0, y0, x1, y1 in boxes:
        inside = pink[int(y0) : int(y1), int(x0) : int(x1)]
        assert inside[1:-1, 1:-1].mean() > 0.6
        assert inside[:3].any()
        assert inside[-3:].any()
        assert inside[:, :3].any()
        assert inside[:, -3:].any()


@pytest.mark.parametrize("about", [Surroundings(posters=6), Surroundings(boards=6)])
def test_what_stands_about_the_shelves_is_seen_and_is_no_product(about: Surroundings) -> None:
    style = replace(SMALL, zoom=0.6, talkers=0)
    bare, scene = (render_scene(make_stock(), replace(style, about=a), 3) for a in (BARE, about))
    assert scene.truth == bare.truth
    changed = np.abs(scene.image.astype(int) - bare.image).max(axis=2) > 40
    assert changed.mean() > 0.03
    for product in bare.truth.products:
        x0, y0, x1, y1 = (int(v) for v in product.box)
        assert changed[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2].mean() < 0.1


def test_random_styles_differ() -> None:
    styles = [random_style(np.random.default_rng(seed)) for seed in range(30)]
    assert 3 < sum(s.zoom < 0.9 for s in styles) < 20
    assert {s.about.posters > 0 for s in styles} == {s.about.boards > 0 for s in styles} == {True, False}
    assert {s.width > s.height for s in styles} == {True, False}
    assert len({s.side for s in styles}) == 30


def seen(shelf: int, group: int, x: float, sku: str = "a", column: int = 0, level: int = 0) -> Seen:
    return Seen((x, 0, x + 10, 20), 1.0, sku, shelf, group, column, level)


@pytest.mark.parametrize(
    ("products", "gaps", "places"),
    [
        ([], [], []),
        ([], [Gap((0, 0, 9, 9), 0, 0)], []),
        ([seen(0, 0, 0), seen(0, 0, 10, column=1)], [], [(1, 1, "recognized", 2, 1)]),
        ([seen(0, 0, 0), seen(0, 0, 0, level=1)], [], [(1, 1, "recognized", 1, 2)]),
        ([seen(2, 4, 0), seen(5, 1, 0, sku="")], [], [(1, 1, "recognized", 1, 1), (2, 1, "unknown", 1, 1)]),
        (
            [seen(0, 1, 0), seen(0, 3, 40)],
            [Gap((0, 0, 9, 9), 0, 0), Gap((15, 0, 35, 20), 0, 2), Gap((60, 0, 80, 20), 0, 4)],
            [(1, 1, "recognized", 1, 1), (1, 2, "empty", 0, 0), (1, 3, "recognized", 1, 1)],
        ),
    ],
)
def test_numbering(products: list[Seen], gaps: list[Gap], places: list[tuple[int, int, str, int, int]]) -> None:
    truth = number_places(products, gaps)
    assert [(p.shelf, p.position, p.status, p.facings_wide, p.facings_high) for p in truth.places] == places
    assert len(truth.products) == len(products)


def test_nothing_owned_has_no_boxes() -> None:
    assert visible_boxes(np.zeros((4, 4), np.int32)) == {}


def test_files_of_truth(tmp_path: Path, scene: Scene) -> None:
    write_truth(tmp_path, {"empty.jpg": SceneTruth((), ()), "a/b.jpg": scene.truth})
    with (tmp_path / "truth.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == PRODUCT_COLUMNS
    assert len(rows) == len(scene.truth.products)
    assert float(rows[0]["x_min"]) == scene.truth.products[0].box[0]
    with (tmp_path / "truth_planogram.csv").open(newline="", encoding="utf-8") as file:
        places = list(csv.DictReader(file))
    assert tuple(places[0]) == PLACE_COLUMNS
    assert [int(p["position"]) for p in places] == [p.position for p in scene.truth.places]


def test_yolo_lines() -> None:
    truth = number_places([seen(0, 0, 20)], [])
    assert yolo_lines(SceneTruth((), ()), 100, 50) == ""
    assert yolo_lines(truth, 100, 50) == "0 0.250000 0.200000 0.100000 0.400000\n"
