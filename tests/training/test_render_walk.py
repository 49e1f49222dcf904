"""Films of walks: their truth agrees with their pixels, with their events and with itself."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from recognition.errors import OutputError, UsageError
from recognition.training.render.brands import SAMPLE_SEED
from recognition.training.render.truth import PLACE_COLUMNS
from recognition.training.render.walk import Film, WalkFrame, WalkStyle, render_film
from recognition.training.render.walk_camera import plane_homography, standing, walking
from recognition.training.render.walk_files import write_film, write_mp4
from recognition.training.render.walk_people import arm_offset, paint_arm, paint_pack, paint_person, texture
from recognition.training.render.walk_picture import pan_over
from recognition.training.render.walk_shelf import draw_panorama
from recognition.training.render.walk_view import box_corners

STYLE = WalkStyle(320, 180, fps=5.0, seconds=7.0, shelf_mm=(1500.0, 700.0), brands=5)


@pytest.fixture(scope="module")
def film() -> Film:
    return render_film(44, STYLE)


@pytest.fixture(scope="module")
def frames(film: Film) -> list[WalkFrame]:
    return list(film.frames())


def test_a_film_has_its_frames_and_happenings(film: Film, frames: list[WalkFrame]) -> None:
    assert len(frames) == STYLE.frames == 35
    assert {f.image.shape for f in frames} == {(180, 320, 3)}
    assert [f.seconds for f in frames] == [i / 5 for i in range(35)]
    assert sorted(e.kind for e in film.events) == ["restocked", "taken"]
    assert len(film.passing) == 1
    assert all(1 <= e.seconds <= 7 - 2.5 and e.sku for e in film.events)


def test_the_same_seed_gives_the_same_film(film: Film, frames: list[WalkFrame]) -> None:
    again = render_film(44, STYLE)
    assert again.events == film.events
    for _, frame, other in zip(range(3), again.frames(), frames, strict=False):
        np.testing.assert_array_equal(frame.image, other.image)
        assert frame.products == other.products


def test_seeds_of_the_samples_and_huge_shelves_are_refused() -> None:
    with pytest.raises(UsageError, match="samples"):
        render_film(SAMPLE_SEED, STYLE)
    with pytest.raises(UsageError, match="too wide"):
        draw_panorama(1, 9000.0, 1000.0, 1.0, 3)


def test_boxes_lie_where_the_homography_puts_the_packs(film: Film, frames: list[WalkFrame]) -> None:
    boxes = {i.number: i.box for i in film.panorama.instances}
    checked = 0
    for frame in frames:
        for product in frame.products:
            x0, y0, x1, y1 = product.box
            assert 0 <= x0 < x1 <= 320
            assert 0 <= y0 < y1 <= 180
            assert 0.3 <= product.visible <= 1
            if product.visible < 0.97 or min(x0, y0, 320 - x1, 180 - y1) < 2:
                continue
            corners = box_corners(boxes[product.instance], frame.homography)
            low, high = corners.min(axis=0), corners.max(axis=0)
            np.testing.assert_allclose([x0, y0, x1, y1], [*low, *high], atol=4)
            checked += 1
    assert checked > 500


def test_what_is_taken_is_gone_and_what_is_brought_stands(film: Film, frames: list[WalkFrame]) -> None:
    for event in film.events:
        seen = [any(p.instance == event.instance for p in f.products) for f in frames]
        before = [s for s, f in zip(seen, frames, strict=True) if f.seconds < event.seconds]
        after = [s for s, f in zip(seen, frames, strict=True) if f.seconds >= event.seconds]
        assert any(before) is (event.kind == "taken")
        assert any(after) is (event.kind == "restocked")


def test_the_picture_changes_where_a_pack_was_taken(film: Film) -> None:
    taken = next(e for e in film.events if e.kind == "taken")
    x0, y0, x1, y1 = (round(v) for v in next(i.box for i in film.panorama.instances if i.number == taken.instance))
    full, empty = film.panorama, film.emptied
    assert (full.owner[y0:y1, x0:x1] == taken.instance).mean() > 0.5
    assert not (empty.owner == taken.instance).any()
    assert np.abs(full.front[y0:y1, x0:x1].astype(int) - empty.front[y0:y1, x0:x1]).mean() > 10
    gone = {e.instance for e in film.events}
    others = np.unique(full.owner[~np.isin(full.owner, list(gone))])
    assert set(others) <= set(np.unique(empty.owner))


def test_the_planogram_follows_the_events(film: Film) -> None:
    count = {i.number for i in film.panorama.instances}
    assert len(film.planogram(0.0).products) == len(count) - 1  # what will be brought is not there yet
    assert len(film.planogram().products) == len(count) - 1  # what was taken is not there any more
    assert film.planogram(0.0) != film.planogram()
    for event in film.events:
        assert (event.instance in film.absent(1e9)) is (event.kind == "taken")


def test_people_hide_products(film: Film, frames: list[WalkFrame]) -> None:
    middle = frames[round(film.passing[0] * 5)]
    free = next(f for f in Film(**{**vars(film), "passing": ()}).frames() if f.index == middle.index)
    assert sum(p.visible for p in middle.products) < 0.9 * sum(p.visible for p in free.products)


def test_a_still_camera_does_not_move_but_its_picture_flickers() -> None:
    still = render_film(45, replace(STYLE, still=True, seconds=5.0, people=0, restocked=0, taken=0))
    shown = list(still.frames())
    assert not still.events
    assert len({f.homography.tobytes() for f in shown}) == 1
    assert {f.products for f in shown} == {shown[0].products}
    assert np.ptp([f.image.mean() for f in shown]) > 1


def test_a_walk_goes_from_end_to_end_and_shakes_only_when_told() -> None:
    rng = np.random.default_rng(0)
    rails = walking(50, 25.0, (320, 180), (4000.0, 700.0), 0.0, rng)
    x = [c.eye[0] for c in rails]
    assert x == sorted(x)
    first, last = (plane_homography(c, 0.0) for c in (rails[0], rails[-1]))
    ends = [cv2.perspectiveTransform(np.array([[[mm, 350.0]]]), h)[0, 0, 0] for mm, h in ((0.0, first), (4000.0, last))]
    assert 0 < ends[0] < 30
    assert 290 < ends[1] < 320
    assert {c.roll for c in rails} != {c.roll for c in walking(50, 25.0, (320, 180), (4000.0, 700.0), 1.0, rng)}
    assert len(set(standing(9, (320, 180), (4000.0, 700.0)))) == 1


def test_an_arm_a_pack_and_a_person_cover_what_they_hide() -> None:
    rng = np.random.default_rng(1)
    skin = texture((320, 180), [(90, 120, 180)], rng)
    for paint in (
        lambda image, covered: paint_arm(image, covered, (160.0, 90.0), 0.3, skin),
        lambda image, covered: paint_person(image, covered, 160.0, 0.3, skin, skin),
        lambda image, covered: paint_pack(image, covered, np.full((40, 20, 4), 255, np.uint8), (310.0, 90.0)),
    ):
        image, covered = np.zeros((180, 320, 3), np.uint8), np.zeros((180, 320), np.uint8)
        paint(image, covered)
        assert covered.any()
        assert not image[covered == 0][:, 1].max() > 120
        assert (image[covered > 0].max(axis=1) > 0).mean() > 0.95
    paint_pack(image, covered, np.full((40, 20, 4), 255, np.uint8), (-500.0, 90.0))  # outside the picture
    assert arm_offset(0) == 0
    assert arm_offset(-5) == arm_offset(5) == 1


def test_a_film_is_written_with_its_truth(tmp_path: Path) -> None:
    import av

    short = render_film(44, replace(STYLE, seconds=1.0, people=0, taken=0, restocked=0))
    path = write_film(short, tmp_path / "new", "w")
    with av.open(str(path)) as container:
        assert [(f.width, f.height) for f in container.decode(video=0)] == [(320, 180)] * 5
    truth = json.loads((tmp_path / "new/w.json").read_text())
    assert len(truth["frames"]) == 5
    assert truth["events"] == []
    assert {len(p) for f in truth["frames"] for p in f["products"]} == {7}
    with (tmp_path / "new/truth_planogram.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == PLACE_COLUMNS
    assert len(rows) == len(short.planogram().places)


def test_a_film_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write_mp4(tmp_path / "file" / "x.mp4", iter([np.zeros((16, 16, 3), np.uint8)]), 5.0)


def test_a_pan_over_a_picture_knows_where_it_is() -> None:
    picture = cv2.GaussianBlur(np.random.default_rng(2).integers(0, 255, (300, 500, 3)).astype(np.uint8), (0, 0), 3)
    shown = list(pan_over(picture, (160, 90), 12))
    assert len(shown) == 12
    for image, homography in shown:
        expected = cv2.warpPerspective(picture, homography, (160, 90), borderValue=(90, 90, 90))
        assert np.abs(image.astype(int) - expected).mean() < 1
    left, right = (
        cv2.perspectiveTransform(np.array([[[80.0, 45.0]]]), np.linalg.inv(h))[0, 0, 0] for _, h in shown[::11]
    )
    assert 60 < left < right - 100 < 400
