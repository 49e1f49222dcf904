"""Lays a reference over a crop and says how alike the two pictures then are: what tells look-alikes apart.

Brands put one logo and one layout on all flavours, so keypoints alone agree between them; hue and the parts of the
layout that differ do not.
"""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.types import Image

SIDE = 64
WINDOW = (7, 7)
FLAT = 0.03
STRONG = 0.15
NOISE = 4e-4
DARK = 0.05
HUE_SCALE = 5.0
STRETCH_SCALE = 2.0
"""Two sizes of one product often differ in their proportions alone; a view from the side stretches a pack by a few
per cent, one size laid over the other by 20 and more."""
LEAST_PIXELS = 30

ECC_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-3)
ECC_LARGEST = 0.3
"""Largest change of scale or shear, and of place as a share of the longer side, that a box may be off."""

Picture = NDArray[np.float32]


def small_picture(image: Image) -> Picture:
    """The RGB uint8 picture brought to a longer side of 64 px, float32 0..1, slightly blurred."""
    zoom = SIDE / max(image.shape[:2])
    size = max(2, round(image.shape[1] * zoom)), max(2, round(image.shape[0] * zoom))
    return _soft(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


class Overlay(NamedTuple):
    """How alike two pictures are once laid over each other, 0..1; 0 where too little of both is seen.

    likeness: correlation of structure, times nearness of hue, times how little one had to be stretched. hue: its
    nearness alone, which says something where blur and few pixels have left no structure.
    """

    likeness: float
    hue: float


NOTHING_SEEN = Overlay(0.0, 0.0)


def overlay(crop: Image, reference: Picture, transform: NDArray[np.float64]) -> Overlay:
    """Lays a reference over a crop and compares them.

    reference: from `small_picture`. transform: 2 x 3, from the unit of the reference (its longer side is 1) to
    pixels of the crop.
    """
    laid, seen = _lay(crop, reference, transform)
    mean, other = _box(reference), _box(laid)
    spread = np.maximum(_box(reference * reference) - mean * mean, 0).sum(axis=2)
    other_spread = np.maximum(_box(laid * laid) - other * other, 0).sum(axis=2)
    common = (_box(reference * laid) - mean * other).sum(axis=2)
    weight = np.where(seen & (spread > FLAT**2), np.minimum(np.sqrt(spread), STRONG), 0)
    if np.count_nonzero(weight) < LEAST_PIXELS:
        return NOTHING_SEEN
    correlation = common / np.sqrt((spread + NOISE) * (other_spread + NOISE))
    structure = float((weight * correlation).sum() / weight.sum())
    hue_distance = np.abs(_hues(mean[weight > 0]) - _hues(other[weight > 0])).sum(axis=1).mean()
    large, small = np.linalg.svd(transform[:, :2], compute_uv=False)
    stretch = float(np.log(large / max(small, 1e-9)))
    near = float(np.exp(-HUE_SCALE * hue_distance))
    return Overlay(max(structure, 0.0) * near * float(np.exp(-STRETCH_SCALE * stretch)), near)


def align(crop: Image, reference: Picture) -> NDArray[np.float64]:
    """The transform that `overlay` takes, where no keypoints give one: box on box, refined by ECC.

    Crop and reference both are tight pictures of one product, so their borders are a first guess. Enhanced
    correlation coefficient: Evangelidis and Psarakis, "Parametric image alignment using ECC", TPAMI 2008.
    """
    height, width = reference.shape[:2]
    small = _soft(cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA))
    grey, target = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (reference, small))
    warp = np.eye(2, 3, dtype=np.float32)
    with contextlib.suppress(cv2.error):  # no correlation to climb: the first guess stays
        found = cv2.findTransformECC(grey, target, warp.copy(), cv2.MOTION_AFFINE, ECC_CRITERIA)[1]
        linear = found[:, :2]
        if np.abs(linear - np.eye(2)).max() < ECC_LARGEST and np.abs(found[:, 2]).max() < ECC_LARGEST * SIDE:
            warp = found
    to_crop = np.diag([crop.shape[1] / width, crop.shape[0] / height])
    return np.asarray(to_crop @ warp @ np.diag([max(height, width)] * 2 + [1]), np.float64)


def _lay(crop: Image, reference: Picture, transform: NDArray[np.float64]) -> tuple[Picture, NDArray[np.bool_]]:
    height, width = reference.shape[:2]
    unit = np.diag([1 / max(height, width)] * 2 + [1])
    to_crop = np.vstack([transform, [0, 0, 1]]) @ unit
    shrink = float(np.sqrt(abs(np.linalg.det(to_crop[:2, :2]))))
    source = cv2.GaussianBlur(crop, (0, 0), 0.45 * shrink) if shrink > 1.2 else crop
    flags = cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(source, to_crop[:2], (width, height), flags=cv2.INTER_LINEAR | flags)
    inside = np.full(crop.shape[:2], 255, np.uint8)
    seen = cv2.warpAffine(inside, to_crop[:2], (width, height), flags=cv2.INTER_NEAREST | flags)
    return _soft(laid), cv2.erode(seen, np.ones((3, 3), np.uint8)) > 0


def _soft(image: Image) -> Picture:
    blurred: Picture = cv2.GaussianBlur(image.astype(np.float32) / 255, (0, 0), 0.8)
    return blurred


def _box(picture: Picture) -> Picture:
    mean: Picture = cv2.boxFilter(picture, -1, WINDOW)
    return mean


def _hues(pixels: Picture) -> Picture:
    lifted = pixels + np.float32(DARK)
    return np.asarray(lifted / lifted.sum(axis=1, keepdims=True))
