from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np
import pytest

from recognition.detection.yolo_labels import read_yolo_labels
from recognition.errors import SourceError
from recognition.training.detector import HELD_OUT, labelled_photos, prepare_tiles
from recognition.training.tiles import TileSettings, cut_tiles, write_tiles

WHITE = (255, 255, 255)


def shelf(width: int = 800, height: int = 600, size: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """A grey photo with white products on a grid, and their boxes."""
    image = np.full((height, width, 3), 60, np.uint8)
    boxes = [
        (x, y, x + size, y + size * 1.5)
        for x in range(20, width - size, size * 2)
        for y in range(20, height - 2 * size, size * 3)
    ]
    for box in boxes:
        cv2.rectangle(image, (int(box[0]), int(box[1])), (int(box[2]) - 1, int(box[3]) - 1), WHITE, -1)
    return image, np.array(boxes, np.float64)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, []),
        ("", []),
        ("\n\n", []),
        ("0 0.5 0.5 0.5 0.2\n", [[50, 40, 150, 60]]),
        ("0 0.25 0.5 0.1 1 0.93\n1 1 1 0 0", [[40, 0, 60, 100], [200, 100, 200, 100]]),
    ],
)
def test_labels_are_read_in_pixels(tmp_path: Path, text: str | None, wanted: list[list[float]]) -> None:
    if text is not None:
        (tmp_path / "a.txt").write_text(text)
    boxes = read_yolo_labels(tmp_path / "a.txt", 200, 100)
    assert boxes.shape == (len(wanted), 4)
    np.testing.assert_allclose(boxes, np.array(wanted).reshape(-1, 4))


def cut(seed: int, count: int = 6, settings: TileSettings | None = None) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(cut_tiles(*shelf(), count, random.Random(seed), settings or TileSettings()))


def test_tiles_are_fixed_by_the_seed() -> None:
    first, again, other = cut(1), cut(1), cut(2)
    assert all(np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1]) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a[0], b[0]) for a, b in zip(first, other, strict=True))


def test_tiles_have_the_asked_size_and_boxes_inside() -> None:
    tiles = cut(3, 20, TileSettings(size=192))
    assert len(tiles) == 20
    for tile, boxes in tiles:
        assert tile.shape == (192, 192, 3)
        assert tile.dtype == np.uint8
        assert boxes.shape[1] == 4
        assert (boxes >= 0).all() and (boxes <= 192).all()
        assert ((boxes[:, 2:] - boxes[:, :2]) >= 3).all()


def test_boxes_stay_on_their_products() -> None:
    """Inside a box, a margin of 2 pixels left out, the tile is white: at every zoom and stretch."""
    inside = 0
    for tile, boxes in cut(4, 60):
        for x_min, y_min, x_max, y_max in boxes:
            patch = tile[int(y_min + 3) : int(y_max - 2), int(x_min + 3) : int(x_max - 2)]
            if patch.size:
                inside += 1
                assert np.median(patch) > 200, (x_min, y_min, x_max, y_max)
                assert (patch.mean(axis=2) > 130).mean() > 0.9
    assert inside > 200


def test_products_get_the_sizes_asked_for() -> None:
    sizes = []
    for _, boxes in cut(5, 60, TileSettings(product_px=(30, 60))):
        whole = boxes[(boxes > 1).all(axis=1) & (boxes < 319).all(axis=1)]
        sizes += np.sqrt(np.prod(whole[:, 2:] - whole[:, :2], axis=1)).tolist()
    assert 28 < min(sizes) < 36
    assert 52 < max(sizes) < 63


def test_a_photo_without_products_gives_tiles_without_boxes() -> None:
    image, _ = shelf()
    tiles = list(cut_tiles(image, np.zeros((0, 4)), 3, random.Random(1), TileSettings()))
    assert [len(boxes) for _, boxes in tiles] == [0, 0, 0]


def write_photo(folder: Path, name: str) -> tuple[Path, Path]:
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    (folder / "labels").mkdir(exist_ok=True)
    image, boxes = shelf()
    photo, label = folder / "photos" / f"{name}.jpg", folder / "labels" / f"{name}.txt"
    cv2.imwrite(str(photo), image)
    rows = np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2 / (800, 600), (boxes[:, 2:] - boxes[:, :2]) / (800, 600)])
    label.write_text("".join(f"0 {x:.6f} {y:.6f} {w:.6f} {h:.6f}\n" for x, y, w, h in rows))
    return photo, label


def test_written_tiles_can_be_read_back_and_do_not_depend_on_other_photos(tmp_path: Path) -> None:
    pairs = [write_photo(tmp_path, "a"), write_photo(tmp_path, "b")]
    count = write_tiles(pairs, tmp_path / "out", 3, seed=1)
    pictures = sorted((tmp_path / "out/images").iterdir())
    assert len(pictures) == count == 6
    for picture in pictures:
        boxes = read_yolo_labels(tmp_path / f"out/labels/{picture.stem}.txt", 320, 320)
        tile = cv2.imread(str(picture))
        assert tile.shape == (320, 320, 3)
        for x, y in (boxes[:, :2] + boxes[:, 2:]) / 2:
            assert tile[min(int(y), 319), min(int(x), 319)].mean() > 150
    write_tiles(pairs[1:], tmp_path / "alone", 3, seed=1)
    for picture in (tmp_path / "alone/images").iterdir():
        assert picture.read_bytes() == (tmp_path / "out/images" / picture.name).read_bytes()


def test_no_photos_and_broken_photos(tmp_path: Path) -> None:
    assert write_tiles([], tmp_path / "out", 3, seed=1) == 0
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"x\.jpg"):
        write_tiles([(tmp_path / "x.jpg", tmp_path / "x.txt")], tmp_path / "out", 3, seed=1)


def test_photos_are_paired_with_their_labels(tmp_path: Path) -> None:
    wanted = [write_photo(tmp_path, name) for name in ("a", "b")]
    assert labelled_photos(tmp_path) == wanted


def test_held_out_photos_are_never_trained_on_and_tiles_are_cut_once(tmp_path: Path) -> None:
    for number in range(7):
        write_photo(tmp_path, f"{number}")
    held_out = [photo.stem for photo, _ in labelled_photos(tmp_path)[HELD_OUT]]
    assert held_out == ["5"]
    data = prepare_tiles(tmp_path, 0, tmp_path / "out", seed=1)
    sets = {
        name: {path.name.split("_")[0] for path in (data.parent / name / "images").iterdir()}
        for name in ("train", "val")
    }
    assert sets == {"train": set("012346"), "val": {"5"}}
    assert "names: {0: product}" in data.read_text()
    changed = data.stat().st_mtime_ns
    assert prepare_tiles(tmp_path, 0, tmp_path / "out", seed=1) == data
    assert data.stat().st_mtime_ns == changed
