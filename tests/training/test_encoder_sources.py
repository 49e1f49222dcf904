from __future__ import annotations

import csv
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeDetector, FakeEncoder
from PIL import Image
from training.encoder_shop import catalog, pack

from recognition.errors import RecognitionError, UsageError
from recognition.skus.build import build_database
from recognition.skus.source import read_source
from recognition.training import encoder_sources
from recognition.training.encoder_shelves import read_shelves
from recognition.training.encoder_sources import (
    read_crops,
    read_database,
    read_packshots,
    read_references,
    render_packs,
)  # fmt: skip
from recognition.training.material import Product


def quiet(text: str) -> None:
    pass


def names(products: tuple[Product, ...]) -> list[tuple[str, str, int, int, bool]]:
    return [(p.key, p.group, len(p.clean), len(p.seen), p.named) for p in products]


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def test_a_catalogue(tmp_path: Path) -> None:
    file = catalog(tmp_path, 3, brands=2)
    (tmp_path / "1.png").write_bytes(b"no picture")
    with file.open("a") as lines:
        lines.write("sku 0,2.png,brand 0\n")
    said: list[str] = []
    found = names(read_references(file, None, 40, 1, said.append))
    assert found == [("sku 0", "brand brand 0", 2, 0, True), ("sku 2", "brand brand 0", 1, 0, True)]
    assert len(said) == 1 and "1.png" in said[0]


def test_a_database(tmp_path: Path) -> None:
    source = read_source(catalog(tmp_path / "packs", 4, brands=2))
    build_database(source, tmp_path / "db", FakeEncoder())
    found = read_database(tmp_path / "db", 40, 1, quiet)
    assert sorted(names(found)) == [(f"sku {i}", f"brand brand {i % 2}", 1, 0, True) for i in range(4)]
    assert max(found[0].first.image().shape) <= 40


def test_a_large_catalogue_is_drawn_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_sources, "MOST_PRODUCTS", 3)
    file = catalog(tmp_path, 9)
    said: list[str] = []
    draws = [[p.key for p in read_references(file, None, 40, seed, said.append)] for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2] and len(draws[0]) == 3
    assert said[0] == "9 SKUs: 3 of them are drawn"


def test_folders_named_by_sku(tmp_path: Path) -> None:
    for sku, count in (("cola", 2), ("tea", 1), ("empty", 0), (".hidden", 1)):
        (tmp_path / sku).mkdir()
        for number in range(count):
            write(tmp_path / sku / f"{number}.png", pack(number))
    assert names(read_crops(tmp_path, 40, 1, quiet)) == [
        ("cola", "crops", 0, 2, True), ("tea", "crops", 0, 1, True),
    ]  # fmt: skip


