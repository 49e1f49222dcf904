"""The printed front of a pack: ground, logo, illustration, words, badges and small print, laid out by its line.

Everything a line shares comes from one stream of random numbers (`line_seed`), everything a flavour or a size
changes is put into the same places.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.training.render.art import motif, stamp, tone
from recognition.training.render.assortment import Colour
from recognition.training.render.brands import PackDesign
from recognition.training.render.lettering import TextStyle, write

_PLAIN = TextStyle(face=0, weight=600)
_BOLD = TextStyle(face=1, weight=800)
_CLAIMS = ("NEW", "BIO", "-20%", "XL", "0%", "PLUS", "PRO", "ECO", "+10%", "VEGAN", "MAX", "24h")
_SMALL = "from selected sources best quality since keep cool shake well open natural with care family rich"


def contrast(ground: Colour) -> Colour:
    """Near-black on light grounds, white on dark ones."""
    luminance = 0.3 * ground[0] + 0.59 * ground[1] + 0.11 * ground[2]
    return (24, 24, 28) if luminance > 150 else (250, 250, 248)


def draw_face(design: PackDesign, width: int, height: int, margin: float = 0.06) -> NDArray[np.uint8]:
    """The front print of a pack, RGB uint8 (height, width, 3).

    margin: share of the width left free of words at each side; a broad front with a small margin is laid out in
    two columns, one with a large margin (a round pack) is not.
    """
    rng = np.random.default_rng([design.line_seed, 7])
    main, second, accent = design.brand.colours
    flavour = design.flavour.colour
    role = int(rng.integers(4))  # where the flavour's colour goes: ground, lower part, band, or only the picture
    ground = flavour if role == 0 else main
    other = flavour if role == 1 else second
    face = _ground(rng, width, height, ground, other)
    wide = width > height and margin < 0.1
    logo_y, logo_h = float(rng.uniform(0.05, 0.16)), float(rng.uniform(0.15, 0.26)) * (1.5 if wide else 1)
    logo_box = (margin, logo_y, 0.52 if wide else 1 - 2 * margin, logo_h)
    _illustrate(face, rng, design, wide, logo_y + logo_h)
    _logo(face, rng, design, logo_box, accent)
    band = flavour if role == 2 else tone(flavour, 0.75)
    _words(face, rng, design, logo_box, band, wide)
    _badge(face, rng, accent if role else second, margin, wide)
    _small_print(face, rng, margin, wide)
    if rng.random() < 0.25:
        cv2.rectangle(face, (0, 0), (width - 1, height - 1), tone(other, 0.7), max(2, width // 40))
    return face


def _ground(rng: np.random.Generator, width: int, height: int, ground: Colour, other: Colour) -> NDArray[np.uint8]:
    """One of nine grounds: plain, gradients, split, wave, stripes, rays, dots, bow."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = x / width, y / height
    pattern = int(rng.choice(9, p=[0.14, 0.16, 0.14, 0.14, 0.14, 0.04, 0.06, 0.04, 0.14]))
    soft = float(rng.uniform(0.12, 0.5))  # strong stripes and dots are rare on real packs
    cut, slope = float(rng.uniform(0.35, 0.75)), float(rng.uniform(-0.4, 0.4))
    mixes = {
        0: lambda: np.zeros_like(u),
        1: lambda: v,
        2: lambda: 1 - np.hypot(u - 0.5, v - cut) * 1.6,
        3: lambda: (v + slope * (u - 0.5) - cut) * height,
        4: lambda: (v - cut - 0.06 * np.sin(u * 5 + slope * 9)) * height,
        5: lambda: soft * np.clip((((u + slope * v) * 9) % 1 - 0.5) * width / 9 * 0.8, 0, 1),
        6: lambda: (
            soft * np.clip(np.sin(np.arctan2(v - cut, u - 0.5) * 14) * np.hypot(u - 0.5, v - cut) * width / 6, 0, 1)
        ),
        7: lambda: (
            soft * np.clip((0.3 - np.hypot((u * 8) % 1 - 0.5, (v * 8 * height / width) % 1 - 0.5)) * width / 16, 0, 1)
        ),
        8: lambda: (v - cut - 0.9 * (u - 0.5) ** 2) * height,
    }
    mix = np.clip(mixes[pattern](), 0, 1)[..., None]
    fade = 1 + float(rng.uniform(-0.25, 0.15)) * (v[..., None] - 0.3)
    return np.asarray(((ground + (np.array(other, np.float32) - ground) * mix) * fade).clip(0, 255), np.uint8)


