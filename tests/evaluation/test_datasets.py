from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recognition.errors import UsageError
from recognition.evaluation.datasets import read_labelled, read_one_shot


def picture(path: Path, size: tuple[int, int] = (200, 100), orientation: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size, (90, 120, 30)).save(path, exif=exif)
    return path


def yolo(folder: Path, images: str = "images") -> None:
    picture(folder / images / "b.jpg")
    picture(folder / images / "a.jpg")
    (folder / images / "Thumbs.db").write_bytes(b"x")
    (folder / "labels").mkdir(exist_ok=True)
    (folder / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.4\n\n")


@pytest.mark.parametrize("images", ["images", "photos"])
def test_yolo_folders(tmp_path: Path, images: str) -> None:
    yolo(tmp_path, images)
    a, b = read_labelled(tmp_path)
    assert (a.path.name, b.path.name) == ("a.jpg", "b.jpg")
    np.testing.assert_allclose(a.boxes, [[80, 30, 120, 70]])
    assert a.boxes.dtype == np.float32
    assert a.skus == ("",)
    assert b.boxes.shape == (0, 4), "a photo without a label file has no products"


def test_yolo_by_its_yaml_and_with_splits(tmp_path: Path) -> None:
    for split in ("train", "val"):
        yolo(tmp_path / split)
    assert len(read_labelled(tmp_path)) == 4
    (tmp_path / "data.yaml").write_text("train: train/images\nval: val/images\nnames: {0: product}\n")
    for place in (tmp_path, tmp_path / "data.yaml"):
        assert [photo.path.parent.parent.name for photo in read_labelled(place)] == ["val", "val"]


def test_yolo_fractions_are_of_the_upright_photo(tmp_path: Path) -> None:
    picture(tmp_path / "images/turned.jpg", (200, 100), orientation=6)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/turned.txt").write_text("0 0.5 0.5 1 1\n")
    np.testing.assert_allclose(read_labelled(tmp_path)[0].boxes, [[0, 0, 100, 200]])


def coco(folder: Path, *names: str) -> Path:
    picture(folder / "images/a.jpg")
    categories = [{"id": n, "name": name} for n, name in enumerate(names)]
    images = [{"id": 7, "file_name": "a.jpg"}]
    notes = [{"image_id": 7, "category_id": 0, "bbox": [10, 20, 30, 40]}]
    path = folder / "instances.json"
    path.write_text(json.dumps({"images": images, "annotations": notes, "categories": categories}))
    return path


def test_coco_files(tmp_path: Path) -> None:
    (photo,) = read_labelled(coco(tmp_path, "object"))
    assert photo.path == tmp_path / "images/a.jpg"
    assert photo.boxes.tolist() == [[10, 20, 40, 60]]
    assert photo.skus == ("",), "one class says nothing of the SKU"
    assert read_labelled(coco(tmp_path, "Cola", "Tea"))[0].skus == ("Cola",)


def test_tables_of_boxes(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text("image,x1,y1,x2,y2,sku\nb.jpg,0.5,1,2,3,A\na.jpg,1,2,3,4,B\nb.jpg,5,6,7,8,\n")
    a, b = read_labelled(tmp_path)
    assert a.path == tmp_path / "photos/a.jpg"
    assert b.boxes.tolist() == [[0.5, 1, 2, 3], [5, 6, 7, 8]]
    assert b.skus == ("A", "")


def test_the_truth_of_the_samples(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("source,x_min,y_min,x_max,y_max,sku\nphotos/a.jpg,1,2,3,4,A\n")
    (photo,) = read_labelled(tmp_path)
    assert (photo.path, photo.skus) == (tmp_path / "photos/a.jpg", ("A",))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("boxes.csv", ""),
        ("boxes.csv", "image,x1,y1,x2,y2\n"),
        ("boxes.csv", "image,x1,y1,x2\na.jpg,1,2,3\n"),
        ("boxes.csv", "image,x1,y1,x2,y2\na.jpg,1,2\n"),
        ("boxes.csv", "image,x1,y1,x2,y2\na.jpg,1,2,3,wide\n"),
        ("truth.csv", "source,x1\na.jpg,1\n"),
        ("labels/a.txt", "0 0.5 0.5 0.2\n"),
        ("labels/a.txt", "0 a b c d\n"),
        ("set.json", "{"),
        ("set.json", "[]"),
        ("set.json", '{"images": []}'),
        ("set.json", '{"images": [], "annotations": []}'),
        ("set.json", '{"images": [{"id": 1, "file_name": "none.jpg"}], "annotations": []}'),
        ("other.txt", ""),
    ],
)
def test_labels_that_cannot_be_read_are_wrong_usage(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    if name.startswith("labels"):
        picture(tmp_path / "images/a.jpg")
    with pytest.raises(UsageError, match=r"no labelled photos|labels cannot be read"):
        read_labelled(tmp_path / name if name.endswith(".json") else tmp_path)


def test_one_shot_from_packshots_and_photos(tmp_path: Path) -> None:
    (tmp_path / "catalog.csv").write_text("sku,image\nUnasked,u.jpg\nA,a.jpg\n", encoding="utf-8-sig")
    (tmp_path / "photos.csv").write_text("image,sku,split\np/1.jpg,A,test\np/2.jpg,A,train\n")
    references, queries = read_one_shot(tmp_path)
    assert [(r.sku, r.path) for r in references] == [("A", tmp_path / "a.jpg"), ("Unasked", tmp_path / "u.jpg")]
    assert [(q.sku, q.path, q.box) for q in queries] == [("A", tmp_path / "p/1.jpg", None)]


def test_one_shot_from_boxes_takes_the_largest_crop_and_asks_in_other_photos(tmp_path: Path) -> None:
    rows = ["a.jpg,0,0,10,10,A", "b.jpg,0,0,20,20,A", "b.jpg,50,0,60,10,A", "c.jpg,0,0,5,5,A"]
    rows += ["a.jpg,0,0,9,9,Once", "a.jpg,0,0,9,9,__price", "a.jpg,0,0,9,9,"]
    (tmp_path / "boxes.csv").write_text("image,x1,y1,x2,y2,sku\n" + "\n".join(rows) + "\n")
    references, queries = read_one_shot(tmp_path)
    assert [(r.sku, r.path.name, r.box) for r in references] == [
        ("A", "b.jpg", (0, 0, 20, 20)),
        ("Once", "a.jpg", (0, 0, 9, 9)),
    ]
    assert [(q.sku, q.path.name) for q in queries] == [("A", "a.jpg"), ("A", "c.jpg")]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"catalog.csv": "sku,image\n"},
        {"catalog.csv": "sku,image\n", "photos.csv": "image,sku\na.jpg,A\n"},
        {"catalog.csv": "sku,image\nA,a.jpg\n", "photos.csv": "image,sku,split\na.jpg,A,train\n"},
        {"catalog.csv": "sku,image\nB,a.jpg\n", "photos.csv": "image,sku,split\na.jpg,A,test\n"},
        {"boxes.csv": "image,x1,y1,x2,y2,sku\na.jpg,1,2,3,4,A\n"},
    ],
)
def test_one_shot_data_without_a_question_is_wrong_usage(tmp_path: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(UsageError):
        read_one_shot(tmp_path)


SKU110K = """b.jpg,10,20,30,40,object,200,100
a.jpg,-5,-3,30,40,object,200,100
b.jpg,150,50,230,120,object,200,100
b.jpg,201,10,220,20,object,200,100
"""


@pytest.mark.parametrize("folder", [".", "annotations"])
def test_sku110k_as_it_is_published(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "annotations_test.csv").write_text(SKU110K)
    (tmp_path / folder / "annotations_train.csv").write_text("c.jpg,1,2,3,4,object,200,100\n")
    a, b = read_labelled(tmp_path)
    assert (a.path, b.path) == (tmp_path / "images/a.jpg", tmp_path / "images/b.jpg")
    assert a.boxes.tolist() == [[0, 0, 30, 40]], "boxes are cut to the picture"
    assert b.boxes.tolist() == [[10, 20, 30, 40], [150, 50, 200, 100]], "one lies outside and is left out"
    assert b.boxes.dtype == np.float32
    assert b.skus == ("", "")
    (train,) = read_labelled(tmp_path / folder / "annotations_train.csv")
    assert train.path == tmp_path / "images/c.jpg"


@pytest.mark.parametrize("content", ["", "a.jpg,1,2,3,4,object,200\n", "a.jpg,1,2,3,wide,object,200,100\n", "a.jpg\n"])
def test_sku110k_tables_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "annotations_val.csv").write_text(content)
    with pytest.raises(UsageError, match=r"no labelled photos|labels cannot be read"):
        read_labelled(tmp_path)


