from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np
import pytest

from recognition.detection.yolo_labels import read_yolo_labels
from recognition.errors import OutputError
from recognition.training.detector_data import Example
from recognition.training.tiles import TileSettings, cut_tiles, tile_count, write_tiles

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
    for _, boxes in cut(5, 60, TileSettings(product_px=(30, 60), wide=0)):
        whole = boxes[(boxes > 1).all(axis=1) & (boxes < 319).all(axis=1)]
        sizes += np.sqrt(np.prod(whole[:, 2:] - whole[:, :2], axis=1)).tolist()
    assert 28 < min(sizes) < 36
    assert 52 < max(sizes) < 63


def test_a_photo_without_products_gives_tiles_without_boxes() -> None:
    image, _ = shelf()
    tiles = list(cut_tiles(image, np.zeros((0, 4)), 3, random.Random(1), TileSettings()))
    assert [len(boxes) for _, boxes in tiles] == [0, 0, 0]


def median_sizes(settings: TileSettings, count: int = 240) -> np.ndarray:
    """Median size of the whole products in each of many tiles, pixels; products that are cut are left out."""
    sizes = []
    for _, boxes in cut(6, count, settings):
        whole = boxes[(boxes > 1).all(axis=1) & (boxes < settings.size - 1).all(axis=1)]
        if len(whole):
            sizes.append(float(np.median(np.sqrt(np.prod(whole[:, 2:] - whole[:, :2], axis=1)))))
    return np.array(sizes)


def test_most_tiles_are_near_the_scale_of_use_and_some_are_not() -> None:
    sizes = median_sizes(TileSettings(size=640))
    near = ((sizes >= 23) & (sizes <= 91)).mean()
    assert 0.8 < near < 0.97, "one tile of six is drawn from the wide range, part of which is near too"
    assert sizes.min() < 23 and sizes.max() > 91
    assert 40 < np.median(sizes) < 55
    assert (median_sizes(TileSettings(size=640, wide=0), 60) < 91).all()


def grid(side: float) -> np.ndarray:
    return np.array([[0, 0, side, side]] * 9)


@pytest.mark.parametrize(
    ("width", "height", "side", "size", "wanted"),
    [
        (640, 480, 0, 320, 4),  # no products: a guess, and never fewer than 4
        (640, 640, 22, 320, 8),  # its own pixels count: nothing is seen by enlarging
        (1280, 1280, 44, 320, 24),  # 32, but never more than 24
        (1280, 1280, 88, 320, 8),  # large products: half the scale, a quarter of the tiles
        (1280, 1280, 88, 640, 4),
    ],
)
def test_a_photo_gets_as_many_tiles_as_it_has_to_show(
    width: int, height: int, side: float, size: int, wanted: int
) -> None:
    assert tile_count(width, height, grid(side) if side else np.zeros((0, 4)), size) == wanted


def write_photo(folder: Path, name: str) -> Example:
    folder.mkdir(parents=True, exist_ok=True)
    image, boxes = shelf()
    cv2.imwrite(str(folder / name), image)
    return Example(folder / name, boxes)


def test_written_tiles_can_be_read_back_and_do_not_depend_on_other_photos(tmp_path: Path) -> None:
    photos = [write_photo(tmp_path, "a.jpg"), write_photo(tmp_path, "b.jpg")]
    cut = write_tiles(photos, tmp_path / "out", seed=1)
    pictures = sorted((tmp_path / "out/images").iterdir())
    assert len(pictures) == cut.tiles == 8
    for picture in pictures:
        boxes = read_yolo_labels(tmp_path / f"out/labels/{picture.stem}.txt", 320, 320)
        tile = cv2.imread(str(picture))
        assert tile.shape == (320, 320, 3)
        for x, y in (boxes[:, :2] + boxes[:, 2:]) / 2:
            assert tile[min(int(y), 319), min(int(x), 319)].mean() > 150
    write_tiles(photos[1:], tmp_path / "alone", seed=1)
    alone = [path.read_bytes() for path in sorted((tmp_path / "alone/images").iterdir())]
    assert alone == [path.read_bytes() for path in pictures if "_b_" in path.name]


def test_photos_of_the_same_name_do_not_replace_each_other(tmp_path: Path) -> None:
    photos = [write_photo(tmp_path / folder, "a.jpg") for folder in ("one", "two")]
    cut = write_tiles(photos, tmp_path / "out", seed=1)
    assert cut.tiles == len(list((tmp_path / "out/images").iterdir()))
    assert [path for path, _ in cut.measured] == [photo.path for photo in photos]


def test_no_photos_broken_photos_and_fewer_tiles_for_looking(tmp_path: Path) -> None:
    assert write_tiles([], tmp_path / "out", seed=1).tiles == 0
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    good = write_photo(tmp_path, "a.jpg")
    cut = write_tiles([Example(tmp_path / "x.jpg", np.zeros((0, 4))), good], tmp_path / "some", seed=1, share=0.25)
    assert [failure.source for failure in cut.left_out] == [str(tmp_path / "x.jpg")]
    assert 1 <= cut.tiles < 5
    ((path, boxes),) = cut.measured
    assert path == good.path and len(boxes) == len(good.boxes)


def test_fractions_become_pixels_inside_the_photo() -> None:
    boxes = Example(Path("a.jpg"), np.array([[0.5, 0.5, 1.2, 1], [1, 1, 1.5, 1.5]]), fractions=True)
    np.testing.assert_allclose(boxes.in_pixels(200, 100), [[100, 50, 200, 100]])


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_tiles([], tmp_path / "file", seed=1)
