"""Made shelves: boxes seen by a projective camera, with the truth about rows, facings and gaps beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from recognition.types import Matches, Status

Shelf = list[tuple[int, float, float, int, int]]
"""A shelf from the left: (sku, width, height, wide, high) in millimetres; sku -1 = nothing stands there."""


@dataclass
class Seen:
    """What the camera sees. row, sku: of each box; -1 = a false positive. gaps: widths of the empty
    places between two products, as multiples of the wider one."""

    xyxy: np.ndarray
    row: np.ndarray
    sku: np.ndarray
    gaps: list[float] = field(default_factory=list)
    size: tuple[int, int] = (4000, 4000)


def build(shelves: list[Shelf], heights: list[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners (n, 4, 2) in millimetres (y down), row (n,) and sku (n,) of every unit."""
    corners, rows, skus = [], [], []
    base = 0.0
    for row, (shelf, height) in enumerate(zip(shelves, heights, strict=True)):
        x = 0.0
        for sku, w, h, wide, high in shelf:
            for column in range(wide):
                left = x + column * w * 1.05
                for level in range(high if sku >= 0 else 0):
                    top, bottom = base - (level + 1) * h, base - level * h
                    corners.append([(left, top), (left + w, top), (left + w, bottom), (left, bottom)])
                    rows.append(row)
                    skus.append(sku)
            x += wide * w * 1.05
        base -= height
    return np.array(corners), np.array(rows), np.array(skus)


def project(corners: np.ndarray, tilt: float, yaw: float, pitch: float) -> np.ndarray:
    """Boxes float32 (n, 4) around the projected corners. Angles in radians; the wall is about as far as it is wide."""
    points = corners.reshape(-1, 2) - (corners.reshape(-1, 2).max(0) + corners.reshape(-1, 2).min(0)) / 2
    wall = np.column_stack([points, np.zeros(len(points))])
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    turned = wall @ np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]]) @ np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    far = 1.1 * np.ptp(points, axis=0).max()
    flat = turned[:, :2] / (turned[:, 2:] + far) * 1000
    ct, st = np.cos(tilt), np.sin(tilt)
    flat = (flat @ np.array([[ct, st], [-st, ct]]) + [800, 600]).reshape(-1, 4, 2)
    return np.concatenate([flat.min(axis=1), flat.max(axis=1)], axis=1).astype(np.float32)


def random_shelves(rng: np.random.Generator) -> tuple[list[Shelf], list[float]]:
    """Three to eight shelves of about 1.5 m; boards up to twice as far apart as others; some stacks of cans, gaps."""
    shelves, heights = [], []
    sku = 0
    for _ in range(rng.integers(3, 9)):
        room = rng.uniform(150, 330)
        shelf: Shelf = []
        x = 0.0
        while x < 1450:
            sku += 1
            w, h, wide, high = rng.uniform(55, 130), room * rng.uniform(0.5, 0.85), int(rng.integers(1, 6)), 1
            kind = rng.random()
            if kind < 0.15:
                high = int(rng.integers(2, 5))
                h = room * 0.85 / high
                w = min(w, 1.2 * h)
            shelf.append((-1 if kind > 0.95 else sku, w, h, wide, high))
            x += wide * w * 1.05
        shelves.append(shelf)
        heights.append(room + rng.uniform(10, 40))
    return shelves, heights


def photograph(rng: np.random.Generator, jitter: float = 0.02, missed: float = 0.05, false: float = 0.02) -> Seen:
    """A random shelf seen from a random place by a detector that misses, invents and shakes boxes."""
    shelves, heights = random_shelves(rng)
    corners, row, sku = build(shelves, heights)
    angles = rng.uniform(-1, 1, 3) * np.radians([15, 25, 15])
    if rng.random() < 0.5:
        angles[0] *= 0.2  # most people hold a phone nearly level
    xyxy = project(corners, *angles)
    seen = rng.random(len(xyxy)) >= missed
    xyxy, row, sku = xyxy[seen], row[seen], sku[seen]
    side = np.tile(xyxy[:, 2:] - xyxy[:, :2], 2)
    xyxy = xyxy + side * rng.normal(0, jitter, side.shape)
    count = rng.binomial(len(xyxy), false)
    like = xyxy[rng.integers(0, len(xyxy), count)]
    low, high = xyxy[:, :2].min(axis=0), xyxy[:, 2:].max(axis=0)
    move = rng.uniform(low, high, (count, 2)) - (like[:, :2] + like[:, 2:]) / 2
    order = rng.permutation(len(xyxy) + count)
    every = np.concatenate([xyxy, like + np.tile(move, 2)]).astype(np.float32)
    none = np.full(count, -1)
    gaps = [gap for shelf in shelves for gap in _gaps(shelf)]
    return Seen(every[order], np.concatenate([row, none])[order], np.concatenate([sku, none])[order], gaps)


def _gaps(shelf: Shelf) -> list[float]:
    """Empty places between two products: their width as a multiple of the wider of the two."""
    gaps, room, last = [], 0.0, None
    for sku, width, _, wide, _ in shelf:
        if sku < 0:
            room += width * wide * 1.05
            continue
        if room and last:
            gaps.append(room / max(last, width))
        room, last = 0.0, width
    return gaps


@pytest.fixture
def photo() -> Callable[..., Seen]:
    """`photograph`: a random shelf photo by random generator."""
    return photograph


@pytest.fixture
def view() -> Callable[..., Seen]:
    """Given shelves, seen from a given place without any mistake: view(shelves, heights, tilt, yaw, pitch) degrees."""

    def seen(shelves: list[Shelf], heights: list[float], tilt: float = 0, yaw: float = 0, pitch: float = 0) -> Seen:
        corners, row, sku = build(shelves, heights)
        return Seen(project(corners, *np.radians([tilt, yaw, pitch])), row, sku)

    return seen


@pytest.fixture
def recognized() -> Callable[..., Matches]:
    """Matches that name each box's SKU; -1 = unknown, -2 = ambiguous. confidence: one number or one for each box."""

    def matches(skus: list[int] | np.ndarray, confidence: float | list[float] = 0.9) -> Matches:
        best = np.asarray(skus, np.int64).reshape(-1)
        status = np.where(best >= 0, Status.RECOGNIZED, np.where(best == -2, Status.AMBIGUOUS, Status.UNKNOWN))
        candidates = np.stack([np.abs(best), np.abs(best) + 1000], axis=1)
        scores = np.tile(np.array([0.8, 0.6], np.float32), (len(best), 1))
        trust = np.broadcast_to(np.asarray(confidence, np.float32), best.shape).copy()
        return Matches(status.astype(np.int8), candidates, scores, trust)

    return matches