def test_a_broken_picture_does_not_stop_the_reader(tmp_path: Path) -> None:
    yolo(tmp_path)
    (tmp_path / "images/b.jpg").write_bytes(b"no picture")
    assert [photo.path.name for photo in read_labelled(tmp_path)] == ["a.jpg", "b.jpg"]


CLASSES = """Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int),Iconic Image Path (str)
Lemon,0,Lemon,0,/iconic/Fruit/Lemon.jpg
Oat-Milk,1,Oat-Milk,1,/iconic/Packages/Oat-Milk.jpg
"""


def test_grocery_store_as_it_is_published(tmp_path: Path) -> None:
    (tmp_path / "classes.csv").write_text(CLASSES)
    (tmp_path / "test.txt").write_text(
        "test/Fruit/Lemon/Lemon_001.jpg, 0, 0\ntest/Packages/Oat-Milk/Oat-Milk_001.jpg, 1, 1\n\n"
    )
    (tmp_path / "train.txt").write_text("train/Packages/Oat-Milk/Oat-Milk_009.jpg, 1, 1\n")
    references, queries = read_one_shot(tmp_path)
    assert [(r.sku, r.path) for r in references] == [
        ("Lemon", tmp_path / "iconic/Fruit/Lemon.jpg"),
        ("Oat-Milk", tmp_path / "iconic/Packages/Oat-Milk.jpg"),
    ]
    assert [(q.sku, q.path, q.box) for q in queries] == [
        ("Oat-Milk", tmp_path / "test/Packages/Oat-Milk/Oat-Milk_001.jpg", None)
    ]


@pytest.mark.parametrize(
    ("classes", "test"),
    [("", ""), (CLASSES, ""), ("a,b\n1,2\n", ""), (CLASSES, "test/Packages/x.jpg, 7, 1\n"), (CLASSES, "test/x.jpg\n")],
)
def test_grocery_store_tables_that_cannot_be_read(tmp_path: Path, classes: str, test: str) -> None:
    (tmp_path / "classes.csv").write_text(classes)
    (tmp_path / "test.txt").write_text(test)
    with pytest.raises(UsageError):
        read_one_shot(tmp_path)
