"""Packs as pictures: silhouette, material, closure, wrapped print and shading of every kind of pack.

A pack is drawn straight from the front, as RGBA whose alpha is its silhouette; the shelf scenes and the
packshots both start from this picture.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.training.render.art import tone
from recognition.training.render.assortment import Colour
from recognition.training.render.brands import PackDesign
from recognition.training.render.faces import draw_face

ROUND = frozenset({"bottle", "jug", "jar", "can", "tin", "tub", "canister", "shampoo", "tube"})
"""Kinds whose front is curved and that show no side or top face."""

_Profile = tuple[tuple[float, float], ...]
_PROFILES: dict[str, _Profile] = {
    "bottle": ((0, 0.36), (0.09, 0.36), (0.1, 0.3), (0.17, 0.33), (0.24, 0.55), (0.33, 0.93),
               (0.4, 1), (0.6, 0.95), (0.9, 1), (1, 0.9)),
    "jug": ((0, 0.3), (0.08, 0.3), (0.09, 0.26), (0.13, 0.4), (0.28, 0.95), (0.34, 1), (0.95, 1), (1, 0.94)),
    "jar": ((0, 0.86), (0.02, 0.9), (0.16, 0.9), (0.17, 0.82), (0.25, 1), (0.93, 1), (1, 0.88)),
    "can": ((0, 0.78), (0.02, 0.8), (0.08, 1), (0.94, 1), (1, 0.82)),
    "tin": ((0, 1), (0.02, 1), (0.03, 0.97), (0.97, 0.97), (0.98, 1), (1, 1)),
    "tub": ((0, 1), (0.07, 1), (0.08, 0.95), (1, 0.78)),
    "canister": ((0, 1), (0.06, 1), (0.065, 0.96), (0.98, 0.96), (1, 0.98)),
    "shampoo": ((0, 0.5), (0.12, 0.52), (0.125, 0.44), (0.15, 0.62), (0.22, 0.93), (0.35, 1),
                (0.7, 0.96), (0.95, 0.9), (1, 0.84)),
    "tube": ((0, 1), (0.05, 1), (0.1, 0.99), (0.5, 0.93), (0.84, 0.78), (0.845, 0.66), (1, 0.66)),
    "pouch": ((0, 0.97), (0.05, 0.97), (0.08, 0.95), (0.3, 0.99), (0.8, 1), (0.97, 0.97), (1, 0.98)),
}  # fmt: skip
"""(height from the top, half width) points of the outline, as shares of the pack."""

_LABELS = {"bottle": (0.42, 0.86), "jug": (0.42, 0.92), "jar": (0.3, 0.92), "shampoo": (0.24, 0.95),
           "tin": (0.04, 0.96), "tub": (0.08, 0.99), "canister": (0.07, 0.99), "tube": (0.05, 0.84),
           "can": (0.05, 0.96)}  # fmt: skip
_CLOSURES = {
    "bottle": 0.095,
    "jug": 0.085,
    "jar": 0.165,
    "tub": 0.075,
    "canister": 0.062,
    "shampoo": 0.122,
    "tube": -0.155,
}
"""Height of the cap or lid as a share; negative = at the foot."""


def draw_pack(design: PackDesign, height_px: int) -> NDArray[np.uint8]:
    """The pack from the front, RGBA uint8 (height_px, w, 4), w after its physical proportions."""
    width = max(8, round(height_px * design.width_mm / design.height_mm))
    rng = np.random.default_rng([design.line_seed, 3])
    if design.kind in ROUND:
        colour, half = _round_pack(design, rng, width, height_px)
    elif design.kind in ("pouch", "flow"):
        colour, half = _soft_pack(design, rng, width, height_px)
    else:
        colour, half = _box_pack(design, rng, width, height_px)
    x = np.abs(np.arange(width) - (width - 1) / 2)
    alpha = (np.clip(half[:, None] - x[None] + 0.5, 0, 1) * 255).astype(np.uint8)
    if design.kind == "jug":
        _cut_handle(alpha, width, height_px)
    if design.kind == "flow":
        _cut_teeth(alpha)
    return np.dstack([colour.clip(0, 255).astype(np.uint8), alpha])


def draw_packshot(design: PackDesign, height_px: int) -> NDArray[np.uint8]:
    """The pack alone on pure white, RGB uint8, with a margin of 4 %."""
    pack = draw_pack(design, round(height_px * 0.92))
    margin = round(height_px * 0.04)
    cover = pack[..., 3:].astype(np.float32) / 255
    flat = (pack[..., :3] * cover + 255 * (1 - cover) + 0.5).astype(np.uint8)
    return np.asarray(
        cv2.copyMakeBorder(flat, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=(255,) * 3), np.uint8
    )


def _half_widths(kind: str, width: int, height: int) -> NDArray[np.float32]:
    points = np.array(_PROFILES[kind])
    rows = np.interp(np.linspace(0, 1, height), points[:, 0], points[:, 1]) * width / 2
    kernel = max(1, height // 60)
    smooth = np.convolve(np.pad(rows, kernel, mode="edge"), np.ones(2 * kernel + 1) / (2 * kernel + 1), "valid")
    return np.asarray(smooth, np.float32)


def _round_pack(
    design: PackDesign, rng: np.random.Generator, width: int, height: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    half = _half_widths(design.kind, width, height)
    main, second, accent = design.brand.colours
    material = _material(design, rng)
    colour = np.empty((height, width, 3), np.float32)
    colour[:] = material
    if design.kind in ("bottle", "jar") and rng.random() < 0.6:  # the fill level of clear packs
        colour[: round(height * rng.uniform(0.16, 0.24))] = (225, 232, 232)
    top, foot = _LABELS[design.kind]
    wrap = (
        1.0
        if design.kind in ("tin", "tub", "canister", "tube", "can") or rng.random() < 0.6
        else float(rng.uniform(0.7, 0.92))
    )
    _wrap_print(colour, design, round(top * height), round(foot * height), wrap)
    closure = _CLOSURES.get(design.kind, 0.0)
    if closure:
        rows = slice(0, round(closure * height)) if closure > 0 else slice(round((1 + closure) * height), height)
        cap: Colour = [accent, second, (245, 245, 245), (28, 28, 32), tone(main, 0.7), (190, 160, 70)][
            int(rng.integers(6))
        ]
        colour[rows] = cap
        if rng.random() < 0.6:
            colour[rows] *= (0.9 + 0.1 * np.sign(np.sin(np.arange(width) * 40 * np.pi / width)))[None, :, None]
    if design.kind in ("tin", "can"):
        rim = max(1, round(height * 0.03))
        colour[:rim] = colour[-rim:] = (198, 200, 204)
    return colour * _round_light(half, width, rng, design.kind), half


def _material(design: PackDesign, rng: np.random.Generator) -> Colour:
    """Colour of the body where no print is."""
    main, second, _ = design.brand.colours
    if design.kind in ("can", "tin"):
        return (196, 198, 202)
    if design.kind == "jug" and design.category == "dairy":
        return (240, 238, 226)
    if design.kind in ("bottle", "jar") and rng.random() < 0.75:
        return tone(design.flavour.colour, float(rng.uniform(0.55, 1.0)))
    return (main, second, (246, 246, 244), tone(main, 0.6))[int(rng.integers(4))]


def _wrap_print(colour: NDArray[np.float32], design: PackDesign, top: int, foot: int, share: float) -> None:
    """Puts the print on the front half of a cylinder: columns crowd towards the edges."""
    width = colour.shape[1]
    across = max(8, round(width * share))
    face = draw_face(design, round(across * 1.15), max(8, foot - top), margin=0.15)
    u = np.arcsin(np.linspace(-0.95, 0.95, across))
    columns = ((0.5 + u / u[-1] / 2).clip(0, 0.999) * face.shape[1]).astype(int)
    left = (width - across) // 2
    colour[top : top + face.shape[0], left : left + across] = face[:, columns]


def _round_light(half: NDArray[np.float32], width: int, rng: np.random.Generator, kind: str) -> NDArray[np.float32]:
    """Factor (h, w, 1) of a lit cylinder: darker rims, one broad and one narrow gleam."""
    x = np.arange(width) - (width - 1) / 2
    u = np.clip(x[None] / np.maximum(half[:, None], 1), -1, 1).astype(np.float32)
    flat = 0.5 if kind in ("shampoo", "tube", "jug") else 1.0
    light = 1.06 - 0.5 * flat * np.abs(u) ** 2.6 - 0.12 * u * flat
    gloss = float(rng.uniform(0.1, 0.45)) * (1.5 if kind in ("can", "tin") else 1.0)
    for place, breadth, strength in ((-0.52, 0.1, 1.0), (0.62, 0.06, 0.5), (-0.1, 0.3, 0.2)):
        light = light + gloss * strength * np.exp(-(((u - place) / breadth) ** 2))
    return np.asarray(light[..., None], np.float32)


def _soft_pack(
    design: PackDesign, rng: np.random.Generator, width: int, height: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pouches stand and are crimped at the top and foot; flow packs lie and are crimped at both ends."""
    pouch = design.kind == "pouch"
    half = _half_widths("pouch", width, height) if pouch else np.full(height, width / 2, np.float32)
    colour = draw_face(design, width, height).astype(np.float32)
    v = np.linspace(-1, 1, height)[:, None] if pouch else np.linspace(-1, 1, width)[None]
    u = np.linspace(-1, 1, width)[None] if pouch else np.linspace(-1, 1, height)[:, None]
    light = 1.08 - 0.38 * np.abs(u) ** 3 - 0.1 * u + 0 * v
    noise = rng.normal(0, 1, (9, 7)).astype(np.float32)
    folds = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    light = light + 0.09 * folds * (0.3 + np.abs(v)) + 0.12 * np.maximum(folds - 1.1, 0)
    crimp = (np.abs(v) > 0.9) if pouch else (np.abs(v) > 0.93)
    lines = np.arange(width if pouch else height) * 2 * np.pi / 4
    ridges = 0.92 + 0.1 * np.sin(lines)
    light = np.where(crimp, light * (ridges[None] if pouch else ridges[:, None]), light)
    return colour * light[..., None].astype(np.float32), half


