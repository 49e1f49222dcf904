"""A photo with its boxes marked, small enough for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pictures
from PIL import ImageDraw

from recognition.outputs.labels import font, printable
from recognition.types import Image

MAX_SIDE = 1600
HIT, MISSED, FALSE = "#009e73", "#d55e00", "#0072b2"
"""Told apart by people who confuse red and green (Okabe and Ito 2008)."""
RIM = "#ffffff"


@dataclass(frozen=True)
class Mark:
    """A box in pixels of the photo, its colour, and words in its corner, if any."""

    box: tuple[float, float, float, float]
    colour: str
    words: str = ""


def mark(image: Image, marks: Sequence[Mark]) -> Image:
    """The photo, RGB uint8, its longer side at most 1,600 pixels, with the marks drawn in order over a white rim."""
    picture = Pictures.fromarray(image)
    zoom = min(MAX_SIDE / max(picture.size), 1.0)
    picture = picture.resize((max(1, round(picture.width * zoom)), max(1, round(picture.height * zoom))))
    draw = ImageDraw.Draw(picture)
    width = max(2, round(max(picture.size) / 400))
    for one in marks:
        box = [value * zoom for value in one.box]
        draw.rectangle(box, outline=RIM, width=width + 2)
        draw.rectangle(box, outline=one.colour, width=width)
    for one in (one for one in marks if one.words):
        place = one.box[0] * zoom + width, one.box[1] * zoom + width
        text = printable(one.words)
        letters = font(max(10, 5 * width))
        draw.rectangle(draw.textbbox(place, text, letters), fill=RIM)
        draw.text(place, text, one.colour, letters)
    return np.array(picture)
