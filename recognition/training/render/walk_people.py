"""People between camera and shelf: an arm that takes or brings a pack, somebody who walks past."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.uint8]
REACH_S = 0.8
"""Seconds from the edge of the picture to the pack, and back."""
PASS_S = 2.2


def arm_offset(seconds: float) -> float:
    """How far the hand is from the pack: 0 = at it, 1 = out of the picture. seconds: since the pack was touched."""
    return float(np.clip((abs(seconds) - 0.15) / (REACH_S - 0.15), 0, 1) ** 1.3)


def paint_arm(image: Image, covered: Mask, hand: tuple[float, float], scale: float, skin: Image) -> None:
    """Paints a hand at `hand` (pixels) with its arm reaching in from below; `covered` becomes 255 where it is.

    image: BGR, changed. scale: pixels per mm. skin: BGR texture of the image's size.
    """
    mask = np.zeros(covered.shape, np.uint8)
    x, y = hand
    bottom = image.shape[0] + 20
    elbow = x + (bottom - y) * 0.45
    wide = 38 * scale
    outline = [(x - wide, y + 20 * scale), (x + wide, y), (elbow + 1.6 * wide, bottom), (elbow - 1.6 * wide, bottom)]
    cv2.fillConvexPoly(mask, _points(outline), 255, cv2.LINE_AA)
    cv2.ellipse(mask, _point(x, y), (max(2, round(46 * scale)), max(2, round(52 * scale))), 0, 0, 360, 255, -1)
    for i in range(4):
        tip = _point(x + (i - 1.6) * 22 * scale, y - (80 - 7 * abs(i - 1.5)) * scale)
        cv2.line(mask, _point(x + (i - 1.5) * 20 * scale, y - 20 * scale), tip, 255, max(2, round(19 * scale)))
    _shade(image, covered, mask, skin)


def paint_person(image: Image, covered: Mask, x: float, scale: float, cloth: Image, skin: Image) -> None:
    """Paints somebody's head and back at x (pixels); `covered` becomes 255 where they are. scale: pixels per mm."""
    height = image.shape[0]
    head_y = height * 0.22
    body = np.zeros(covered.shape, np.uint8)
    shoulder, waist = 270 * scale, 210 * scale
    outline = [
        (x - 0.5 * shoulder, head_y + 150 * scale), (x + 0.5 * shoulder, head_y + 150 * scale),
        (x + shoulder, head_y + 240 * scale), (x + waist, height + 20),
        (x - waist, height + 20), (x - shoulder, head_y + 240 * scale),
    ]  # fmt: skip
    cv2.fillConvexPoly(body, _points(outline), 255, cv2.LINE_AA)
    _shade(image, covered, body, cloth)
    head = np.zeros(covered.shape, np.uint8)
    cv2.ellipse(head, _point(x, head_y), (max(2, round(95 * scale)), max(2, round(140 * scale))), 0, 0, 360, 255, -1)
    _shade(image, covered, head, skin)


def paint_pack(image: Image, covered: Mask, pack: NDArray[np.uint8], centre: tuple[float, float]) -> None:
    """Paints a carried pack, RGBA, around `centre` (pixels)."""
    height, width = pack.shape[:2]
    left, top = round(centre[0] - width / 2), round(centre[1] - height / 2)
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(image.shape[1], left + width), min(image.shape[0], top + height)
    if x1 <= x0 or y1 <= y0:
        return
    part = pack[y0 - top : y1 - top, x0 - left : x1 - left]
    solid = part[..., 3] > 127
    image[y0:y1, x0:x1][solid] = part[..., 2::-1][solid]
    covered[y0:y1, x0:x1][solid] = 255


def texture(size: tuple[int, int], colours: Sequence[tuple[int, int, int]], rng: np.random.Generator) -> Image:
    """A picture (width, height) of one colour (BGR) with spots and grain, or of stripes of several."""
    width, height = size
    out = np.empty((height, width, 3), np.float32)
    stripe = np.arange(width) // max(1, width // 50) % len(colours)
    out[:] = np.array(colours, np.float32)[stripe][None]
    coarse = cv2.resize(rng.normal(0, 14, (height // 24 + 1, width // 24 + 1)).astype(np.float32), size)
    out += coarse[..., None] + rng.normal(0, 5, (height, width, 1)).astype(np.float32)
    return np.asarray(out.clip(0, 255), np.uint8)


def _shade(image: Image, covered: Mask, mask: Mask, material: Image) -> None:
    """Lays a material over what the mask covers, darker towards its edges."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    inside = mask[part]
    light = 0.55 + 0.45 * cv2.blur(inside, (25, 25)).astype(np.float32) / 255
    cover = (inside.astype(np.float32) / 255)[..., None]
    place = image[part]
    place[:] = (place * (1 - cover) + material[part] * light[..., None] * cover).astype(np.uint8)
    covered[part][inside > 127] = 255


def _point(x: float, y: float) -> tuple[int, int]:
    return round(x), round(y)


def _points(outline: Sequence[tuple[float, float]]) -> NDArray[np.int32]:
    return np.array([_point(*p) for p in outline], np.int32)
