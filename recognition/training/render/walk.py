"""A film of a walk along a shelf, or of one that is watched, with the exact truth of every frame.

The shelf is drawn once; each frame is a view of that drawing through a moving camera, with people in front of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.training.render.camera import Camera, motion_kernel
from recognition.training.render.truth import SceneTruth
from recognition.training.render.walk_camera import Homography, plane_homography, standing, walking
from recognition.training.render.walk_shelf import FRONT_MM, Instance, Panorama, draw_panorama, without
from recognition.training.render.walk_view import Crowd, ShelfState, VisibleProduct, WalkEvent, box_corners

SHUTTER = 0.35
"""Share of a frame's time during which the shutter is open."""
_BEFORE_S, _AFTER_S = 1.0, 2.6  # how long a place must be in view around its event
_FINER = 1.25  # the drawing against the frames


@dataclass(frozen=True)
class WalkStyle:
    """What a film is like. width, height: pixels. shelf_mm: width and height of the shelf. still: a fixed camera
    instead of a walk. shake: 1 = held in the hand, 0 = on rails. taken, restocked: packs that are taken and brought
    during the film. people: who walk past. noise: grey levels. drift: change of exposure, share. brands: on the shelf;
    few of them repeat themselves along it."""

    width: int = 1280
    height: int = 720
    fps: float = 25.0
    seconds: float = 10.0
    shelf_mm: tuple[float, float] = (5500.0, 1400.0)
    still: bool = False
    shake: float = 1.0
    taken: int = 1
    restocked: int = 1
    people: int = 1
    noise: float = 2.5
    drift: float = 0.12
    brands: int = 16

    @property
    def frames(self) -> int:
        """Number of frames."""
        return max(1, round(self.fps * self.seconds))


@dataclass(frozen=True, eq=False)
class WalkFrame:
    """image: BGR uint8 (h, w, 3). products: what stands on the shelf and can be seen, at least 30 % of it; a pack in a
    hand is not among them. homography: 3 x 3, from pixels of the panorama to those of the frame."""

    index: int
    seconds: float
    image: NDArray[np.uint8]
    products: tuple[VisibleProduct, ...]
    homography: Homography