def _illustrate(
    face: NDArray[np.uint8], rng: np.random.Generator, design: PackDesign, wide: bool, below: float
) -> None:
    """Copies of the flavour's picture, in the free part of the front."""
    height, width = face.shape[:2]
    sprite = motif(design.flavour.motif, design.flavour.colour)
    layout = int(rng.integers(4))
    centre = (0.76, 0.5) if wide else (float(rng.uniform(0.35, 0.65)), min(0.78, below + 0.36))
    size = float(rng.uniform(0.4, 0.75)) * min(width * (0.6 if wide else 1), height * (0.9 if wide else 0.55))
    if layout == 0:
        spots = [(*centre, 1.0)]
    elif layout == 1:
        spots = [(centre[0] - 0.2, centre[1] + 0.05, 0.7), (centre[0] + 0.2, centre[1] + 0.05, 0.7), (*centre, 0.85)]
    else:
        count = 5 if layout == 2 else 9
        draws = rng.normal(0, 0.14 if layout == 2 else 0.22, (count, 2))
        spots = [(centre[0] + dx, centre[1] + dy, 0.62 - 0.03 * i) for i, (dx, dy) in enumerate(draws)]
    plate = rng.random()
    if plate < 0.25:
        middle = round(centre[0] * width), round(centre[1] * height)
        light = tone(design.flavour.colour, 1.7)
        cv2.circle(face, middle, round(size * 0.62), light, -1, cv2.LINE_AA)
    for x, y, scale in spots:
        stamp(face, sprite, x * width, y * height, size * scale, float(rng.uniform(-40, 40)))


