"""Views of a reference as a detector would cut them out of a shelf photo: what calibration searches with.

All images are RGB uint8 (h, w, 3). A view is never mirrored and never turned over: packs stand upright.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.types import Image

HEIGHTS_PX = (40, 260)
BORDER = 0.25

Random = np.random.Generator
Step = Callable[[Image, Random], Image]


def shelf_view(image: Image, seed: int) -> Image:
    """One view: box, perspective, a part, cover, light, glare, few pixels, blur, noise, JPEG; fixed by seed."""
    rng = np.random.default_rng(seed)
    view = _cut(image, rng)
    for step, chance in STEPS:
        if rng.random() < chance:
            view = step(view, rng)
    return view


def _cut(image: Image, rng: Random) -> Image:
    """Perspective and a box that misses the product's edges by up to a tenth, with neighbours in what shows."""
    height, width = image.shape[:2]
    scene = _surroundings(image, rng)
    left, top = round(BORDER * width), round(BORDER * height)
    scene[top : top + height, left : left + width] = image
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) + np.array([left, top])
    box = corners + rng.normal(0, 0.035, (1, 2)) * [width, height]
    box = (box - box.mean(axis=0)) * rng.uniform([0.92, 0.94], [1.1, 1.08]) + box.mean(axis=0)
    seen = box + rng.normal(0, 0.025, (4, 2)) * [width, height]
    stretch = float(np.exp(rng.normal(0, 0.08)))
    out = max(8, round(width * stretch)), max(8, height)
    target = np.array([[0, 0], [out[0], 0], [out[0], out[1]], [0, out[1]]], np.float32)
    transform = cv2.getPerspectiveTransform(seen.astype(np.float32), target)
    return np.asarray(cv2.warpPerspective(scene, transform, out, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE))


def _surroundings(image: Image, rng: Random) -> Image:
    """A canvas of the image's size and a border: a facing of the same pack beside it, or a plain wall and board."""
    height, width = image.shape[:2]
    up, side = round(BORDER * height), round(BORDER * width)
    wrap = cv2.BORDER_WRAP if rng.random() < 0.5 else cv2.BORDER_CONSTANT
    wall = [int(c) for c in np.clip(rng.integers(20, 230) + rng.integers(-20, 20, 3), 0, 255)]
    scene = cv2.copyMakeBorder(image, up, up, side, side, wrap, value=wall)
    board = np.clip(rng.integers(60, 250) + rng.integers(-15, 15, 3), 0, 255)
    scene[:up] = scene[:up] // 4 if rng.random() < 0.7 else scene[:up]
    scene[-up:] = board
    return np.asarray(scene)


def _cover(view: Image, rng: Random) -> Image:
    """A price rail or a neighbour over up to a fifth of the pack."""
    height, width = view.shape[:2]
    share, side = rng.uniform(0.04, 0.2), int(rng.integers(3))
    covered = view.copy()
    band = [
        covered[round(height * (1 - share)) :],
        covered[:, : round(width * share)],
        covered[:, round(width * (1 - share)) :],
    ]
    band[side][:] = rng.integers(0, 256, 3)
    return covered


def _part(view: Image, rng: Random) -> Image:
    """What a neighbour or the picture's border leaves of it: a detector boxes what can be seen."""
    height, width = view.shape[:2]
    share, side = rng.uniform(0.1, 0.4), int(rng.integers(4))
    across, down = max(4, round(width * (1 - share))), max(4, round(height * (1 - share)))
    parts = [view[:, :across], view[:, -across:], view[:down], view[-down:]]
    return np.ascontiguousarray(parts[side])


def _light(view: Image, rng: Random) -> Image:
    """Gain, gamma, a colour cast and a shade that runs across."""
    height, width = view.shape[:2]
    gain = np.exp(rng.normal(0, 0.18)) * np.exp(rng.normal(0, 0.1, 3))
    along, down = np.linspace(-1, 1, width)[None, :], np.linspace(-1, 1, height)[:, None]
    shade = 1 + rng.normal(0, 0.12) * along + rng.normal(0, 0.15) * down
    lit = (view / 255.0) ** np.exp(rng.normal(0, 0.15)) * gain * shade[..., None]
    return _clip(lit * 255)


def _glare(view: Image, rng: Random) -> Image:
    """A soft bright spot, as of a lamp on foil."""
    height, width = view.shape[:2]
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    across, down = rng.uniform(0.06, 0.25) * width, rng.uniform(0.06, 0.35) * height
    columns, lines = np.arange(width)[None, :], np.arange(height)[:, None]
    spot = np.exp(-(((columns - x) / across) ** 2) - ((lines - y) / down) ** 2)[..., None]
    return _clip(view + rng.uniform(0.3, 0.9) * spot * (255.0 - view))


def _shrink(view: Image, rng: Random) -> Image:
    """Few pixels: 40 to 260 high, as far products are."""
    height, width = view.shape[:2]
    zoom = rng.uniform(*HEIGHTS_PX) / height
    if zoom >= 1:
        return view
    size = max(4, round(width * zoom)), max(4, round(height * zoom))
    return np.asarray(cv2.resize(view, size, interpolation=cv2.INTER_AREA))


def _blur(view: Image, rng: Random) -> Image:
    """Out of focus, by up to a hundredth of the height."""
    return np.asarray(cv2.GaussianBlur(view, (0, 0), 0.3 + rng.uniform(0, 0.01) * view.shape[0]))


def _noise(view: Image, rng: Random) -> Image:
    return _clip(view + rng.normal(0, rng.uniform(1, 7), view.shape))


def _compress(view: Image, rng: Random) -> Image:
    quality = int(rng.integers(45, 93))
    done, data = cv2.imencode(".jpg", view, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8) if done else view


def _clip(values: NDArray[np.float64]) -> Image:
    return np.asarray(np.clip(values, 0, 255), np.uint8)


STEPS: tuple[tuple[Step, float], ...] = (
    (_part, 0.15), (_cover, 0.3), (_light, 0.9), (_glare, 0.25), (_shrink, 0.9), (_blur, 0.6), (_noise, 0.8),
    (_compress, 0.9),
)  # fmt: skip
