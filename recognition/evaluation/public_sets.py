"""Readers of two public sets in the layout in which their makers publish them.

SKU-110K (Goldman et al., "Precise Detection in Densely Packed Scenes", CVPR 2019):

    images/  annotations/annotations_{train,val,test}.csv     image_name,x1,y1,x2,y2,class,image_width,image_height

GroceryStoreDataset (Klasson et al., "A Hierarchical Grocery Store Image Dataset with Visual and Semantic Labels",
WACV 2019), its folder `dataset`:

    classes.csv  {train,val,test}.txt                         path, class id, coarse class id
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.evaluation.labelled import LabelledCrop, LabelledPhoto

SPLITS = ("test", "val", "train")
CLASSES = "classes.csv"
PACKAGED = "Packages"
"""The part of a photo's path that tells packaged goods from fruit and vegetables."""


def sku110k_annotations(place: Path) -> Path | None:
    """The table of boxes at `place`: the file itself, or the folder's test split, else val, else train; None if none.

    The tables stand in the folder or in its `annotations/`.
    """
    if place.is_file():
        return place if place.name in {f"annotations_{split}.csv" for split in SPLITS} else None
    folders = [folder / f"annotations_{split}.csv" for split in SPLITS for folder in (place, place / "annotations")]
    return next((path for path in folders if path.is_file()), None)


def read_sku110k(annotations: Path) -> list[LabelledPhoto]:
    """Photos and boxes of one split; the boxes cut to the picture, and those left out of which nothing remains.

    No picture is opened: some of the set are broken, which is for the one who decodes them to tell.

    Raises:
        ValueError: a line does not hold a name and seven further cells, or a coordinate is no number.
    """
    folder = annotations.parent.parent if annotations.parent.name == "annotations" else annotations.parent
    found: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    with annotations.open(encoding="utf-8-sig", newline="") as file:
        for name, *corners, _, width, height in csv.reader(file):
            if len(corners) != 4:
                raise ValueError(f"wanted 8 cells for {name}, got {len(corners) + 4}")
            found[name].append((*map(float, corners), float(width), float(height)))
    photos = []
    for name, rows in found.items():
        boxes = _inside(np.array(rows, np.float32))
        photos.append(LabelledPhoto(folder / "images" / name, boxes, ("",) * len(boxes)))
    return photos


def _inside(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes (n, 4) cut to their pictures. rows: (n, 6), corners and the picture's width and height."""
    boxes = np.clip(rows[:, :4], 0, np.tile(rows[:, 4:], 2))
    return boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]


def read_grocery_store(dataset: Path) -> tuple[list[LabelledCrop], list[LabelledCrop]]:
    """References: the iconic picture of every class. Queries: whole photos of packaged goods in the test split.

    Fruit and vegetables stay in the catalogue and are not asked for: they have no print to tell them apart.

    Raises:
        KeyError, ValueError, OSError: the tables are not as their makers publish them.
    """
    with (dataset / CLASSES).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    names = {int(row["Class ID (int)"]): row["Class Name (str)"] for row in rows}
    pictures = [(row["Class Name (str)"], row["Iconic Image Path (str)"].lstrip("/")) for row in rows]
    queries = [
        LabelledCrop(dataset / path, names[number])
        for path, number in _split(dataset / "test.txt")
        if PACKAGED in Path(path).parts
    ]
    return [LabelledCrop(dataset / path, name) for name, path in pictures], queries


def _split(path: Path) -> Iterator[tuple[str, int]]:
    """Photo, relative to the set's folder, and class id of each line."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            photo, number, _ = line.split(",")
            yield photo.strip(), int(number)
