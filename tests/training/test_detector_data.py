"""Labelled sets of every layout joined, split by photo, and their faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recognition.errors import UsageError
from recognition.evaluation.yolo_sets import yolo_pairs
from recognition.training.detector_data import Example, Split, hold_out, read_examples, require

LABEL = "3 0.5 0.5 0.2 0.4\n"
PIXELS = [[40, 30, 60, 70]]  # the same box in a photo of 100 x 100


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (100, 100), (90, 90, 90)).save(path)
    return path


def yolo(folder: Path, names: str, images: str = "images", labels: str = "labels", text: str = LABEL) -> Path:
    for name in names:
        photo(folder / images / f"{name}.jpg")
        (folder / labels).mkdir(parents=True, exist_ok=True)
        (folder / labels / f"{name}.txt").write_text(text)
    return folder


def plain(folder: Path) -> Path:
    return yolo(folder, "abc")


def photos_folder(folder: Path) -> Path:
    return yolo(folder, "abc", "photos")


def nested(folder: Path) -> Path:
    return yolo(folder, "abc", "images/deep", "labels/deep")


def described(folder: Path) -> Path:
    yolo(folder, "abc", "train/images", "train/labels")
    (folder / "data.yaml").write_text("train: train/images\nnames: [x]\n")
    return folder / "data.yaml"


def coco(folder: Path) -> Path:
    images = [{"id": i, "file_name": photo(folder / f"{n}.jpg").name} for i, n in enumerate("abc")]
    notes = [{"image_id": i, "bbox": [40, 30, 20, 40], "category_id": i} for i in range(3)]
    categories = [{"id": i, "name": f"class {i}"} for i in range(3)]
    content = {"images": images, "annotations": notes, "categories": categories}
    (folder / "labels.json").write_text(json.dumps(content))
    return folder / "labels.json"


def boxes_csv(folder: Path) -> Path:
    rows = [f"{photo(folder / 'photos' / f'{n}.jpg').name},40,30,60,70" for n in "abc"]
    (folder / "boxes.csv").write_text("\n".join(["image,x1,y1,x2,y2", *rows]))
    return folder


LAYOUTS = [plain, photos_folder, nested, described, coco, boxes_csv]


@pytest.mark.parametrize("make", LAYOUTS)
def test_every_layout_is_read_and_every_class_is_a_product(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    split = read_examples([make(tmp_path / "set")], 0.3)
    assert (len(split.train), len(split.held_out), split.left_out) == (2, 1, ())
    for example in (*split.train, *split.held_out):
        np.testing.assert_allclose(example.in_pixels(100, 100), PIXELS, atol=1e-4)


def test_sets_are_joined_and_each_is_split(tmp_path: Path) -> None:
    split = read_examples([make(tmp_path / make.__name__) for make in LAYOUTS], 0.3)
    assert (len(split.train), len(split.held_out)) == (12, 6)
    assert len({example.path for example in (*split.train, *split.held_out)}) == 18


def test_no_set_gives_nothing_and_is_refused() -> None:
    assert read_examples([], 0.1) == Split()
    with pytest.raises(UsageError, match="0 labelled photos are too few"):
        require(Split())


def test_a_set_named_twice_is_taken_once(tmp_path: Path) -> None:
    place = plain(tmp_path)
    once, twice = read_examples([place], 0.3), read_examples([place, place], 0.3)
    assert [e.path for e in once.train] == [e.path for e in twice.train]


def test_what_one_set_holds_out_no_other_trains_on(tmp_path: Path) -> None:
    yolo(tmp_path, "abcd")
    (tmp_path / "data.yaml").write_text("train: [images]\nval: val.txt\n")
    (tmp_path / "val.txt").write_text("images/c.jpg\n\n./images/d.jpg\n")
    split = read_examples([tmp_path], 0.3)
    assert {e.path.stem for e in split.held_out} == set("cd")
    assert {e.path.stem for e in split.train} == set("ab")


@pytest.mark.parametrize(
    ("yaml", "train", "val"),
    [
        ("train: images/train\nval: images/val\n", "ab", "c"),
        ("path: .\ntrain: [images/train, images/val]\n", "abc", ""),
        ("train: ../images/train\nval: ../images/val\n", "ab", "c"),
        ("train: images\nval: images\n", "abc", ""),  # the same twice is no split
        ("path: /no/such/place\ntrain: images/train\n", "ab", ""),
    ],
)
def test_entries_of_a_data_yaml(tmp_path: Path, yaml: str, train: str, val: str) -> None:
    yolo(tmp_path, "ab", "images/train", "labels/train")
    yolo(tmp_path, "c", "images/val", "labels/val")
    (tmp_path / "data.yaml").write_text(yaml)
    pairs = yolo_pairs(tmp_path / "data.yaml")
    assert pairs is not None
    assert [{p.stem for p, _ in part} for part in (pairs.train, pairs.val)] == [set(train), set(val)]
    assert all(label.is_file() for _, label in (*pairs.train, *pairs.val))


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("", "names no photos"),
        ("- a\n", "names no photos"),
        ("train: [", "cannot be read"),
        ("val: images\n", "names no photos"),
        ("train: pictures\n", "pictures: no such folder"),
        ("train: bare\n", "no label file found for its 1 photos"),
    ],
)
def test_a_data_yaml_that_says_nothing_useful_is_refused(tmp_path: Path, yaml: str, said: str) -> None:
    photo(tmp_path / "bare" / "a.jpg")
    (tmp_path / "data.yaml").write_text(yaml)
    with pytest.raises(UsageError, match=said):
        read_examples([tmp_path / "data.yaml"], 0.1)


def test_a_place_that_is_no_set_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere", tmp_path / "none.yaml"):
        with pytest.raises(UsageError):
            read_examples([place], 0.1)


@pytest.mark.parametrize("text", ["0 a b c d\n", "0 0.5 0.5\n", "0 .1 .1 .2 .1 .2 .2 .1 .2\n", "0 nan .5 .5 .5\n"])
def test_broken_labels_are_left_out_and_the_rest_is_used(tmp_path: Path, text: str) -> None:
    yolo(tmp_path, "abc")
    (tmp_path / "labels/b.txt").write_text(text)
    split = read_examples([tmp_path], 0.3)
    (failure,) = split.left_out
    assert Path(failure.source).stem == "b" and failure.hint
    assert {e.path.stem for e in (*split.train, *split.held_out)} == set("ac")


def test_a_photo_without_a_label_file_has_no_products(tmp_path: Path) -> None:
    yolo(tmp_path, "abc")
    (tmp_path / "labels/a.txt").unlink()
    split = read_examples([tmp_path], 0.3)
    assert sum(len(e.boxes) for e in (*split.train, *split.held_out)) == 2


@pytest.mark.parametrize(
    ("count", "val", "held_out"),
    [(0, 0.1, []), (1, 0.1, []), (2, 0.1, [1]), (4, 0.5, [0, 2]), (20, 0.1, [1, 11]), (100, 0.027, [5, 42, 79])],
)
def test_every_nth_photo_is_held_out(count: int, val: float, held_out: list[int]) -> None:
    examples = [Example(Path(f"{number:03d}.jpg"), np.zeros((0, 4))) for number in range(count)]
    train, kept = hold_out(examples[::-1], val)
    assert [int(example.path.stem) for example in kept] == held_out
    assert len(train) + len(kept) == count
