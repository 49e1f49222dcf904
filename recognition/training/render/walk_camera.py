"""The way of a camera along a shelf: a walking person's pace, sway, turning and shake; or a camera that stands."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.training.render.camera import Camera

Homography = NDArray[np.float64]
FIELD = 0.78
"""Focal length as a share of the picture's longer side: about 65 degrees, as phones have."""


def walking(
    frames: int, fps: float, size: tuple[int, int], shelf: tuple[float, float], shake: float, rng: np.random.Generator
) -> list[Camera]:
    """One camera for each frame, from the shelf's left end to its right one.

    size: width, height, pixels. shelf: width, height, mm; its height fills most of the picture. shake: 1 = a hand-held
    phone, 0 = on rails.
    """
    width, height = size
    focal = FIELD * max(size)
    distance = shelf[1] * 1.16 * focal / height
    half = distance * width / focal / 2
    pace = _eased(frames)
    x = (
        half * 0.93 + pace * max(0.0, shelf[0] - 2 * half * 0.93)
        if shelf[0] > 2 * half
        else np.full(frames, shelf[0] / 2)
    )
    seconds = np.arange(frames) / fps
    sway = [_drift(seconds, rng, (0.15, 0.9)) for _ in range(6)]
    jitter = rng.normal(0, 1, (3, frames)) * 0.0006
    ahead = rng.uniform(-0.08, 0.08) * min(1.0, shake)
    cameras = []
    for i in range(frames):
        eye = (
            float(x[i] + 18 * shake * sway[0][i]),
            float(shelf[1] * 0.5 + 16 * shake * sway[1][i]),
            float(distance * (1 + 0.03 * shake * sway[2][i])),
        )
        yaw = ahead + shake * (0.014 * sway[3][i] + jitter[0, i])
        pitch = shake * (0.009 * sway[4][i] + jitter[1, i])
        roll = shake * (0.014 * sway[5][i] + jitter[2, i])
        cameras.append(Camera(eye, float(yaw), float(pitch), float(roll), focal, width, height))
    return cameras


def standing(frames: int, size: tuple[int, int], shelf: tuple[float, float]) -> list[Camera]:
    """A fixed camera before the middle of the shelf."""
    focal = FIELD * max(size)
    eye = (shelf[0] / 2, shelf[1] / 2, shelf[1] * 1.16 * focal / size[1])
    return [Camera(eye, 0.02, 0.01, 0.005, focal, *size)] * frames


def plane_homography(camera: Camera, depth: float) -> Homography:
    """Homography 3 x 3 from millimetres (x, y) of the plane z = depth to the camera's pixels."""
    x, y, z = camera.eye
    reach = (z - depth) / 2
    corners = np.array([[x - reach, y - reach], [x + reach, y - reach], [x + reach, y + reach], [x - reach, y + reach]])
    pixels = camera.project(np.column_stack([corners, np.full(4, depth)]))
    return np.asarray(cv2.getPerspectiveTransform(corners.astype(np.float32), pixels.astype(np.float32)), np.float64)


def _eased(frames: int) -> NDArray[np.float64]:
    """The way covered at each frame, 0..1: starts and stops softly."""
    t = np.linspace(0, 1, frames)
    speed = np.clip(np.minimum(t, 1 - t) / 0.12, 0.02, 1)
    way = np.concatenate([[0], np.cumsum((speed[1:] + speed[:-1]) / 2)])
    return np.asarray(way / max(way[-1], 1e-9))


def _drift(seconds: NDArray[np.float64], rng: np.random.Generator, band: tuple[float, float]) -> NDArray[np.float64]:
    """A smooth random movement of about unit size. band: Hz; steps of a walk (about 1.9 Hz) are added."""
    wave = 0.35 * np.sin(2 * np.pi * 1.9 * seconds + rng.uniform(0, 6.28))
    for _ in range(3):
        wave += 0.5 * np.sin(2 * np.pi * rng.uniform(*band) * seconds + rng.uniform(0, 6.28))
    return np.asarray(wave)
