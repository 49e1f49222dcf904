"""Random views of one product for contrastive training: a clean reference, a shelf crop, a hand-held photo.

All images are RGB uint8 (h, w, 3); the views come in any size, and `to_batch` of the embedding room fits them into a
model's input, as it does crops at use. Every function takes its own `random.Random`, so that a seed fixes the views.
No view is mirrored: text tells products apart.
"""

from __future__ import annotations

import random

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]


def reference_view(crop: Rgb, box: NDArray[np.float32], rng: random.Random) -> Rgb:
    """A catalogue-like view: the tight box, slightly jittered.

    box: x_min, y_min, x_max, y_max of the product inside `crop`, which may show some of its surroundings.
    """
    view = _cut(crop, box, 0.03, rng)
    if rng.random() < 0.5:
        view = _light(view, 0.15, rng)
    return _stretch(view, 0.1, rng)


def shelf_view(crop: Rgb, box: NDArray[np.float32], rng: random.Random) -> Rgb:
    """A detector-like crop: loose box, perspective, light, blur, few pixels, JPEG, sometimes partly covered."""
    view = _cut(crop, box, 0.10, rng)
    view = _perspective(_stretch(view, 0.2, rng), 0.08, rng)
    return _photograph(view, rng)


def hand_view(crop: Rgb, box: NDArray[np.float32], background: Rgb, size: int, rng: random.Random) -> Rgb:
    """A hand-held photo of `size` x `size` pixels or fewer: the product turned and small before any background."""
    view = _cut(crop, box, 0.04, rng)
    share = rng.uniform(0.45, 0.95)
    height, width = view.shape[:2]
    zoom = size * share / max(height, width)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.gauss(0, 12), zoom)
    turn[:, 2] += np.array([size / 2 - width / 2, size / 2 - height / 2])
    turn[:, 2] += [rng.uniform(-0.5, 0.5) * (1 - share) * size for _ in range(2)]
    canvas = cv2.resize(background, (size, size), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.6:
        canvas = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(1, 4))
    mask = cv2.warpAffine(np.full((height, width), 255, np.uint8), turn, (size, size), flags=cv2.INTER_LINEAR)
    view = cv2.warpAffine(view, turn, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    weight = mask[..., None].astype(np.float32) / 255
    return _photograph((view * weight + canvas * (1 - weight)).astype(np.uint8), rng)


def _cut(crop: Rgb, box: NDArray[np.float32], jitter: float, rng: random.Random) -> Rgb:
    height, width = crop.shape[:2]
    x_min, y_min, x_max, y_max = (float(v) for v in box)
    dx, dy = jitter * (x_max - x_min), jitter * (y_max - y_min)
    left = int(np.clip(x_min + rng.uniform(-dx, dx), 0, width - 4))
    top = int(np.clip(y_min + rng.uniform(-dy, dy), 0, height - 4))
    right = int(np.clip(x_max + rng.uniform(-dx, dx), left + 4, width))
    bottom = int(np.clip(y_max + rng.uniform(-dy, dy), top + 4, height))
    return crop[top:bottom, left:right]


def _stretch(view: Rgb, amount: float, rng: random.Random) -> Rgb:
    factor = float(np.exp(rng.uniform(-amount, amount)))
    height, width = view.shape[:2]
    size = max(4, round(width * factor)), height
    return np.asarray(cv2.resize(view, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _perspective(view: Rgb, amount: float, rng: random.Random) -> Rgb:
    height, width = view.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    shift = np.array([[rng.uniform(-amount, amount) for _ in range(2)] for _ in range(4)], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, corners + shift * np.array([width, height], np.float32))
    warped = cv2.warpPerspective(view, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)


def _light(view: Rgb, amount: float, rng: random.Random) -> Rgb:
    """Exposure, contrast, gamma and a colour cast."""
    table = np.arange(256, dtype=np.float32)[:, None] / 255
    gamma = np.exp(rng.uniform(-amount, amount) * 1.2)
    gains = np.array([np.exp(rng.uniform(-amount, amount) * 0.4) for _ in range(3)], np.float32)
    table = (table**gamma) * gains * np.exp(rng.uniform(-amount, amount))
    table = (table - 0.5) * np.exp(rng.uniform(-amount, amount)) + 0.5
    lookup = (table.clip(0, 1) * 255).astype(np.uint8)
    return np.stack([lookup[:, c][view[..., c]] for c in range(3)], axis=-1)


def _photograph(view: Rgb, rng: random.Random) -> Rgb:
    view = _light(view, 0.35, rng)
    height, width = view.shape[:2]
    if rng.random() < 0.3:  # shadow or light from one side
        ramp = np.linspace(rng.uniform(0.5, 1), rng.uniform(0.8, 1.3), height if rng.random() < 0.7 else width)
        ramp = ramp[:, None, None] if len(ramp) == height else ramp[None, :, None]
        view = (view * ramp).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.15:  # a price talker or a finger
        x, y = rng.randrange(width), rng.randrange(height)
        colour = [rng.randrange(256) for _ in range(3)]
        cv2.rectangle(view := view.copy(), (x, y), (x + width // 3, y + height // 4), colour, -1)
    if rng.random() < 0.25:  # glare
        spot = np.zeros((height, width), np.float32)
        centre = rng.randrange(width), rng.randrange(height)
        axes = max(1, width // rng.randint(4, 10)), max(1, height // rng.randint(3, 8))
        cv2.ellipse(spot, centre, axes, rng.uniform(0, 180), 0, 360, rng.uniform(80, 220), -1)
        spot = cv2.GaussianBlur(spot, (0, 0), max(1.0, width / 12))
        view = (view + spot[..., None]).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.6:  # seen from afar
        target = rng.uniform(28, 140)
        zoom = min(1.0, target / max(height, width))
        view = cv2.resize(
            view, (max(4, round(width * zoom)), max(4, round(height * zoom))), interpolation=cv2.INTER_AREA
        )
    if rng.random() < 0.3:
        view = cv2.GaussianBlur(view, (0, 0), rng.uniform(0.4, 1.5))
    if rng.random() < 0.5:
        encoded = cv2.imencode(".jpg", view, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(30, 90)])[1]
        view = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return view
