"""Readers of labelled pictures: YOLO folders, COCO files, folders with a CSV of boxes, and public sets as they come.

`read_labelled` picks the reader by what it finds:

    data.yaml (its val, if it has one), or images/ (or    YOLO: class x_center y_center width height, fractions
    photos/) beside labels/
    *.json                                                COCO: images, annotations with bbox x y width height
    boxes.csv beside photos/                              image,x1,y1,x2,y2 and, if known, sku or score
    truth.csv beside photos/                              source,x_min,y_min,x_max,y_max,sku (the samples)
    annotations_{train,val,test}.csv and images/          SKU-110K, see public_sets.py
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image as PilImage
from PIL import UnidentifiedImageError

from recognition.detection.yolo_labels import read_yolo_labels
from recognition.errors import UsageError
from recognition.evaluation.labelled import LabelledCrop, LabelledPhoto
from recognition.evaluation.public_sets import CLASSES, read_grocery_store, read_sku110k, sku110k_annotations
from recognition.evaluation.yolo_sets import YoloPairs, yolo_pairs
from recognition.sources.exif import orientation, read_exif

BOXES = "boxes.csv"
LAYOUTS_HINT = "see docs/evaluation.md for the layouts"


def read_labelled(place: Path) -> list[LabelledPhoto]:
    """Photos with boxes from a folder or file of any layout above, sorted by path.

    Raises:
        UsageError: nothing there is a layout we know, or the labels cannot be read.
    """
    with _reading(place):
        annotations = sku110k_annotations(place)
        if place.suffix == ".json":
            photos = _read_coco(place)
        elif annotations is not None:
            photos = read_sku110k(annotations)
        elif place.name == BOXES:
            photos = _read_boxes_csv(place, "image", ("x1", "y1", "x2", "y2"), place.parent / "photos")
        elif (place / BOXES).is_file() and not (place / "labels").is_dir():
            return read_labelled(place / BOXES)
        elif (place / "truth.csv").is_file():
            photos = _read_boxes_csv(place / "truth.csv", "source", ("x_min", "y_min", "x_max", "y_max"), place)
        else:
            photos = _read_yolo(place)
    if not photos:
        raise UsageError(f"{place}: no labelled photos found", LAYOUTS_HINT)
    return sorted(photos, key=lambda photo: photo.path)


def read_one_shot(place: Path) -> tuple[list[LabelledCrop], list[LabelledCrop]]:
    """References and queries for one-shot matching from a folder.

    With catalog.csv and photos.csv (image,sku,split): the catalogue's pictures are the references, the photos of
    the `test` split the queries; references of SKUs without a photo come last. With boxes.csv: the largest crop of
    each SKU is its reference, its crops in other photos are the queries; names that begin with `__` are no SKUs.
    With classes.csv and test.txt: GroceryStoreDataset, see public_sets.py.

    Raises:
        UsageError: no such layout is there, the tables cannot be read, or no SKU has both reference and query.
    """
    if (place / "photos.csv").is_file() and (place / "catalog.csv").is_file():
        with _reading(place):
            references, queries = _read_packshots(place)
    elif (place / CLASSES).is_file():
        with _reading(place):
            references, queries = read_grocery_store(place)
    elif (place / "boxes.csv").is_file():
        references, queries = _split_crops(read_labelled(place))
    else:
        wanted = "catalog.csv with photos.csv, boxes.csv, or classes.csv with test.txt"
        raise UsageError(f"{place}: wanted {wanted}", LAYOUTS_HINT)
    if not {reference.sku for reference in references} & {query.sku for query in queries}:
        raise UsageError(f"{place}: no SKU has both a reference and a picture to ask for", LAYOUTS_HINT)
    return references, queries


@contextmanager
def _reading(place: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise UsageError(f"{place}: labels cannot be read: {error!r}", LAYOUTS_HINT) from error


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _read_packshots(place: Path) -> tuple[list[LabelledCrop], list[LabelledCrop]]:
    tests = [row for row in _rows(place / "photos.csv") if row["split"] == "test"]
    queries = [LabelledCrop(place / row["image"], row["sku"]) for row in tests]
    asked = {query.sku for query in queries}
    rows = sorted(_rows(place / "catalog.csv"), key=lambda row: row["sku"] not in asked)
    return [LabelledCrop(place / row["image"], row["sku"]) for row in rows], queries


def _split_crops(photos: Iterable[LabelledPhoto]) -> tuple[list[LabelledCrop], list[LabelledCrop]]:
    crops = [
        LabelledCrop(photo.path, sku, (float(box[0]), float(box[1]), float(box[2]), float(box[3])))
        for photo in photos
        for box, sku in zip(photo.boxes, photo.skus, strict=True)
        if sku and not sku.startswith("__")
    ]
    references: dict[str, LabelledCrop] = {}
    for crop in crops:
        if crop.sku not in references or _area(crop) > _area(references[crop.sku]):
            references[crop.sku] = crop
    return list(references.values()), [crop for crop in crops if references[crop.sku].path != crop.path]


def _area(crop: LabelledCrop) -> float:
    x_min, y_min, x_max, y_max = crop.box or (0.0, 0.0, 0.0, 0.0)
    return (x_max - x_min) * (y_max - y_min)


def _read_boxes_csv(path: Path, image: str, corners: tuple[str, ...], photos: Path) -> list[LabelledPhoto]:
    boxes: dict[Path, list[list[float]]] = defaultdict(list)
    skus: dict[Path, list[str]] = defaultdict(list)
    scores: dict[Path, list[float]] = defaultdict(list)
    for row in _rows(path):
        photo = photos / row[image]
        boxes[photo].append([float(row[column]) for column in corners])
        skus[photo].append(row.get("sku", ""))
        if "score" in row:
            scores[photo].append(float(row["score"] or 1))  # empty where people made the label
    return _photos(boxes, skus, scores)


def _read_coco(path: Path) -> list[LabelledPhoto]:
    data = json.loads(path.read_text(encoding="utf-8"))
    folders = [path.parent, path.parent / "images", path.parent.parent / "images", path.parent.parent]
    names = {image["id"]: image["file_name"] for image in data["images"]}
    classes = {c["id"]: c["name"] for c in data.get("categories", [])}
    named = classes if len(classes) > 1 else {}
    boxes: dict[Path, list[list[float]]] = {_find(folders, name): [] for name in names.values()}
    skus: dict[Path, list[str]] = {photo: [] for photo in boxes}
    for note in data["annotations"]:
        photo = _find(folders, names[note["image_id"]])
        x, y, width, height = note["bbox"]
        boxes[photo].append([x, y, x + width, y + height])
        skus[photo].append(named.get(note.get("category_id"), ""))
    return _photos(boxes, skus)


def _find(folders: Iterable[Path], name: str) -> Path:
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(name)


def _read_yolo(place: Path) -> list[LabelledPhoto]:
    pairs = yolo_pairs(place) or YoloPairs(())
    photos = []
    for photo, label in pairs.val or pairs.train:
        boxes = read_yolo_labels(label, *_upright_size(photo))
        photos.append(LabelledPhoto(photo, boxes.astype(np.float32), ("",) * len(boxes)))
    return photos


def _upright_size(photo: Path) -> tuple[int, int]:
    try:
        with PilImage.open(photo) as image:
            return image.size[::-1] if orientation(read_exif(image)) > 4 else image.size
    except UnidentifiedImageError:
        return 1, 1  # broken: who decodes it says so and leaves it out, whatever its boxes


def _photos(
    boxes: Mapping[Path, list[list[float]]],
    skus: Mapping[Path, list[str]],
    scores: Mapping[Path, list[float]] | None = None,
) -> list[LabelledPhoto]:
    arrays = {path: np.array(rows, np.float32).reshape(-1, 4) for path, rows in boxes.items()}
    said = {path: np.array(values, np.float32) for path, values in (scores or {}).items()}
    return [LabelledPhoto(path, array, tuple(skus[path]), said.get(path)) for path, array in arrays.items()]
