"""Words as masks: the two scalable typefaces that come with Pillow and OpenCV, slanted, stretched, bent and outlined.

No font file is assumed on the machine; variety comes from weight, slant, width, spacing and the curve of the base line.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_SIZE = 64  # height in pixels at which glyphs are rasterised once


@dataclass(frozen=True)
class TextStyle:
    """How a word is set.

    face: 0 Pillow's typeface, 1 OpenCV's upright one, 2 OpenCV's italic one. weight: 300..900. slant: shear,
    -0.3..0.3. stretch: width over normal width. upper: capitals. spacing: extra space between letters, in
    heights. arc: bend of the base line, in heights, positive = arch.
    """

    face: int = 1
    weight: int = 700
    slant: float = 0.0
    stretch: float = 1.0
    upper: bool = False
    spacing: float = 0.0
    arc: float = 0.0


def random_style(rng: np.random.Generator) -> TextStyle:
    """A style for a logo."""
    return TextStyle(
        face=int(rng.integers(3)),
        weight=int(rng.choice([400, 600, 700, 800, 900])),
        slant=float(rng.choice([0, 0, 0, 0.15, 0.28, -0.1])),
        stretch=float(rng.uniform(0.65, 1.35)),
        upper=bool(rng.random() < 0.5),
        spacing=float(rng.choice([0, 0, 0, 0.08, 0.2])),
        arc=float(rng.choice([0, 0, 0, 0.25, 0.4, -0.25])),
    )


def fold(text: str) -> str:
    """`text` as it is printed where only plain letters are wanted: no line feeds, single spaces."""
    return " ".join(text.split())


@lru_cache(maxsize=4096)
def text_mask(text: str, style: TextStyle) -> NDArray[np.uint8]:
    """Coverage mask of a line of text, uint8 (about 64, w), cropped to its ink; (1, 1) zeros for blank text."""
    text = fold(text.upper() if style.upper else text)
    raster = _spaced(text, style) if style.spacing else _glyphs(text, style.face, style.weight)
    height, width = raster.shape
    shear = np.array([[style.stretch, -style.slant, style.slant * height], [0, 1, 0]])
    wide = int(width * style.stretch + abs(style.slant) * height) + 2
    mask = cv2.warpAffine(raster, shear, (wide, height), flags=cv2.INTER_AREA)
    mask = _crop(_bend(mask, style.arc * height) if style.arc else mask)
    mask.flags.writeable = False
    return mask


def _glyphs(text: str, face: int, weight: int) -> NDArray[np.uint8]:
    """One line as drawn by the typeface, uint8, cropped left and right."""
    if face == 0:
        font = ImageFont.load_default(_SIZE)
        bold = max(0, (weight - 500) // 150)
        sheet = Image.new("L", (int(font.getlength(text)) + 20, int(_SIZE * 1.4)))
        ImageDraw.Draw(sheet).text((6, 6), text, 255, font=font, stroke_width=bold)
        return _crop(np.asarray(sheet), rows=False)
    canvas = np.zeros((int(_SIZE * 1.4), len(text) * _SIZE + 20), np.uint8)
    typeface = cv2.FontFace("italic" if face == 2 else "sans")
    cv2.putText(canvas, text, (6, _SIZE), 255, typeface, _SIZE, weight)
    return _crop(canvas, rows=False)


def _spaced(text: str, style: TextStyle) -> NDArray[np.uint8]:
    gap = np.zeros((int(_SIZE * 1.4), max(1, int(style.spacing * _SIZE) + 4)), np.uint8)
    blank = np.zeros((int(_SIZE * 1.4), _SIZE // 3), np.uint8)
    letters = [blank if letter == " " else _glyphs(letter, style.face, style.weight) for letter in text]
    return np.hstack([part for letter in letters for part in (letter, gap)] or [blank])


def _bend(mask: NDArray[np.uint8], rise: float) -> NDArray[np.uint8]:
    """Moves each column up by a parabola that is `rise` pixels high in the middle."""
    room = int(abs(rise)) + 1
    sheet = np.pad(mask, ((room, room), (0, 0)))
    x = np.arange(sheet.shape[1], dtype=np.float32)
    lift = rise * (1 - (2 * x / max(1, len(x) - 1) - 1) ** 2)
    grid_y = np.arange(sheet.shape[0], dtype=np.float32)[:, None] + lift[None].astype(np.float32)
    grid_x = np.broadcast_to(x, grid_y.shape).copy()
    return np.asarray(cv2.remap(sheet, grid_x, grid_y.astype(np.float32), cv2.INTER_LINEAR), np.uint8)


def _crop(mask: NDArray[np.uint8], rows: bool = True) -> NDArray[np.uint8]:
    columns = np.flatnonzero(mask.max(axis=0, initial=0) > 8)
    lines = np.flatnonzero(mask.max(axis=1, initial=0) > 8)
    if not len(columns):
        return np.zeros((1 if rows else mask.shape[0], 1), np.uint8)
    cut = mask[:, columns[0] : columns[-1] + 1]
    return cut[lines[0] : lines[-1] + 1] if rows else cut


def paint(canvas: NDArray[np.uint8], mask: NDArray[np.uint8], x: int, y: int, colour: tuple[int, int, int]) -> None:
    """Blends a colour into RGB `canvas`, in place, through a mask whose top-left corner stands at (x, y)."""
    height, width = mask.shape
    x0, y0 = max(0, x), max(0, y)
    x1, y1 = min(canvas.shape[1], x + width), min(canvas.shape[0], y + height)
    if x1 <= x0 or y1 <= y0:
        return
    cover = mask[y0 - y : y1 - y, x0 - x : x1 - x, None].astype(np.float32) / 255
    place = canvas[y0:y1, x0:x1]
    place[:] = (place + (np.array(colour, np.float32) - place) * cover + 0.5).astype(np.uint8)


def write(
    canvas: NDArray[np.uint8],
    text: str,
    style: TextStyle,
    box: tuple[float, float, float, float],
    colour: tuple[int, int, int],
    outline: tuple[int, int, int] | None = None,
    align: float = 0.5,
) -> None:
    """Sets a line as large as fits into box (x, y, width, height) of RGB `canvas`, in place; align: 0 left, 1 right."""
    mask = text_mask(text, style)
    scale = min(box[2] / mask.shape[1], box[3] / mask.shape[0])
    size = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    x = round(box[0] + (box[2] - size[0]) * align)
    y = round(box[1] + (box[3] - size[1]) / 2)
    if outline is not None:
        edge = max(1, size[1] // 12)
        halo = cv2.dilate(np.pad(small, edge), np.ones((2 * edge + 1, 2 * edge + 1), np.uint8))
        paint(canvas, np.asarray(halo, np.uint8), x - edge, y - edge, outline)
    paint(canvas, np.asarray(small, np.uint8), x, y, colour)
