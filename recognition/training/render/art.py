"""Small illustrations for packs (fruit, leaves, waves, grains ...) built of ellipses and polygons, as RGBA sprites."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.training.render.assortment import Colour

_SIDE = 160
Sheet = NDArray[np.uint8]
_GREEN: Colour = (70, 140, 50)


def tone(colour: Colour, factor: float) -> Colour:
    """A lighter (factor > 1, towards white) or darker (factor < 1, towards black) colour."""
    value = np.array(colour, float)
    mixed = value * factor if factor <= 1 else value + (255 - value) * min(1.0, factor - 1)
    red, green, blue = (int(v) for v in mixed.clip(0, 255))
    return red, green, blue


def mean_colour(texture: Sheet) -> Colour:
    """Mean RGB of the opaque pixels of an RGBA picture; grey if there are none."""
    solid = texture[texture[..., 3] > 127][:, :3]
    red, green, blue = (int(v) for v in (solid.mean(axis=0) if len(solid) else (128, 128, 128)))
    return red, green, blue


def _disc(sheet: Sheet, x: float, y: float, rx: float, ry: float, colour: Colour, angle: float = 0) -> None:
    """An ellipse with a soft light from the upper left; sizes as shares of the side."""
    s = _SIDE
    for step, factor in enumerate((0.78, 1.0, 1.14)):
        shrink, move = 1 - 0.22 * step, 0.09 * step
        centre = round((x - rx * move) * s), round((y - ry * move) * s)
        axes = max(1, round(rx * shrink * s)), max(1, round(ry * shrink * s))
        cv2.ellipse(sheet, centre, axes, angle, 0, 360, (*tone(colour, factor), 255), -1, cv2.LINE_AA)
    gloss = max(1, round(min(rx, ry) * 0.18 * s))
    cv2.circle(
        sheet, (round((x - rx * 0.38) * s), round((y - ry * 0.42) * s)), gloss, (255, 255, 255, 255), -1, cv2.LINE_AA
    )


def _poly(sheet: Sheet, points: NDArray[np.float64], colour: Colour) -> None:
    cv2.fillPoly(sheet, [np.round(points * _SIDE).astype(np.int32)], (*colour, 255), cv2.LINE_AA)


def _leaf_shape(x: float, y: float, length: float, angle: float) -> NDArray[np.float64]:
    t = np.linspace(0, 1, 14)
    width = 0.22 * np.sin(np.pi * t)
    outline = np.concatenate([np.stack([t, width], 1), np.stack([t, -width], 1)[::-1]]) * length
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(outline @ turn.T + [x, y])


def _apple(sheet: Sheet, colour: Colour) -> None:
    _poly(sheet, _leaf_shape(0.5, 0.2, 0.32, -0.6), _GREEN)
    _disc(sheet, 0.5, 0.58, 0.36, 0.34, colour)


def _berry(sheet: Sheet, colour: Colour) -> None:
    t = np.linspace(0, 2 * np.pi, 40)
    heart = np.stack(
        [0.5 + 0.34 * np.sin(t) * (1 + 0.15 * np.cos(t)), 0.56 - 0.36 * np.cos(t) * (1 - 0.15 * np.cos(t))], 1
    )
    _poly(sheet, heart, tone(colour, 0.85))
    _poly(sheet, (heart - [0.47, 0.53]) * 0.85 + [0.47, 0.53], colour)
    for angle in (-2.6, -2.1, -1.57, -1.0, -0.5):
        _poly(sheet, _leaf_shape(0.5, 0.24, 0.26, angle), _GREEN)
    for i in range(14):
        centre = round((0.28 + 0.15 * (i % 4) + 0.06 * (i // 4 % 2)) * _SIDE), round((0.4 + 0.12 * (i // 4)) * _SIDE)
        cv2.ellipse(sheet, centre, (2, 4), 0, 0, 360, (*tone(colour, 1.6), 255), -1, cv2.LINE_AA)


def _berries(sheet: Sheet, colour: Colour) -> None:
    for x, y in ((0.35, 0.4), (0.62, 0.38), (0.28, 0.66), (0.5, 0.6), (0.72, 0.64)):
        _disc(sheet, x, y, 0.17, 0.17, colour)
    _poly(sheet, _leaf_shape(0.48, 0.25, 0.34, -0.4), _GREEN)


def _citrus(sheet: Sheet, colour: Colour) -> None:
    _disc(sheet, 0.5, 0.5, 0.45, 0.45, tone(colour, 0.95))
    centre = (_SIDE // 2, _SIDE // 2)
    cv2.circle(sheet, centre, round(0.38 * _SIDE), (*tone(colour, 1.85), 255), -1, cv2.LINE_AA)
    for i in range(9):
        cv2.ellipse(
            sheet,
            centre,
            (round(0.35 * _SIDE),) * 2,
            0,
            i * 40 + 3,
            i * 40 + 37,
            (*tone(colour, 1.2), 255),
            -1,
            cv2.LINE_AA,
        )


def _drop(sheet: Sheet, colour: Colour) -> None:
    _disc(sheet, 0.5, 0.64, 0.28, 0.28, colour)
    _poly(sheet, np.array([[0.5, 0.06], [0.29, 0.48], [0.5, 0.62], [0.71, 0.48]]), colour)


def _leaf(sheet: Sheet, colour: Colour) -> None:
    for angle, factor in ((-2.2, 0.8), (-0.9, 0.95), (-1.57, 1.15)):
        _poly(sheet, _leaf_shape(0.5, 0.9, 0.78, angle), tone(colour, factor))
        tip = 0.5 + 0.6 * np.cos(angle), 0.9 + 0.6 * np.sin(angle)
        start = _SIDE // 2, round(0.9 * _SIDE)
        cv2.line(
            sheet, start, (round(tip[0] * _SIDE), round(tip[1] * _SIDE)), (*tone(colour, 1.5), 255), 2, cv2.LINE_AA
        )


def _flower(sheet: Sheet, colour: Colour) -> None:
    for i in range(6):
        angle = i * np.pi / 3
        _disc(
            sheet, 0.5 + 0.26 * np.cos(angle), 0.5 + 0.26 * np.sin(angle), 0.21, 0.13, colour, float(np.degrees(angle))
        )
    _disc(sheet, 0.5, 0.5, 0.12, 0.12, (240, 190, 40))


def _nut(sheet: Sheet, colour: Colour) -> None:
    for x, y, angle in ((0.36, 0.4, 30.0), (0.66, 0.5, -30.0), (0.42, 0.74, 70.0)):
        _disc(sheet, x, y, 0.14, 0.22, colour, angle)
        centre = round(x * _SIDE), round(y * _SIDE)
        cv2.ellipse(sheet, centre, (3, round(0.18 * _SIDE)), angle, 0, 360, (*tone(colour, 0.55), 255), -1, cv2.LINE_AA)


def _chunk(sheet: Sheet, colour: Colour) -> None:
    for x, y, size in ((0.12, 0.4, 0.4), (0.5, 0.2, 0.36), (0.46, 0.58, 0.34)):
        top = np.array([[x, y], [x + size * 0.6, y - size * 0.25], [x + size, y], [x + size * 0.4, y + size * 0.25]])
        drop = np.array([0, size * 0.5])
        _poly(sheet, np.array([top[0], top[3], top[3] + drop, top[0] + drop]), tone(colour, 0.8))
        _poly(sheet, np.array([top[3], top[2], top[2] + drop, top[3] + drop]), tone(colour, 0.6))
        _poly(sheet, top, tone(colour, 1.2))


def _swirl(sheet: Sheet, colour: Colour) -> None:
    t = np.linspace(0, 5.5 * np.pi, 160)
    points = np.stack([0.5 + 0.025 * t * np.cos(t), 0.5 + 0.025 * t * np.sin(t)], 1)
    line = np.round(points * _SIDE).astype(np.int32)
    cv2.polylines(sheet, [line], False, (*tone(colour, 0.8), 255), 15, cv2.LINE_AA)
    cv2.polylines(sheet, [line - 2], False, (*tone(colour, 1.25), 255), 7, cv2.LINE_AA)


def _wave(sheet: Sheet, colour: Colour) -> None:
    x = np.linspace(0, 1, 40)
    for i, factor in enumerate((0.7, 1.0, 1.3, 1.6)):
        y = 0.25 + 0.17 * i + 0.09 * np.sin(x * 2 * np.pi * 1.3 + i)
        _poly(sheet, np.concatenate([np.stack([x, y], 1), [[1, 1], [0, 1]]]), tone(colour, factor))


def _grain(sheet: Sheet, colour: Colour) -> None:
    for i in range(9):
        y = 0.9 - 0.09 * i
        for side in (-1, 1):
            _disc(sheet, 0.5 + side * 0.13, y - 0.05, 0.13, 0.055, colour, side * -40.0)
    cv2.line(sheet, (_SIDE // 2, _SIDE), (_SIDE // 2, round(0.12 * _SIDE)), (*tone(colour, 0.7), 255), 4, cv2.LINE_AA)


def _bubbles(sheet: Sheet, colour: Colour) -> None:
    for x, y, r in ((0.35, 0.62, 0.27), (0.68, 0.42, 0.2), (0.72, 0.78, 0.12), (0.4, 0.2, 0.13), (0.14, 0.3, 0.08)):
        _disc(sheet, x, y, r, r, tone(colour, 1.4))


def _sun(sheet: Sheet, colour: Colour) -> None:
    for i in range(12):
        a = i * np.pi / 6
        ray = np.array(
            [
                [0.28 * np.cos(a - 0.15), 0.28 * np.sin(a - 0.15)],
                [0.48 * np.cos(a), 0.48 * np.sin(a)],
                [0.28 * np.cos(a + 0.15), 0.28 * np.sin(a + 0.15)],
            ]
        )
        _poly(sheet, ray + 0.5, tone(colour, 1.2))
    _disc(sheet, 0.5, 0.5, 0.25, 0.25, colour)


MOTIFS: dict[str, Callable[[Sheet, Colour], None]] = {
    "apple": _apple, "berry": _berry, "berries": _berries, "citrus": _citrus, "drop": _drop, "leaf": _leaf,
    "flower": _flower, "nut": _nut, "chunk": _chunk, "swirl": _swirl, "wave": _wave, "grain": _grain,
    "bubbles": _bubbles, "sun": _sun,
}  # fmt: skip
"""Name of an illustration -> the function that draws it on an RGBA sheet."""


@lru_cache(maxsize=512)
def motif(name: str, colour: Colour) -> NDArray[np.uint8]:
    """An illustration as RGBA uint8 (160, 160, 4)."""
    sheet = np.zeros((_SIDE, _SIDE, 4), np.uint8)
    sheet[..., :3] = colour
    MOTIFS[name](sheet, colour)
    sheet.flags.writeable = False
    return sheet


def stamp(
    canvas: NDArray[np.uint8], sprite: NDArray[np.uint8], x: float, y: float, side: float, angle: float = 0
) -> None:
    """Draws an RGBA sprite on an RGB canvas, in place: centre (x, y), side in pixels, angle in degrees."""
    size = max(3, round(side))
    matrix = cv2.getRotationMatrix2D((sprite.shape[1] / 2, sprite.shape[0] / 2), angle, 1.0)
    turned = cv2.warpAffine(sprite, matrix, sprite.shape[1::-1]) if angle else sprite
    small = cv2.resize(turned, (size, size), interpolation=cv2.INTER_AREA)
    left, top = round(x - size / 2), round(y - size / 2)
    x0, y0, x1, y1 = max(0, left), max(0, top), min(canvas.shape[1], left + size), min(canvas.shape[0], top + size)
    if x1 <= x0 or y1 <= y0:
        return
    part = small[y0 - top : y1 - top, x0 - left : x1 - left].astype(np.float32)
    place = canvas[y0:y1, x0:x1]
    place[:] = (place + (part[..., :3] - place) * (part[..., 3:] / 255) + 0.5).astype(np.uint8)