@dataclass(frozen=True, eq=False)
class Film:
    """A walk that can be watched any number of times, always with the same pixels."""

    style: WalkStyle
    seed: int
    panorama: Panorama
    emptied: Panorama
    cameras: list[Camera]
    events: tuple[WalkEvent, ...]
    passing: tuple[float, ...] = field(default=())

    def absent(self, seconds: float) -> frozenset[int]:
        """Instances that do not stand on the shelf at a time."""
        return frozenset(e.instance for e in self.events if (e.seconds <= seconds) == (e.kind == "taken"))

    def planogram(self, seconds: float = float("inf")) -> SceneTruth:
        """The whole shelf at a time, at the end unless told, boxes in pixels of the panorama."""
        return self.panorama.truth(self.absent(seconds))

    def frames(self) -> Iterator[WalkFrame]:
        """The frames in order."""
        size = self.style.width, self.style.height
        state = ShelfState(self.panorama, self.emptied)
        crowd = Crowd(self.panorama, self.events, self.passing, size, self.seed)
        rng = np.random.default_rng([self.seed, 23])
        grain = _grain(self.style, rng)
        phase = rng.uniform(0, 6.28, 3)
        last: Homography | None = None
        for index, camera in enumerate(self.cameras):
            seconds = index / self.style.fps
            state.turn_to(self.absent(seconds))
            ahead = plane_homography(camera, FRONT_MM) @ self.panorama.to_mm
            image, owner = state.view(camera, ahead)
            image = _blurred(image, ahead, last)
            covered = np.zeros(owner.shape, np.uint8)
            crowd.paint(image, covered, seconds, camera, ahead)
            owner[covered > 0] = 0
            image = self._developed(image, index, grain, phase)
            yield WalkFrame(index, seconds, image, state.products(owner, ahead), ahead)
            last = ahead

    def _developed(
        self, image: NDArray[np.uint8], index: int, grain: list[NDArray[np.int16]], phase: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        """The picture as the sensor stores it: exposure follows slowly, lamps flicker before a fixed camera, noise."""
        seconds = index / self.style.fps
        light = 1 + self.style.drift * np.sin(2 * np.pi * 0.11 * seconds + phase[0])
        if self.style.still:
            light += 0.025 * np.sin(2 * np.pi * 3.1 * seconds + phase[1])
        image = cv2.convertScaleAbs(image, alpha=float(light))
        return np.asarray(cv2.add(image, grain[index % len(grain)], dtype=cv2.CV_8U) if grain else image, np.uint8)


def render_film(seed: int, style: WalkStyle | None = None) -> Film:
    """Invents a shelf, a way along it and what happens on the way; the same arguments give the same film.

    Raises:
        UsageError: the seed is one kept for samples/, or the shelf is too large.
    """
    style = style or WalkStyle()
    rng = np.random.default_rng([seed, 19])
    px_per_mm = style.height / (style.shelf_mm[1] * 1.16) * _FINER
    panorama = draw_panorama(seed, *style.shelf_mm, px_per_mm, style.brands)
    size, shelf = (style.width, style.height), (panorama.gondola.width, panorama.gondola.height)
    cameras = (
        standing(style.frames, size, shelf)
        if style.still
        else walking(style.frames, style.fps, size, shelf, style.shake, rng)
    )
    events, passing = _plan_events(panorama, cameras, style, rng)
    emptied = without(panorama, frozenset(e.instance for e in events), seed, px_per_mm) if events else panorama
    return Film(style, seed, panorama, emptied, cameras, events, passing)


def _plan_events(
    panorama: Panorama, cameras: list[Camera], style: WalkStyle, rng: np.random.Generator
) -> tuple[tuple[WalkEvent, ...], tuple[float, ...]]:
    """When what happens: one thing after the other, each where the camera looks before and after it."""
    kinds = ["taken"] * style.taken + ["restocked"] * style.restocked + ["person"] * style.people
    rng.shuffle(kinds)
    first, last = _BEFORE_S + 0.3, style.seconds - _AFTER_S
    events: list[WalkEvent] = []
    passing: list[float] = []
    for kind, seconds in zip(kinds, np.linspace(first, max(first, last), max(1, len(kinds))), strict=False):
        if kind == "person":
            passing.append(float(seconds))
            continue
        used = {e.instance for e in events}
        eligible = [
            i for i in panorama.instances
            if i.movable and i.number not in used and _stays(i, panorama, cameras, style, float(seconds))
        ]  # fmt: skip
        if eligible:
            chosen = eligible[int(rng.integers(len(eligible)))]
            place = _place(chosen, panorama)
            events.append(WalkEvent(round(float(seconds), 3), kind, chosen.number, chosen.sku, place))
    return tuple(events), tuple(passing)


def _stays(instance: Instance, panorama: Panorama, cameras: list[Camera], style: WalkStyle, seconds: float) -> bool:
    """Whether the camera sees an instance from before an event until after it."""
    for moment in (seconds - _BEFORE_S, seconds, seconds + _AFTER_S):
        camera = cameras[int(np.clip(round(moment * style.fps), 0, len(cameras) - 1))]
        corners = box_corners(instance.box, plane_homography(camera, FRONT_MM) @ panorama.to_mm)
        low, high = corners.min(axis=0), corners.max(axis=0)
        if (low < 12).any() or (high > np.array([style.width, style.height]) - 12).any():
            return False
    return True


def _place(instance: Instance, panorama: Panorama) -> tuple[int, int]:
    row = sorted(i.box[0] for i in panorama.instances if i.shelf == instance.shelf and i.unit.level == 0)
    return instance.shelf + 1, row.index(instance.box[0]) + 1


def _blurred(image: NDArray[np.uint8], now: Homography, last: Homography | None) -> NDArray[np.uint8]:
    """The picture as it smears while the shutter is open: by the way of its middle since the last frame."""
    if last is None:
        return image
    middle = np.array([[[image.shape[1] / 2, image.shape[0] / 2]]])
    before = cv2.perspectiveTransform(middle, now @ np.linalg.inv(last))[0, 0]
    step = (before - middle[0, 0]) * SHUTTER
    length = float(np.hypot(*step))
    if length < 1:
        return image
    return np.asarray(cv2.filter2D(image, -1, motion_kernel(length, float(np.arctan2(step[1], step[0])))), np.uint8)


def _grain(style: WalkStyle, rng: np.random.Generator) -> list[NDArray[np.int16]]:
    """Pictures of sensor noise that frames take in turn."""
    if style.noise <= 0:
        return []
    shape = (style.height, style.width, 3)
    count = 7
    return [(style.noise * rng.standard_normal(shape, np.float32)).astype(np.int16) for _ in range(count)]