def _logo(
    face: NDArray[np.uint8],
    rng: np.random.Generator,
    design: PackDesign,
    box: tuple[float, float, float, float],
    accent: Colour,
) -> None:
    """The brand's word on its emblem."""
    height, width = face.shape[:2]
    x, y, w, h = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    brand, ground = design.brand, tuple(int(v) for v in face[int(y + h / 2), int(x + w / 2)])
    plate = brand.colours[1] if rng.random() < 0.5 else contrast((ground[0], ground[1], ground[2]))
    middle = round(x + w / 2), round(y + h / 2)
    inset = 0.12
    if brand.emblem == 0:
        cv2.ellipse(face, middle, (round(w / 2), round(h / 2)), 0, 0, 360, plate, -1, cv2.LINE_AA)
        cv2.ellipse(
            face, middle, (round(w / 2.15), round(h / 2.3)), 0, 0, 360, accent, max(1, width // 80), cv2.LINE_AA
        )
        inset = 0.2
    elif brand.emblem == 1:
        cv2.rectangle(face, (round(x), round(y)), (round(x + w), round(y + h)), plate, -1)
    elif brand.emblem == 2:
        cv2.rectangle(face, (0, round(y)), (width, round(y + h)), plate, -1)
        cv2.rectangle(face, (0, round(y + h * 0.9)), (width, round(y + h)), accent, -1)
    elif brand.emblem == 3:
        shield = np.array([[x, y], [x + w, y], [x + w, y + h * 0.75], [x + w / 2, y + h * 1.15], [x, y + h * 0.75]])
        cv2.fillPoly(face, [np.round(shield).astype(np.int32)], plate, cv2.LINE_AA)
    elif brand.emblem == 4:
        skew = np.array([[x + 0.08 * w, y], [x + w, y + 0.06 * h], [x + 0.92 * w, y + h], [x, y + 0.94 * h]])
        cv2.fillPoly(face, [np.round(skew).astype(np.int32)], plate, cv2.LINE_AA)
    elif brand.emblem == 5:
        cv2.circle(face, (middle[0], round(y + h * 0.5)), round(min(w * 0.5, h * 0.9)), plate, -1, cv2.LINE_AA)
        inset = 0.16
    plain = brand.emblem > 5
    ink = contrast((ground[0], ground[1], ground[2])) if plain else contrast(plate)
    if not plain and rng.random() < 0.5 and _apart(accent, plate):
        ink = accent
    inner = (x + w * inset / 2, y + h * inset, w * (1 - inset), h * (1 - 2 * inset))
    write(face, brand.name, brand.style, inner, ink, contrast(ink) if brand.outline else None)


def _apart(one: Colour, two: Colour) -> bool:
    return float(np.abs(np.subtract(one, two)).sum()) > 220


def _words(
    face: NDArray[np.uint8],
    rng: np.random.Generator,
    design: PackDesign,
    logo: tuple[float, float, float, float],
    band: Colour,
    wide: bool,
) -> None:
    """Noun and flavour under the logo, amount near the foot."""
    height, width = face.shape[:2]
    x, w = logo[0] * width, logo[2] * width
    y, h = (logo[1] + logo[3] * 1.12) * height, logo[3] * height
    sample = face[min(height - 1, int(y + h * 0.3)), int(x + w / 2)]
    ink = contrast((int(sample[0]), int(sample[1]), int(sample[2])))
    noun_style = TextStyle(
        face=int(rng.integers(3)), weight=int(rng.choice([400, 700])), upper=bool(rng.random() < 0.5)
    )
    align = float(rng.choice([0.0, 0.5, 0.5]))
    write(face, design.noun, noun_style, (x, y + h * 0.05, w, h * 0.4), ink, align=align)
    top = y + h * 0.55
    if rng.random() < 0.7:
        cv2.rectangle(
            face, (round(x * rng.choice([0, 1])), round(top)), (round(x + w), round(top + h * 0.45)), band, -1
        )
        ink = contrast(band)
    style = TextStyle(face=1, weight=800, upper=bool(rng.random() < 0.4), stretch=float(rng.uniform(0.8, 1.1)))
    write(face, design.flavour.name, style, (x + w * 0.04, top + h * 0.07, w * 0.92, h * 0.32), ink, align=align)
    right = bool(rng.random() < 0.5)
    left, across = (logo[0] + 0.5 * right * logo[2]) * width, 0.5 * w
    foot = (left, 0.885 * height, across, (0.085 if wide else 0.055) * height)
    under = face[min(height - 1, int(foot[1] + foot[3] / 2)), min(width - 1, int(left + across / 2))]
    write(face, design.amount, _BOLD, foot, contrast((int(under[0]), int(under[1]), int(under[2]))), align=float(right))


def _badge(face: NDArray[np.uint8], rng: np.random.Generator, colour: Colour, margin: float, wide: bool) -> None:
    """A claim on a disc, a star or a corner, on two thirds of the lines."""
    shape, place, claim = int(rng.integers(4)), rng.uniform(0, 1, 2), str(rng.choice(_CLAIMS))
    if shape == 3:
        return
    height, width = face.shape[:2]
    radius = 0.13 * min(width, height) * float(rng.uniform(0.9, 1.4))
    side = margin + 0.1
    x = ((0.6 if wide else side) if place[0] < 0.5 else 1 - side) * width
    y = ((0.2 if place[1] < 0.5 else 0.8) if wide else 0.62 + 0.15 * place[1]) * height
    angles = np.linspace(0, 2 * np.pi, 33)
    radii = radius * (1 + (0.16 * (np.arange(33) % 2) if shape == 1 else 0))
    points = np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], 1)
    if shape == 2:
        points = np.array(
            [
                [x - radius, y - radius * 0.6],
                [x + radius, y - radius * 0.6],
                [x + radius, y + radius * 0.6],
                [x - radius, y + radius * 0.6],
            ]
        )
    cv2.fillPoly(face, [np.round(points).astype(np.int32)], colour, cv2.LINE_AA)
    write(face, claim, _BOLD, (x - radius * 0.75, y - radius * 0.4, radius * 1.5, radius * 0.8), contrast(colour))


def _small_print(face: NDArray[np.uint8], rng: np.random.Generator, margin: float, wide: bool) -> None:
    """Lines of words, and sometimes the row of nutrition cells."""
    height, width = face.shape[:2]
    y = float(rng.uniform(0.76, 0.8))
    sample = face[min(height - 1, int(y * height)), width // 2]
    ink = contrast((int(sample[0]), int(sample[1]), int(sample[2])))
    across = (0.5 if wide else 1 - 2 * margin) * width
    for line in range(int(rng.integers(1, 4))):
        words = " ".join(str(w) for w in rng.choice(_SMALL.split(), 5))
        write(face, words, _PLAIN, (margin * width, (y + 0.028 * line) * height, across, 0.022 * height), ink)
    if rng.random() < 0.3:
        cells, side = int(rng.integers(3, 6)), min(0.16 * width, 0.1 * height)
        for i in range(cells):
            left, top = round(margin * width + i * side), round(0.95 * height)
            cv2.rectangle(face, (left, top), (round(left + side * 0.85), height - 2), (250, 250, 250), -1)
            write(
                face,
                f"{int(rng.integers(1, 99))}%",
                _BOLD,
                (left + 1, top + 1, side * 0.75, height * 0.04),
                (40, 40, 40),
            )
