"""Arithmetic on boxes: plain arrays in, plain arrays out, numpy only.

Boxes are float (n, 4), pixels, x_min y_min x_max y_max with x_min <= x_max and y_min <= y_max.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_BORDER_PX = 2.0  # what ends nearer to the border of a picture may be cut by it


def areas(boxes: Floats) -> Floats:
    """Area of each box, (n,) square pixels."""
    area: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return area


def sizes(boxes: Floats) -> Floats:
    """Size of each box: square root of its area, (n,) pixels."""
    size: Floats = np.sqrt(areas(boxes))
    return size


def intersections(a: Floats, b: Floats) -> Floats:
    """Shared area of each pair, (len(a), len(b)) square pixels."""
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    shared: Floats = width.clip(0) * height.clip(0)
    return shared


def iou_matrix(a: Floats, b: Floats) -> Floats:
    """Intersection over union of each pair, (len(a), len(b)), 0..1; 0 where both boxes are empty."""
    shared = intersections(a, b)
    union = areas(a)[:, None] + areas(b)[None, :] - shared
    overlap: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def inside_matrix(a: Floats, b: Floats) -> Floats:
    """Share of each box of `a` that lies in each box of `b`, (len(a), len(b)), 0..1; 0 for an empty box of `a`."""
    shared = intersections(a, b)
    return np.divide(shared, areas(a)[:, None], out=np.zeros_like(shared), where=areas(a)[:, None] > 0)


def share_matrix(a: Floats, b: Floats) -> Floats:
    """What each pair shares, of the smaller box, (len(a), len(b)), 0..1; 0 where that is empty."""
    shared, least = intersections(a, b), np.minimum(areas(a)[:, None], areas(b)[None, :])
    return np.divide(shared, least, out=np.zeros_like(shared), where=least > 0)


def clip(boxes: Floats, width: float, height: float) -> Floats:
    """The boxes cut to an image of width x height pixels."""
    return boxes.clip(0, np.array([width, height, width, height], boxes.dtype))


def cut(xyxy: Floats, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether each box ends at the border of a picture of (width, height) pixels."""
    return np.asarray(cut_sides(xyxy, size).any(axis=1))


def cut_sides(xyxy: NDArray[np.floating], size: tuple[int, int], near: float = _BORDER_PX) -> NDArray[np.bool_]:
    """The same by side, (n, 4): left, top, right, bottom. near: what ends so near to the border may be cut, pixels."""
    inside = np.concatenate([xyxy[:, :2] - near, np.array(size) - near - xyxy[:, 2:]], axis=1)
    return np.asarray(inside < 0)


def nms(boxes: Floats, scores: Floats, iou: float) -> NDArray[np.intp]:
    """Rows kept by greedy non-maximum suppression, best score first: of two boxes with more overlap the better stays.

    One vectorised step per kept box. Equal scores keep the earlier row, so that the result is deterministic.
    """
    rest = np.argsort(-scores, kind="stable")
    kept = []
    while len(rest):
        first, rest = rest[0], rest[1:]
        kept.append(first)
        rest = rest[iou_matrix(boxes[first : first + 1], boxes[rest])[0] <= iou]
    return np.array(kept, np.intp)
