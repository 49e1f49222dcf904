"""A phone as a camera: a pinhole in front of the shelf, and what lens, light, sensor and JPEG do to its picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera. World: millimetres, x right, y up, z out of the shelf towards the camera.

    eye: (x, y, z). yaw, pitch, roll: radians, 0 = straight at the shelf. focal: pixels. width, height: pixels.
    """

    eye: tuple[float, float, float]
    yaw: float
    pitch: float
    roll: float
    focal: float
    width: int
    height: int

    def project(self, points: Points) -> Points:
        """Pixels (n, 2) float64, origin top-left, of world points (n, 3)."""
        local = (points - np.array(self.eye)) @ self._rotation().T
        depth = np.maximum(-local[:, 2:], 1.0)
        centre = np.array([self.width / 2, self.height / 2])
        return np.asarray(local[:, :2] * [1, -1] * self.focal / depth + centre)

    def _rotation(self) -> NDArray[np.float64]:
        cy, sy, cp, sp = np.cos(self.yaw), np.sin(self.yaw), np.cos(self.pitch), np.sin(self.pitch)
        cr, sr = np.cos(self.roll), np.sin(self.roll)
        yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        return np.asarray(roll @ pitch @ yaw)


@dataclass(frozen=True)
class Look:
    """What light, lens and sensor add. All strengths are 0 for a perfect picture.

    exposure: factor. cast: factors of blue, green, red. gradient: change of light across (x, y). vignette: loss in
    the corners, share. glare: number of spots. blur: sigma of defocus, pixels. motion: length of shake, pixels.
    noise: sigma in grey levels. jpeg: quality 1..100.
    """

    exposure: float = 1.0
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gradient: tuple[float, float] = (0.0, 0.0)
    vignette: float = 0.0
    glare: int = 0
    blur: float = 0.0
    motion: float = 0.0
    noise: float = 0.0
    jpeg: int = 100


def random_look(rng: np.random.Generator, harsh: float = 1.0) -> Look:
    """A plausible phone picture; harsh 0 = clean, 1 = as found in the field, more = worse."""
    warm = float(rng.normal(0, 0.05)) * harsh
    return Look(
        exposure=float(np.exp(rng.normal(0, 0.16 * harsh))),
        cast=(1 - warm, 1 + float(rng.normal(0, 0.015)) * harsh, 1 + warm),
        gradient=(float(rng.normal(0, 0.12)) * harsh, float(rng.normal(0, 0.14)) * harsh),
        vignette=float(rng.uniform(0, 0.25)) * harsh,
        glare=int(rng.poisson(1.2 * harsh)),
        blur=float(rng.uniform(0.3, 0.9)) * harsh,
        motion=float(rng.choice([0, 0, 0, 2, 3])) * harsh,
        noise=float(rng.uniform(1, 5)) * harsh,
        jpeg=int(rng.integers(72, 94)),
    )


def develop(image: NDArray[np.uint8], look: Look, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture as the phone would store it, before JPEG: BGR uint8 (h, w, 3) in and out."""
    height, width = image.shape[:2]
    x, y = np.linspace(-1, 1, width, dtype=np.float32)[None], np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    light = (1 + look.gradient[0] * x + look.gradient[1] * y) * (1 - look.vignette * (x**2 + y**2) / 2) * look.exposure
    out = image.astype(np.float32) * light[..., None] * np.array(look.cast, np.float32)
    out += _glare(height, width, look.glare, rng)[..., None]
    if look.blur > 0.2:
        out = cv2.GaussianBlur(out, (0, 0), look.blur)
    if look.motion > 1:
        out = cv2.filter2D(out, -1, motion_kernel(look.motion, float(rng.uniform(0, np.pi))))
    out = np.where(out > 225, 225 + (out - 225) * 0.45, out)  # highlights roll off instead of clipping hard
    if look.noise > 0:
        grain = rng.standard_normal((height, width, 1), dtype=np.float32)
        colour = rng.standard_normal((height, width, 3), dtype=np.float32)
        out += look.noise * (0.8 * grain + 0.5 * colour)
    return np.asarray(out.clip(0, 255), np.uint8)


def jpeg_bytes(image: NDArray[np.uint8], quality: int) -> bytes:
    """A BGR picture as a JPEG file."""
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def _glare(height: int, width: int, spots: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Soft bright patches, float32 (height, width), as lamps leave on foil and glass."""
    small = np.zeros((max(1, height // 8), max(1, width // 8)), np.float32)
    for _ in range(spots):
        centre = int(rng.uniform(0, small.shape[1])), int(rng.uniform(0, small.shape[0]))
        axes = int(rng.uniform(0.01, 0.05) * small.shape[1]) + 1, int(rng.uniform(0.02, 0.09) * small.shape[0]) + 1
        cv2.ellipse(small, centre, axes, float(rng.uniform(-30, 30)), 0, 360, float(rng.uniform(40, 130)), -1)
    small = cv2.GaussianBlur(small, (0, 0), max(1.0, small.shape[1] / 50)) if spots else small
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def motion_kernel(length: float, angle: float) -> NDArray[np.float32]:
    """A line of sum 1, float32 (k, k): what moves by `length` pixels in the direction `angle` (radians) is drawn so."""
    size = int(length) // 2 * 2 + 3
    kernel = np.zeros((size, size), np.float32)
    middle, reach = size // 2, np.array([np.cos(angle), np.sin(angle)]) * length / 2
    ends = [tuple(round(middle + s * v) for v in reach) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA)
    return np.asarray(kernel / kernel.sum(), np.float32)
