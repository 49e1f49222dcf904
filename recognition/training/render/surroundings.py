"""What stands about the shelves and is no product, though it looks like one: posters that show packs, boards, panels.

A detector that has only seen shelves takes every upright rectangle for a pack, and a picture of a pack for the pack.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.training.render.art import tone
from recognition.training.render.assortment import Colour
from recognition.training.render.canvas import Canvas, blend
from recognition.training.render.faces import contrast
from recognition.training.render.gondola import DEPTH_MM, Gondola, Stock
from recognition.training.render.lettering import TextStyle, write
from recognition.training.render.packs import draw_pack

_SLOGANS = ("NEW", "FRESH", "OFFER", "BIO", "SAVE", "ENJOY", "TASTE IT", "1+1")
_TIMBER: tuple[Colour, ...] = ((222, 188, 142), (196, 154, 106), (150, 108, 70), (226, 210, 184))
_PLAIN: tuple[Colour, ...] = ((40, 40, 44), (120, 122, 126), (232, 232, 230), (186, 148, 104), (60, 84, 130))
_PIXELS = 320
"""Longer side of a texture."""


@dataclass(frozen=True)
class Surroundings:
    """How many posters hang and how often boards stand about a gondola; a board may have equal ones beside it."""

    posters: int = 0
    boards: int = 0


BARE = Surroundings()


def paint_surroundings(
    canvas: Canvas, gondola: Gondola, stock: Stock, about: Surroundings, rng: np.random.Generator
) -> None:
    """Hangs posters and stands boards above the gondola and at its sides; nobody owns what they show."""
    for number in range(about.boards + about.posters):
        poster = number >= about.boards
        width = float(rng.uniform(180, 900) if poster else rng.uniform(60, 420))
        height = width * float(rng.uniform(0.35, 1.6) if poster else rng.uniform(0.5, 4.0))
        for x, y in _places(gondola, width, height, 1 if poster else int(rng.integers(1, 5)), rng):
            texture = _poster(stock, width / height, rng) if poster else _board(width / height, rng)
            z = -float(rng.uniform(0, DEPTH_MM))
            top, right = y + height, x + width
            canvas.sprite(texture, np.array([[x, top, z], [right, top, z], [right, y, z], [x, y, z]]))


def _places(
    gondola: Gondola, width: float, height: float, count: int, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Lower left corners, mm, of equal things in a row above the gondola, or in a column at one of its sides."""
    apart = 1 + float(rng.uniform(0.03, 0.3))
    if rng.random() < 0.4:
        x, y = float(rng.uniform(-0.2, 1)) * gondola.width, gondola.height + float(rng.uniform(60, 300))
        return [(x + i * width * apart, y) for i in range(count)]
    off = float(rng.uniform(30, 500))
    x, y = -off - width if rng.random() < 0.5 else gondola.width + off, float(rng.uniform(0, 0.8)) * gondola.height
    return [(x, y + i * height * apart) for i in range(count)]


def _sheet(aspect: float) -> NDArray[np.uint8]:
    size = (_PIXELS, max(16, round(_PIXELS * aspect))) if aspect < 1 else (max(16, round(_PIXELS / aspect)), _PIXELS)
    return np.full((*size, 4), 255, np.uint8)


def _board(aspect: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Timber with its grain, or a plain panel with a frame, RGBA."""
    sheet = _sheet(aspect)
    height, width = sheet.shape[:2]
    timber = rng.random() < 0.5
    colours = _TIMBER if timber else _PLAIN
    colour = tone(colours[int(rng.integers(len(colours)))], float(rng.uniform(0.7, 1.1)))
    sheet[..., :3] = colour
    if timber:
        along = width if rng.random() < 0.7 else height
        grain = cv2.GaussianBlur(rng.normal(0, 1, (1, along)).astype(np.float32), (0, 0), 2.5)[0]
        grain = grain / max(float(np.abs(grain).max()), 1e-6) * float(rng.uniform(6, 28))
        lines = grain[None, :, None] if along == width else grain[:, None, None]
        sheet[..., :3] = (sheet[..., :3] + lines).clip(0, 255)
    elif rng.random() < 0.5:
        cv2.rectangle(sheet, (0, 0), (width - 1, height - 1), (*tone(colour, 0.6), 255), max(2, width // 30))
    fall = np.linspace(float(rng.uniform(0.8, 1.1)), float(rng.uniform(0.7, 1.0)), height)
    sheet[..., :3] = (sheet[..., :3] * fall[:, None, None]).clip(0, 255)
    return sheet


def _poster(stock: Stock, aspect: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A slogan, and up to four packs larger or smaller than life on one ground, RGBA."""
    sheet = _sheet(aspect)
    height, width = sheet.shape[:2]
    top, foot = (tuple(int(c) for c in rng.integers(30, 256, 3)) for _ in range(2))
    fall = np.linspace(0, 1, height)[:, None, None]
    sheet[..., :3] = np.asarray(top) * (1 - fall) + np.asarray(foot) * fall
    face = np.ascontiguousarray(sheet[..., :3])
    style = TextStyle(face=int(rng.integers(3)), weight=int(rng.choice([600, 900])))
    words = str(rng.choice(_SLOGANS))
    place = round(width * 0.1), round(height * 0.04), round(width * 0.8), max(8, round(height * 0.2))
    write(face, words, style, place, contrast((int(top[0]), int(top[1]), int(top[2]))))
    for _ in range(int(rng.integers(0, 5))):
        design = stock.designs[int(rng.integers(len(stock.designs)))]
        if design.kind == "picture":
            continue
        pack = draw_pack(design, max(24, round(height * float(rng.uniform(0.3, 0.72)))))
        _lay(face, pack, round(float(rng.uniform(0, 0.9)) * width), height - pack.shape[0] - int(rng.integers(0, 20)))
    sheet[..., :3] = face
    return sheet


def _lay(face: NDArray[np.uint8], pack: NDArray[np.uint8], x: int, y: int) -> None:
    """Draws an RGBA pack on an RGB sheet, cut at its right and upper edge."""
    place = face[max(0, y) : y + pack.shape[0], x : x + pack.shape[1]]
    part = pack[max(0, -y) :, : place.shape[1]]
    blend(place, part[..., :3], part[..., 3:])
