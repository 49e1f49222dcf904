"""Training pairs, training shelves and the samples that training must not see."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from recognition.errors import OutputError, UsageError
from recognition.training.render import pairs, samples
from recognition.training.render.brands import RESERVED_SEEDS, SAMPLE_SEED
from recognition.training.render.packs import draw_packshot
from recognition.training.render.pairs import cut_out, render_training_shelves, shelf_view, training_world
from recognition.training.render.scene import Scene, SceneStyle


@pytest.mark.parametrize("seed", sorted(RESERVED_SEEDS))
def test_training_refuses_the_samples(seed: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="belongs to samples"):
        training_world(seed)
    with pytest.raises(UsageError, match="belongs to samples"):
        render_training_shelves(tmp_path, 1, seed)


def test_training_worlds_differ() -> None:
    assert len(training_world(1)) == 30
    assert {d.name for d in training_world(1)} != {d.name for d in training_world(2)}


def test_cut_out_takes_the_white_ground_only() -> None:
    shot = np.full((60, 50, 3), 255, np.uint8)
    assert cut_out(shot).shape == (60, 50, 4)  # nothing but ground: kept whole
    shot[10:50, 15:40] = (200, 30, 30)
    shot[20:30, 20:30] = 255
    cut = cut_out(shot)
    assert cut.shape[:2] == pytest.approx((40, 25), abs=2)
    assert (cut[..., 3] == 255).all()  # white inside the pack stays
    photo = np.full((30, 20, 3), 90, np.uint8)
    assert cut_out(photo).shape[:2] == pytest.approx((30, 20), abs=2)


def test_cut_out_mends_a_pack_that_the_flood_enters() -> None:
    shot = np.full((80, 60, 3), 255, np.uint8)
    shot[10:70, 10:50] = (20, 20, 120)
    shot[10:60, 20:40] = 255  # a white front open to the ground
    assert (cut_out(shot)[..., 3] > 0).mean() > 0.9


def test_shelf_views_are_small_varied_and_follow_their_seed() -> None:
    shot = draw_packshot(training_world(7)[0], 200)
    views = [shelf_view(shot, np.random.default_rng(seed), [shot]) for seed in range(25)]
    for view in views:
        assert view.dtype == np.uint8
        assert 20 <= view.shape[0] <= 150
        assert view.shape[2] == 3
        assert view.std() > 3
    assert len({v.shape for v in views}) > 15
    np.testing.assert_array_equal(views[3], shelf_view(shot, np.random.default_rng(3), [shot]))


def test_shelf_view_shows_the_pack() -> None:
    shot = np.full((100, 80, 3), 255, np.uint8)
    shot[10:90, 10:70] = (210, 20, 20)
    reds = [shelf_view(shot, np.random.default_rng(seed)).reshape(-1, 3).mean(axis=0) for seed in range(10)]
    assert all(r > g + 20 and r > b + 20 for r, g, b in reds)


def test_training_shelves_are_written_with_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "random_style", lambda rng: SceneStyle(320, 240))
    shot = draw_packshot(training_world(7)[0], 120)
    render_training_shelves(tmp_path / "none", 0, 1)
    steps: list[tuple[int, int]] = []
    scenes: list[Scene] = []
    draw = pairs.render_scene
    monkeypatch.setattr(pairs, "render_scene", lambda *given: scenes.append(draw(*given)) or scenes[-1])
    render_training_shelves(tmp_path, 2, 1, [shot], lambda *step: steps.append(step))
    assert steps == [(1, 2), (2, 2)]
    rows = [r for f in sorted((tmp_path / "labels").glob("*.txt")) for r in f.read_text().splitlines()]
    assert len(rows) == sum(len(scene.truth.products) for scene in scenes) > 10
    assert all(r.startswith("0 ") and all(0 <= float(v) <= 1 for v in r.split()[1:]) for r in rows)
    images = sorted((tmp_path / "images").glob("*.jpg"))
    assert [i.stem for i in images] == [f.stem for f in sorted((tmp_path / "labels").glob("*.txt"))]
    assert cv2.imread(str(images[0])).shape == (240, 320, 3)


def test_rendering_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "random_style", lambda rng: SceneStyle(160, 120))
    render_training_shelves(tmp_path / "whole", 4, 1)
    drawn: list[int] = []
    render_scene = pairs.render_scene

    def render(*scene: Any) -> Any:
        drawn.append(scene[2])
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return render_scene(*scene)

    monkeypatch.setattr(pairs, "THREADS", 1)
    monkeypatch.setattr(pairs, "render_scene", render)
    with pytest.raises(KeyboardInterrupt):
        render_training_shelves(tmp_path / "stopped", 4, 1)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "stopped").rglob("*.*")}
    assert before
    render_training_shelves(tmp_path / "stopped", 4, 1)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    for path in (tmp_path / "whole").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "stopped" / path.relative_to(tmp_path / "whole")).read_bytes()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "random_style", lambda rng: SceneStyle(160, 120))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        render_training_shelves(tmp_path / "file", 1, 1)
    with pytest.raises(OutputError, match="file"):
        samples.write_samples(tmp_path / "file", [])


def small_photo(turned: bool) -> samples.Photo:
    photo = samples.PHOTOS[-1 if turned else 0]
    return replace(photo, style=replace(photo.style, width=300, height=400))


def test_samples_are_a_catalogue_with_packshots_photos_and_truth(tmp_path: Path) -> None:
    truths = samples.write_samples(tmp_path, [small_photo(True)])
    with (tmp_path / "catalog.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == samples.CATALOG_COLUMNS
    assert len({r["sku"] for r in rows}) == 40
    assert len({r["brand"] for r in rows}) == 8
    for row in rows:
        with Image.open(tmp_path / row["image"]) as picture:
            assert 300 <= picture.height <= 500
            assert min(picture.getpixel((0, 0))) >= 254
    with Image.open(tmp_path / "photos" / "phone_upright.jpg") as photo:
        exif = photo.getexif()
        assert photo.size == (400, 300)
        assert exif[0x0112] == 6
        assert exif.get_ifd(0x8769)[0x9003] == "2026:11:03 10:42:17"
        assert exif.get_ifd(0x8769)[0x9011] == "+01:00"
    assert truths["photos/phone_upright.jpg"].products
    assert {p.sku for p in truths["photos/phone_upright.jpg"].products} - {""} <= {r["sku"] for r in rows}


def test_samples_hold_strangers_that_the_catalogue_does_not() -> None:
    stock = samples.sample_stock()
    known = {d.brand.name for d, k in zip(stock.designs, stock.known, strict=True) if k}
    strangers = {d.brand.name for d, k in zip(stock.designs, stock.known, strict=True) if not k}
    assert len(known) == 8
    assert strangers
    assert not known & strangers
    assert SAMPLE_SEED in RESERVED_SEEDS


def test_main_says_what_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(samples, "write_samples", lambda out: samples_truth(out, tmp_path))
    samples.main(["--out", str(tmp_path)])
    assert capsys.readouterr().out == f"{tmp_path / 'photos/a.jpg'}: 0 products, 0 positions\n"


def samples_truth(out: Path, expected: Path) -> dict[str, samples.SceneTruth]:
    assert out == expected
    return {"photos/a.jpg": samples.SceneTruth((), ())}


@pytest.mark.slow
def test_the_samples_of_the_repository_are_what_the_renderer_draws(tmp_path: Path) -> None:
    kept = Path(__file__).parents[2] / "samples"
    samples.write_samples(tmp_path)
    for name in ("catalog.csv", "truth.csv", "truth_planogram.csv"):
        assert (tmp_path / name).read_bytes() == (kept / name).read_bytes()
    for path in sorted(tmp_path.rglob("*.jpg")):
        with Image.open(path) as new, Image.open(kept / path.relative_to(tmp_path)) as old:
            np.testing.assert_array_equal(np.asarray(new), np.asarray(old))
    assert sum(f.stat().st_size for f in kept.rglob("*") if f.is_file()) < 5 * 2**20
