"""A picture being painted from back to front, with the owner of every pixel beside it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.training.render.assortment import Colour
from recognition.training.render.camera import Camera, Points

NOBODY = 0
"""Owner of pixels that show no product."""


class Canvas:
    """A BGR picture seen by a camera. `owner` int32 (h, w): number of the product shown, from 1; `areas`: pixels of
    each product if nothing hid it and the picture had no edge."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.image: NDArray[np.uint8] = np.zeros((camera.height, camera.width, 3), np.uint8)
        self.owner: NDArray[np.int32] = np.zeros((camera.height, camera.width), np.int32)
        self.areas: dict[int, int] = {}

    def fill(self, points: Points, colour: Colour, light: float = 1.0) -> None:
        """Paints a convex world polygon (n, 3) in one RGB colour; what it covers belongs to nobody."""
        flat = np.round(self.camera.project(points) * 16).clip(-(2**24), 2**24).astype(np.int32)
        red, green, blue = (float(min(255, c * light)) for c in colour)
        cv2.fillConvexPoly(self.image, flat, (blue, green, red), cv2.LINE_AA, 4)
        cv2.fillConvexPoly(self.owner, flat, NOBODY, cv2.LINE_8, 4)

    def sprite(self, texture: NDArray[np.uint8], corners: Points, owner: int = NOBODY) -> None:
        """Paints an RGBA texture on a world quad: corners (4, 3) top-left, top-right, bottom-right, bottom-left."""
        quad = self.camera.project(corners)
        low, high = np.floor(quad.min(axis=0)).astype(int) - 1, np.ceil(quad.max(axis=0)).astype(int) + 2
        size = high - low
        if (high <= 0).any() or (low >= [self.camera.width, self.camera.height]).any() or size.max() > 6000:
            return
        source = shrink(texture, float(np.linalg.norm(quad[3] - quad[0])))
        height, width = source.shape[:2]
        ends = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        matrix = cv2.getPerspectiveTransform(ends, (quad - low).astype(np.float32))
        layer = cv2.warpPerspective(source, matrix, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR)
        if owner:
            self.areas[owner] = self.areas.get(owner, 0) + int(np.count_nonzero(layer[..., 3] > 127))
        self._blend(layer, int(low[0]), int(low[1]), owner)

    def cover(self, layer: NDArray[np.uint8], x: int, y: int) -> None:
        """Paints an RGBA picture flat on the canvas, top-left corner at (x, y): a hand, a cart; nobody owns it."""
        self._blend(layer, x, y, NOBODY)

    def _blend(self, layer: NDArray[np.uint8], x: int, y: int, owner: int) -> None:
        height, width = layer.shape[:2]
        x0, y0 = max(0, x), max(0, y)
        x1, y1 = min(self.camera.width, x + width), min(self.camera.height, y + height)
        if x1 <= x0 or y1 <= y0:
            return
        part = layer[y0 - y : y1 - y, x0 - x : x1 - x]
        blend(self.image[y0:y1, x0:x1], part[..., 2::-1], part[..., 3:])
        self.owner[y0:y1, x0:x1][part[..., 3] > 127] = owner


def blend(place: NDArray[np.uint8], colours: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> None:
    """Lays colours (h, w, 3) over `place`, in its own order of colours and in its place; alpha (h, w, 1)."""
    cover = alpha.astype(np.float32) / 255
    place[:] = (place + (colours - place.astype(np.float32)) * cover + 0.5).astype(np.uint8)


def shrink(texture: NDArray[np.uint8], height: float) -> NDArray[np.uint8]:
    """`texture`, made smaller by area averaging when it is to be drawn much smaller: warping alone would alias."""
    scale = height * 1.15 / texture.shape[0]
    if scale >= 0.85:
        return texture
    size = max(2, round(texture.shape[1] * scale)), max(2, round(texture.shape[0] * scale))
    return np.asarray(cv2.resize(texture, size, interpolation=cv2.INTER_AREA), np.uint8)
