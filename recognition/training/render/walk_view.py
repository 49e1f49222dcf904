"""What the camera of a walk sees at a time: the shelf as it is then, and the people in front of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.training.render.assortment import Colour
from recognition.training.render.camera import Camera
from recognition.training.render.truth import MIN_VISIBLE, Box, visible_boxes
from recognition.training.render.walk_camera import Homography, plane_homography
from recognition.training.render.walk_people import (
    PASS_S,
    REACH_S,
    arm_offset,
    paint_arm,
    paint_pack,
    paint_person,
    texture,
)
from recognition.training.render.walk_shelf import BACK_MM, FRONT_MM, Panorama

_SKIN: tuple[Colour, ...] = ((120, 152, 205), (90, 120, 175), (52, 72, 112))


@dataclass(frozen=True)
class WalkEvent:
    """A pack leaves or reaches its place. kind: taken or restocked. place: shelf from 1, and its index on the shelf's
    front row from the left, from 1."""

    seconds: float
    kind: str
    instance: int
    sku: str
    place: tuple[int, int]


@dataclass(frozen=True)
class VisibleProduct:
    """A pack on the shelf as a frame shows it. sku: "" when in no catalogue. visible: share that can be seen."""

    box: Box
    sku: str
    instance: int
    visible: float


class ShelfState:
    """The drawing as it is at a time: packs that are away are shown as the emptied drawing has their places."""

    def __init__(self, full: Panorama, emptied: Panorama) -> None:
        self.full, self.emptied = full, emptied
        self.front, self.owner, self.solid = full.front.copy(), full.owner.copy(), full.solid.copy()
        self.away: frozenset[int] = frozenset()
        self.instances = {i.number: i for i in full.instances}

    def turn_to(self, away: frozenset[int]) -> None:
        """Takes away the instances that are away, and puts back the others."""
        for number in away ^ self.away:
            source = self.emptied if number in away else self.full
            x0, y0, x1, y1 = (round(v) for v in self.instances[number].box)
            part = slice(max(0, y0 - 4), y1 + 4), slice(max(0, x0 - 4), x1 + 4)
            mine = (self.full.owner[part] == number)[..., None]
            self.front[part] = np.where(mine, source.front[part], self.front[part])
            self.owner[part] = np.where(mine[..., 0], source.owner[part], self.owner[part])
            self.solid[part] = np.where(mine[..., 0], source.solid[part], self.solid[part])
        self.away = away

    def view(self, camera: Camera, ahead: Homography) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """What the camera sees: BGR picture, and the instance at each pixel."""
        size = camera.width, camera.height
        behind = plane_homography(camera, BACK_MM) @ self.full.to_mm
        image = cv2.warpPerspective(self.full.back, behind, size, borderValue=(70, 72, 75))
        front = cv2.warpPerspective(self.front, ahead, size)
        cv2.copyTo(front, cv2.warpPerspective(self.solid, ahead, size, flags=cv2.INTER_NEAREST), image)
        owner = cv2.warpPerspective(self.owner, ahead, size, flags=cv2.INTER_NEAREST)
        return np.asarray(image, np.uint8), np.asarray(owner, np.int32)

    def products(self, owner: NDArray[np.int32], ahead: Homography) -> tuple[VisibleProduct, ...]:
        """The packs of which enough can be seen."""
        found = []
        for number, (box, pixels) in visible_boxes(owner).items():
            instance = self.instances[number]
            visible = pixels / max(instance.area * _enlarged(instance.box, ahead), 1.0)
            if visible >= MIN_VISIBLE and min(box[2] - box[0], box[3] - box[1]) >= 4:
                found.append(VisibleProduct(box, instance.sku, number, round(min(visible, 1.0), 3)))
        return tuple(found)


class Crowd:
    """Arms and people of a film. passing: seconds at which somebody is in the middle of the picture."""

    def __init__(
        self,
        panorama: Panorama,
        events: Sequence[WalkEvent],
        passing: Sequence[float],
        size: tuple[int, int],
        seed: int,
    ) -> None:
        self.panorama, self.events, self.passing = panorama, events, passing
        rng = np.random.default_rng([seed, 29])
        self.skin = texture(size, [_SKIN[int(rng.integers(len(_SKIN)))]], rng)
        cloth = [tuple(int(c) for c in rng.integers(30, 200, 3)) for _ in range(3)]
        self.cloth = texture(size, [(c[0], c[1], c[2]) for c in cloth], rng)
        self.instances = {i.number: i for i in panorama.instances}

    def paint(
        self, image: NDArray[np.uint8], covered: NDArray[np.uint8], seconds: float, camera: Camera, ahead: Homography
    ) -> None:
        """Paints who is there at a time; `covered` becomes 255 there."""
        scale = camera.focal / (camera.eye[2] - FRONT_MM)
        for event in self.events:
            since = seconds - event.seconds
            if abs(since) < REACH_S:
                self._arm(image, covered, event, since, scale, ahead)
        for start in self.passing:
            way = (seconds - start) / PASS_S + 0.5
            if -0.2 < way < 1.2:
                paint_person(image, covered, (1.2 - 1.4 * way) * camera.width, scale * 1.5, self.cloth, self.skin)

    def _arm(
        self, image: NDArray[np.uint8], covered: NDArray[np.uint8], event: WalkEvent, since: float, scale: float,
        ahead: Homography,
    ) -> None:  # fmt: skip
        instance = self.instances[event.instance]
        corners = box_corners(instance.box, ahead)
        middle = corners.mean(axis=0)
        away = arm_offset(since)
        below = np.array([middle[0] + 0.3 * image.shape[0], image.shape[0] * 1.25])
        hand = middle + (below - middle) * away
        if (since >= 0) == (event.kind == "taken"):
            height = int(corners[:, 1].max() - corners[:, 1].min())
            paint_pack(image, covered, self.panorama.picture(instance, height), (float(hand[0]), float(hand[1])))
        paint_arm(image, covered, (float(hand[0]), float(hand[1] + 15 * scale)), scale, self.skin)


def _enlarged(box: Box, homography: Homography) -> float:
    """How many pixels of the frame one pixel of the panorama becomes."""
    corners = box_corners(box, homography).astype(np.float32)
    return float(cv2.contourArea(corners)) / max((box[2] - box[0]) * (box[3] - box[1]), 1.0)


def box_corners(box: Box, homography: Homography) -> NDArray[np.float64]:
    """Corners (4, 2) of a box after a homography, top-left first, clockwise."""
    x0, y0, x1, y1 = box
    corners = np.array([[[x0, y0], [x1, y0], [x1, y1], [x0, y1]]], np.float64)
    return np.asarray(cv2.perspectiveTransform(corners, homography)[0])