def test_boxes_with_names(tmp_path: Path) -> None:
    write(tmp_path / "photos" / "a.png", np.zeros((200, 300, 3), np.uint8))
    rows = [("a.png", 0, 0, 60, 80, "cola"), ("a.png", 60, 0, 120, 80, "cola"), ("a.png", 120, 0, 200, 90, "__other")]
    with (tmp_path / "boxes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "x1", "y1", "x2", "y2", "sku"), *rows])
    assert names(read_crops(tmp_path, 40, 1, quiet)) == [("cola", "crops", 0, 2, True)]


def test_photos_of_the_split_test_are_left_alone(tmp_path: Path) -> None:
    catalog(tmp_path, 2)
    write(tmp_path / "seen.png", pack(1))
    write(tmp_path / "asked.png", pack(1))
    (tmp_path / "photos.csv").write_text("image,sku,split\nseen.png,sku 1,train\nasked.png,sku 1,test\n")
    assert names(read_crops(tmp_path, 40, 1, quiet)) == [
        ("sku 0", "brand brand 0", 1, 0, True), ("sku 1", "brand brand 1", 1, 1, True),
    ]  # fmt: skip


def test_packshots(tmp_path: Path) -> None:
    for number in range(2):
        write(tmp_path / f"{number}.png", pack(number))
    found = read_packshots(tmp_path, 40, quiet)
    assert len({p.group for p in found}) == len(found) == 2 and all(p.named for p in found)


def test_rendered_packs_are_drawn_once(tmp_path: Path) -> None:
    first = render_packs(tmp_path / "packs", 1, 60, seed=1000)
    assert len(first) == 30 and len({p.group for p in first}) == 6
    file = min((tmp_path / "packs").iterdir())
    Image.new("RGB", (50, 50), "red").save(file)
    again = render_packs(tmp_path / "packs", 1, 60, seed=1000)
    assert again[0].first.tight().mean((0, 1))[0] > 240
    assert [p.key for p in first] == [p.key for p in again]


def shelf(folder: Path) -> Path:
    write(folder / "photos" / "a.png", np.random.default_rng(1).integers(0, 255, (200, 300, 3), dtype=np.uint8))
    return folder / "photos"


def no_detector() -> FakeDetector:
    raise AssertionError("not needed")


def test_shelf_photos_with_labels_need_no_detector(tmp_path: Path) -> None:
    photos = shelf(tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.4 0.5\n0 0.1 0.1 0.01 0.01\n")
    found = read_shelves(photos, tmp_path / "boxes.jsonl", no_detector, 500, 1, quiet)
    assert names(found) == [(f"{photos / 'a.png'}#0", f"photo {photos / 'a.png'}", 0, 1, False)]
    assert found[0].first.tight().shape == (100, 120, 3)


def test_boxes_of_the_detector_are_kept(tmp_path: Path) -> None:
    photos, kept = shelf(tmp_path), tmp_path / "boxes.jsonl"
    detector = FakeDetector({(200, 300): [[0, 0, 60, 80], [100, 0, 160, 80]]})
    first = read_shelves(photos, kept, lambda: detector, 500, 1, quiet)
    with kept.open("a") as file:
        file.write('\n["cut sho')
    again = read_shelves(photos, kept, no_detector, 500, 1, quiet)
    assert len(first) == 2
    assert [p.first.jpeg for p in first] == [p.first.jpeg for p in again]


def test_facings_are_sampled_by_seed(tmp_path: Path) -> None:
    detector = FakeDetector(
        {(200, 300): [[x, y, x + 50, y + 50] for x in range(0, 240, 20) for y in range(0, 140, 20)]}
    )
    draws = [
        [p.first.jpeg for p in read_shelves(shelf(tmp_path), tmp_path / "b", lambda: detector, 500, seed, quiet)]
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2] and len(draws[0]) == 70 == len(random.sample(draws[0], 70))


@pytest.mark.parametrize(
    "read",
    [
        lambda folder: read_references(folder / "none.csv", None, 40, 1, quiet),
        lambda folder: read_database(folder / "none", 40, 1, quiet),
        lambda folder: read_crops(folder, 40, 1, quiet),
        lambda folder: read_crops(folder / "none", 40, 1, quiet),
        lambda folder: read_packshots(folder, 40, quiet),
        lambda folder: read_shelves(folder, folder / "boxes", no_detector, 40, 1, quiet),
    ],
)
def test_nothing_there(read: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(RecognitionError):
        read(tmp_path)


@pytest.mark.parametrize("label", ["0 0.5 0.5", "0 a b c d"])
def test_broken_labels(label: str, tmp_path: Path) -> None:
    photos = shelf(tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text(label)
    with pytest.raises(UsageError, match=r"a\.txt"):
        read_shelves(photos, tmp_path / "boxes", no_detector, 40, 1, quiet)


def test_broken_tables(tmp_path: Path) -> None:
    catalog(tmp_path, 2)
    (tmp_path / "photos.csv").write_text("image\nx.png\n")
    with pytest.raises(UsageError, match=r"photos\.csv"):
        read_crops(tmp_path, 40, 1, quiet)
