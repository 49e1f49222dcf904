"""Short texts that fit their place and never cover each other: wrapping, shortening, greedy placement."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

Rect = tuple[int, int, int, int]
"""x_min, y_min, x_max, y_max in pixels."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Label:
    """Lines of text and the place of their plate."""

    lines: tuple[str, ...]
    rect: Rect


@cache
def font(size: int) -> Font:
    """A font of `size` pixels: DejaVu Sans, for Pillow's own draws ASCII only."""
    path = font_path()
    if path is None:
        return ImageFont.load_default(size)
    # Basic layout: the other one raises on texts that it cannot shape.
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def font_path() -> Path | None:
    """DejaVu Sans, which comes with matplotlib."""
    package = find_spec("matplotlib")
    for folder in (package.submodule_search_locations or ()) if package else ():
        path = Path(folder) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.is_file():
            return path
    return None


def drawable(text: str) -> bool:
    """Whether the font has a glyph for every character."""
    return all(map(_has_glyph, text))


def printable(text: str) -> str:
    """The text on one line, with ? for control characters and broken ones, on which drawing would fail."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


@cache
def _has_glyph(character: str) -> bool:
    # \\uffff is no character: what is drawn for it is what the font draws for anything it does not know.
    return _drawn(character) != _drawn("\uffff")


def _drawn(character: str) -> tuple[tuple[int, int], bytes]:
    mask = font(20).getmask(character)
    return mask.size, bytes(mask)


def wrap(text: str, width: float, most_lines: int, measure: Callable[[str], float]) -> tuple[str, ...]:
    """Text in at most `most_lines` lines no wider than `width`, shortened with an ellipsis; () where nothing fits.

    Breaks at spaces; a word wider than a line is broken where the line ends.
    """
    lines: list[str] = []
    rest = " ".join(text.split())
    while rest and len(lines) < most_lines:
        end = next((n for n in range(len(rest), 0, -1) if measure(rest[:n]) <= width), 0)
        if end < len(rest) and len(lines) == most_lines - 1:
            return _ended(lines, rest, width, measure)
        if end < len(rest):
            end = rest.rfind(" ", 0, end + 1) if " " in rest[: end + 1].strip() else end
        if end < min(3, len(rest)):
            return _ended(lines, rest, width, measure)
        lines.append(rest[:end].strip())
        rest = rest[end:].strip()
    return tuple(lines)


def _ended(lines: list[str], rest: str, width: float, measure: Callable[[str], float]) -> tuple[str, ...]:
    """The lines, and as much of the rest as fits on one more with an ellipsis: three letters or more, or none."""
    kept = next((n for n in range(len(rest), 2, -1) if measure(rest[:n].rstrip() + "…") <= width), 0)
    if kept:
        return (*lines, rest[:kept].rstrip() + "…")
    return (*lines[:-1], lines[-1][:-1] + "…") if lines else ()


def place(size: tuple[int, int], box: Rect, bounds: tuple[int, int], taken: Iterable[Rect]) -> Rect | None:
    """The first free place for a plate of `size` (w, h): low, high or midway in the box, else just under or over it.

    bounds: width and height of the picture; taken: places of other plates. None where there is no room.
    """
    width, height = size
    x = min(max((box[0] + box[2] - width) // 2, 0), bounds[0] - width)
    middle = (box[1] + box[3] - height) // 2
    others = list(taken)
    for y in (box[3] - height, box[1], middle, box[3] + 1, box[1] - height - 1):
        rect = (x, y, x + width, y + height)
        inside = x >= 0 and y >= 0 and rect[3] <= bounds[1]
        if inside and not any(overlap(rect, other) for other in others):
            return rect
    return None


def overlap(one: Rect, other: Rect) -> bool:
    """Whether two places share at least a pixel."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
