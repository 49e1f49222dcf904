"""A shelf made of numbers: packs in places, a hand, a camera; and the seams that know what it shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.live.engine import Engine
from recognition.live.session import Session
from recognition.outputs.live_events import Event
from recognition.settings import StreamSettings
from recognition.types import Detections, Frame, Image, Matches, Sku, Status

SIZE = (240, 480)  # height, width of a frame, pixels
PLACES = [(20 + 75 * i, 60, 75 + 75 * i, 160) for i in range(6)]
FPS = 10.0
STRANGER = 1000  # packs from this number on are in no catalogue


@cache
def pack(sku: int) -> Image:
    """A pack, BGR uint8 (100, 55, 3), unlike any other."""
    dice = np.random.default_rng(sku)
    fields = dice.integers(30, 220, (5, 3, 3)).astype(np.uint8)
    return cv2.resize(fields, (55, 100), interpolation=cv2.INTER_NEAREST)


@dataclass
class Scene:
    """places: box to SKU. hand: box of something in front, or None. pan: pixels that the camera looks to the right.
    missed: places that the detector does not find. merged: places that it takes for one.

    Its `detect` and `match` are the seams: the first knows the frames that were drawn, the second the packs.
    """

    places: dict[tuple[int, int, int, int], int] = field(default_factory=dict)
    hand: tuple[int, int, int, int] | None = None
    pan: int = 0
    light: float = 1.0
    noise: float = 0.0
    missed: set[tuple[int, int, int, int]] = field(default_factory=set)
    merged: list[tuple[tuple[int, int, int, int], ...]] = field(default_factory=list)
    size: tuple[int, int] = SIZE
    name = "scene"
    detected: int = 0
    embedded: int = 0
    confidence: float = 0.9
    _boxes: dict[int, tuple[Image, list[tuple[float, ...]]]] = field(default_factory=dict)

    def draw(self, seconds: float, source: str = "cam") -> Frame:
        """The frame of a moment."""
        height, width = self.size
        wide = _background(height, width + self.pan).copy()
        for (x0, y0, x1, y1), sku in self.places.items():
            part = wide[y0:y1, x0:x1]
            part[:] = cv2.resize(pack(sku), (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST)[:, : part.shape[1]]
        image = wide[:, self.pan :].copy()
        hidden = self.hand
        if hidden is not None:
            image[hidden[1] : hidden[3], hidden[0] : hidden[2]] = (110, 140, 190)
        if self.noise:
            image = np.clip(
                image + np.random.default_rng(int(seconds * 1000)).normal(0, self.noise, image.shape), 0, 255
            )
        if self.light != 1:
            image = np.clip(image * self.light, 0, 255)
        image = image.astype(np.uint8)
        self._boxes[id(image)] = (image, list(self._visible()))
        self._boxes = dict(list(self._boxes.items())[-8:])
        moment = f"2026-11-21T10:{int(seconds) // 60:02}:{seconds % 60:06.3f}+00:00" if seconds < 3600 else ""
        return Frame(source, round(seconds * FPS), image, captured_at=moment, seconds=seconds)

    def _visible(self) -> Iterable[tuple[float, ...]]:
        together = {place for group in self.merged for place in group}
        apart = [place for place in self.places if place not in together]
        for box in [*apart, *map(_around, self.merged)]:
            x0, y0, x1, y1 = box[0] - self.pan, box[1], box[2] - self.pan, box[3]
            seen = max(x0, 0), y0, min(x1, self.size[1]), y1
            if box in self.missed or seen[2] - seen[0] < 15:
                continue
            if self.hand is not None and _shared(seen, self.hand) > 0.4 * (x1 - x0) * (y1 - y0):
                continue
            yield tuple(float(v) for v in seen)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        self.detected += len(images)
        found = []
        for image in images:
            boxes = np.array(self._boxes[id(image)][1], np.float32).reshape(-1, 4)
            found.append(Detections(boxes, np.full(len(boxes), 0.9, np.float32)))
        return found

    def match(self, crops: list[Image], physical: NDArray[np.float64] | None = None) -> Matches:
        self.embedded += len(crops)
        names = sorted({sku for sku in self.places.values() if sku < STRANGER} | set(range(1, 10)))
        skus, scores = np.full((len(crops), 2), -1, np.int64), np.full((len(crops), 2), -np.inf, np.float32)
        for row, crop in enumerate(crops):
            cosines = [_cosine(crop[..., ::-1], pack(sku)) for sku in names]
            order = np.argsort(cosines)[::-1][:2]
            skus[row], scores[row] = np.array(names)[order], np.array(cosines)[order]
        known = scores[:, 0] > 0.8
        status = np.where(known, Status.RECOGNIZED, Status.UNKNOWN).astype(np.int8)
        sure = np.where(known, self.confidence, 0.1).astype(np.float32)
        return Matches(status, skus, scores, sure)


@cache
def _background(height: int, width: int) -> Image:
    image = np.full((height, width, 3), 90, np.uint8)
    image[::4] = np.random.default_rng(7).integers(70, 110, (len(image[::4]), 2500, 3))[:, :width]
    image[165:172] = 200
    return image


def describe(ids: Iterable[int]) -> dict[int, Sku]:
    return {sku: Sku(sku, f"S{sku}") for sku in ids}


class Film:
    """A session over a scene, driven frame by frame."""

    def __init__(self, scene: Scene, settings: StreamSettings | None = None) -> None:
        self.scene, self.seconds, self.events = scene, 0.0, []
        self.session = Session("cam", settings or StreamSettings(), describe)
        self.engine = Engine(scene, scene.match)

    def play(self, seconds: float) -> list[Event]:
        """Plays on for a while; what happened meanwhile."""
        news = []
        for _ in range(round(seconds * FPS)):
            news += self.engine.step([(self.session, self.scene.draw(self.seconds))])
            self.seconds = round(self.seconds + 1 / FPS, 3)
        self.events += news
        return news


def kinds(events: Iterable[Event]) -> list[tuple[str, str]]:
    return [(event.event.value, event.sku) for event in events]


def _around(boxes: Sequence[tuple[int, int, int, int]]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _shared(a: Sequence[float], b: Sequence[float]) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _cosine(one: Image, other: Image) -> float:
    a, b = (
        cv2.resize(np.ascontiguousarray(i), (6, 10), interpolation=cv2.INTER_AREA).astype(float) for i in (one, other)
    )
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-6))
