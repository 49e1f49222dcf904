"""The exact truth of a rendered scene, and the files it is written to."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.detection.yolo_labels import label_lines

Box = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max in pixels of the upright picture."""

MIN_VISIBLE = 0.3
"""Products of which less can be seen are not part of the truth."""

PRODUCT_COLUMNS = ("source", "x_min", "y_min", "x_max", "y_max", "sku", "shelf", "position")
PLACE_COLUMNS = (
    "source", "shelf", "position", "sku", "status", "facings_wide", "facings_high", "x", "y", "width", "height",
)  # fmt: skip


@dataclass(frozen=True)
class ProductTruth:
    """One product that can be seen. sku: "" when in no catalogue. shelf, position: from 1. visible: share, 0..1."""

    box: Box
    sku: str
    shelf: int
    position: int
    visible: float


@dataclass(frozen=True)
class PlaceTruth:
    """One position: equal neighbours, one unknown product, or a gap. status: recognized, unknown or empty."""

    shelf: int
    position: int
    sku: str
    status: str
    facings_wide: int
    facings_high: int
    box: Box


@dataclass(frozen=True)
class SceneTruth:
    """All products and positions of one picture, bottom shelf first, each from the left."""

    products: tuple[ProductTruth, ...]
    places: tuple[PlaceTruth, ...]


@dataclass(frozen=True)
class Seen:
    """A front product before it is numbered. shelf, group: as planned, from 0. column, level: in its group."""

    box: Box
    visible: float
    sku: str
    shelf: int
    group: int
    column: int
    level: int


@dataclass(frozen=True)
class Gap:
    """An empty place before it is numbered."""

    box: Box
    shelf: int
    group: int


def visible_boxes(owner: NDArray[np.int32]) -> dict[int, tuple[Box, int]]:
    """Box and number of pixels of every product that owns any; the box is the smallest around its pixels."""
    rows, columns = np.nonzero(owner)
    if not len(rows):
        return {}
    numbers = owner[rows, columns]
    count = int(numbers.max()) + 1
    edges = [np.full(count, big) for big in (10**6, 10**6, -1, -1)]
    np.minimum.at(edges[0], numbers, columns)
    np.minimum.at(edges[1], numbers, rows)
    np.maximum.at(edges[2], numbers, columns)
    np.maximum.at(edges[3], numbers, rows)
    pixels = np.bincount(numbers, minlength=count)
    return {
        int(n): (
            (float(edges[0][n]), float(edges[1][n]), float(edges[2][n] + 1), float(edges[3][n] + 1)),
            int(pixels[n]),
        )
        for n in np.flatnonzero(pixels)
    }


def number_places(seen: Sequence[Seen], gaps: Sequence[Gap]) -> SceneTruth:
    """Numbers shelves from the bottom and positions from the left, counting only what can be seen.

    A gap counts when products can be seen on both sides of it: at the end of a shelf nobody can tell.
    """
    products: list[ProductTruth] = []
    places: list[PlaceTruth] = []
    shelves = sorted({s.shelf for s in seen})
    for shelf_number, shelf in enumerate(shelves, start=1):
        filled = {s.group for s in seen if s.shelf == shelf}
        between = {g.group for g in gaps if g.shelf == shelf and min(filled) < g.group < max(filled)}
        groups = sorted(filled | between)
        for position, group in enumerate(groups, start=1):
            members = [s for s in seen if s.shelf == shelf and s.group == group]
            box = _union([m.box for m in members] or [g.box for g in gaps if g.shelf == shelf and g.group == group])
            if not members:
                places.append(PlaceTruth(shelf_number, position, "", "empty", 0, 0, box))
                continue
            wide, high = len({m.column for m in members}), len({m.level for m in members})
            status = "recognized" if members[0].sku else "unknown"
            places.append(PlaceTruth(shelf_number, position, members[0].sku, status, wide, high, box))
            products += [ProductTruth(m.box, m.sku, shelf_number, position, m.visible) for m in members]
    return SceneTruth(tuple(products), tuple(places))


def _union(boxes: Sequence[Box]) -> Box:
    edges = np.array(boxes)
    x0, y0, x1, y1 = (float(v) for v in (*edges[:, :2].min(axis=0), *edges[:, 2:].max(axis=0)))
    return x0, y0, x1, y1


def write_truth(folder: Path, scenes: dict[str, SceneTruth]) -> None:
    """Writes `truth.csv` and `truth_planogram.csv` for pictures by their source."""
    with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(PRODUCT_COLUMNS)
        for source, scene in scenes.items():
            writer.writerows([source, *(f"{v:g}" for v in p.box), p.sku, p.shelf, p.position] for p in scene.products)
    with (folder / "truth_planogram.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(PLACE_COLUMNS)
        for source, scene in scenes.items():
            for p in scene.places:
                x, y, width, height = p.box[0], p.box[1], p.box[2] - p.box[0], p.box[3] - p.box[1]
                head = [source, p.shelf, p.position, p.sku, p.status, p.facings_wide, p.facings_high]
                writer.writerow(head + [f"{v:g}" for v in (x, y, width, height)])


def yolo_lines(scene: SceneTruth, width: int, height: int) -> str:
    """The products as a YOLO label file of one class."""
    return label_lines(np.array([product.box for product in scene.products]), width, height)