def _box_pack(
    design: PackDesign, rng: np.random.Generator, width: int, height: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cartons, slabs and brick packs; a brick pack may have a gable and a screw cap."""
    half = np.full(height, width / 2, np.float32)
    top = round(height * (0.14 if design.kind == "tetra" and rng.random() < 0.7 else 0))
    colour = np.empty((height, width, 3), np.float32)
    colour[top:] = draw_face(design, width, height - top)
    if top:
        main, second, accent = design.brand.colours
        colour[:top] = tone(main, 0.85)
        colour[: round(top * 0.3)] = tone(main, 1.15)
        half[:top] *= np.linspace(0.88, 1.0, top)
        cap = (accent, second, (250, 250, 250))[int(rng.integers(3))]
        middle = round(width * rng.uniform(0.4, 0.6)), round(top * 0.62)
        cv2.ellipse(
            colour, middle, (round(width * 0.17), round(top * 0.34)), 0, 0, 360, tone(cap, 0.7), -1, cv2.LINE_AA
        )
        cv2.ellipse(
            colour,
            (middle[0], round(top * 0.5)),
            (round(width * 0.16), round(top * 0.3)),
            0,
            0,
            360,
            cap,
            -1,
            cv2.LINE_AA,
        )
    u, v = np.linspace(-1, 1, width)[None, :, None], np.linspace(-1, 1, height)[:, None, None]
    tilt = rng.uniform(-0.05, 0.05, 2)
    light = 0.93 + tilt[0] * u + (tilt[1] - 0.04) * v  # white card is not as white as the ground of a packshot
    edge = max(1, height // 110)
    colour *= light.astype(np.float32)
    colour[:, -edge:] *= 0.82
    return colour, half


def _cut_handle(alpha: NDArray[np.uint8], width: int, height: int) -> None:
    """The hole of a jug's handle."""
    middle, axes = (round(0.8 * width), round(0.3 * height)), (round(0.055 * width), round(0.075 * height))
    cv2.ellipse(alpha, middle, axes, -12, 0, 360, 0, -1, cv2.LINE_AA)


def _cut_teeth(alpha: NDArray[np.uint8]) -> None:
    """The zigzag ends of a flow pack."""
    height, width = alpha.shape
    depth = max(1, round(width * 0.015))
    period = max(4, height // 14)
    tooth = np.abs((np.arange(height) % period) / period - 0.5) * 2 * depth
    x = np.arange(width)
    for distance in (x[None], x[None, ::-1]):
        np.minimum(alpha, (np.clip(distance - tooth[:, None] + 0.5, 0, 1) * 255).astype(np.uint8), out=alpha)
