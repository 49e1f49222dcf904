"""Several packs sold as one: in shrink film, in a tray, or in a sleeve of card.

A detector must learn that six cans in film are one product and six cans side by side are six.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.training.render.art import mean_colour, tone
from recognition.training.render.assortment import Colour
from recognition.training.render.brands import PackDesign
from recognition.training.render.faces import draw_face
from recognition.training.render.packs import draw_pack

_STACKED = frozenset({"can", "tin", "tub"})
BUNDLED = _STACKED | {"bottle", "tetra", "jar", "jug"}
"""Kinds that are sold in bundles."""
_KRAFT: Colour = (186, 148, 104)
_UNIT_PX = 220


@dataclass(frozen=True, eq=False)
class Bundle:
    """A multipack from the front. picture: RGBA uint8 (h, w, 4). width_mm, height_mm: outer size."""

    picture: NDArray[np.uint8]
    width_mm: float
    height_mm: float


def random_bundles(designs: Sequence[PackDesign], count: int, rng: np.random.Generator) -> list[Bundle]:
    """`count` multipacks of the designs that are sold so; none where there is no such design."""
    sold = [design for design in designs if design.kind in BUNDLED]
    return [draw_bundle(sold[int(rng.integers(len(sold)))], rng) for _ in range(count if sold else 0)]


def draw_bundle(design: PackDesign, rng: np.random.Generator) -> Bundle:
    """Two to six packs side by side, of low ones up to two layers, and what holds them together."""
    wide = int(rng.integers(2, 7 if design.width_mm < 80 else 4))
    high = int(rng.integers(1, 3)) if design.kind in _STACKED else 1
    pack = draw_pack(design, _UNIT_PX // high)
    picture = _together(pack, wide, high, rng)
    holder = rng.random()
    if holder < 0.4:
        _sleeve(picture, design, high, rng)
    else:
        if holder < 0.85:
            _tray(picture, design, rng)
        _film(picture, rng)
    return Bundle(picture, design.width_mm * wide, design.height_mm * high)


def _together(pack: NDArray[np.uint8], wide: int, high: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Equal packs in columns and layers, dark between them where the next row stands."""
    height, width = pack.shape[:2]
    sheet = np.zeros((height * high, width * wide, 4), np.uint8)
    for row in range(high):
        for column in range(wide):
            place = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
            place[..., :3] = (pack[..., :3] * float(rng.normal(1, 0.05))).clip(0, 255)
            place[..., 3] = pack[..., 3]
    behind = cv2.morphologyEx(sheet[..., 3], cv2.MORPH_CLOSE, np.ones((1, 2 * (width // 2) + 1), np.uint8))
    hidden = sheet[..., 3:].astype(np.float32) / 255
    dark = np.array(tone(mean_colour(pack), 0.35), np.float32)
    sheet[..., :3] = (sheet[..., :3] * hidden + dark * (1 - hidden)).astype(np.uint8)
    sheet[..., 3] = np.maximum(sheet[..., 3], behind)
    return sheet


def _film(picture: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Clear film: a veil, and gleams along its folds."""
    height, width = picture.shape[:2]
    gleam = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(4, 14))):
        start = rng.uniform(0, [width, height])
        end = start + rng.normal(0, [0.35 * height, 0.2 * height])
        ends = [(int(x), int(y)) for x, y in (start, end)]
        cv2.line(gleam, ends[0], ends[1], float(rng.uniform(60, 190)), int(rng.integers(1, 7)), cv2.LINE_AA)
    gleam = cv2.GaussianBlur(gleam, (0, 0), float(rng.uniform(1, 3)))[..., None]
    veil = float(rng.uniform(0.05, 0.25))
    picture[..., :3] = (picture[..., :3] * (1 - veil) + 235 * veil + gleam).clip(0, 255).astype(np.uint8)


def _tray(picture: NDArray[np.uint8], design: PackDesign, rng: np.random.Generator) -> None:
    """A low tray of card, plain or in the brand's colour with its print."""
    height, width = picture.shape[:2]
    top = round(height * float(rng.uniform(0.65, 0.88)))
    printed = rng.random() < 0.5
    colour = design.brand.colours[int(rng.integers(2))] if printed else _KRAFT
    picture[top:, :, :3] = tone(colour, float(rng.uniform(0.75, 1.05)))
    picture[top:, :, 3] = 255
    if printed:
        left = round(width * float(rng.uniform(0, 0.5)))
        print_width = min(width - left, (height - top) * 3)
        picture[top:, left : left + print_width, :3] = draw_face(design, print_width, height - top)
    picture[top : top + 2, :, :3] = tone(colour, 0.6)


def _sleeve(picture: NDArray[np.uint8], design: PackDesign, high: int, rng: np.random.Generator) -> None:
    """Printed card around most of the packs; their heads or feet look out, or nothing does."""
    height, width = picture.shape[:2]
    top = round(height / high * float(rng.choice([0.0, 0.08, 0.25])))
    foot = height - round(height / high * float(rng.choice([0.0, 0.06, 0.2])))
    copies = max(1, round(width / (2.2 * (foot - top))))
    edges = [round(width * share / copies) for share in range(copies + 1)]
    for left, right in pairwise(edges):
        picture[top:foot, left:right, :3] = draw_face(design, right - left, foot - top)
    picture[top:foot, :, 3] = 255
