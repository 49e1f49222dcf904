"""A walk over any picture: a virtual camera that pans along a real shelf photo."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.training.render.walk_camera import Homography, plane_homography, walking


def pan_over(
    picture: NDArray[np.uint8],
    size: tuple[int, int] = (1280, 720),
    frames: int = 200,
    shake: float = 1.0,
    seed: int = 0,
) -> Iterator[tuple[NDArray[np.uint8], Homography]]:
    """Frames of a hand-held walk along a picture, each with the homography from the picture's pixels to its own.

    picture: BGR uint8 (h, w, 3). size: width, height of the frames, pixels; a frame shows nearly the picture's whole
    height, or as much of its width as leaves a way to walk. Outside the picture all is grey.
    """
    height, width = picture.shape[:2]
    tall = min(height, width * 0.6 * size[1] / size[0])  # of the picture, seen at once
    rng = np.random.default_rng([seed, 31])
    # The picture is hung up as a shelf of one millimetre per pixel, its middle at the camera's height.
    hung = np.array([[1.0, 0, 0], [0, -1.0, (height + tall) / 2], [0, 0, 1]])
    for camera in walking(frames, 25.0, size, (float(width), tall / 1.16), shake * tall / 1600, rng):
        homography = plane_homography(camera, 0.0) @ hung
        yield (
            np.asarray(cv2.warpPerspective(picture, homography, size, borderValue=(90, 90, 90)), np.uint8),
            homography / homography[2, 2],
        )
