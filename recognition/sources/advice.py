"""Words for the photographer: what about a photo makes products hard to recognise.

The bounds were set on shelf photos of several stores (640 to 2016 pixels, few of them should be named) against
the same photos blurred, smeared, darkened and with a lamp's reflection laid over them.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.types import Image

_SIDE = 1024  # pixels of the longer side of the copy that is judged: sharpness is compared at one scale
_SHARP = 0.007  # least curvature of any direction, as a share of the contrast; sharp photos: 0.0095 to 0.3
_CONTRAST = 4.0  # grey levels squared; below it there is nothing whose sharpness could be seen
_LIT = 90  # grey level that a tenth of the picture must exceed; lit shelves: 134 to 244
_BURNT = 250  # level of the darkest channel from which on a pixel shows nothing but light
_GLARE = 0.02  # share of the picture under burnt patches; photos without a reflection: below 0.02
_PATCH = 0.02  # least width of such a patch, share of the longer side: price tags and letters are smaller
_NEAR = 24.0  # pixels, square root of a product's area: below it brands cannot be read

_BENDS = (  # second derivative along each of four directions, per pixel of distance
    np.array([[0, 0, 0], [1, -2, 1], [0, 0, 0]], np.float32),
    np.array([[0, 1, 0], [0, -2, 0], [0, 1, 0]], np.float32),
    np.array([[1, 0, 0], [0, -2, 0], [0, 0, 1]], np.float32) / np.float32(np.sqrt(2)),
    np.array([[0, 0, 1], [0, -2, 0], [1, 0, 0]], np.float32) / np.float32(np.sqrt(2)),
)


def photo_advice(image: Image) -> tuple[str, ...]:
    """Which of `blurred`, `dark`, `glare` hold, in this order. image: BGR uint8 (h, w, 3), not empty."""
    small = _shrunk(image)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
    found = {"blurred": _is_blurred(grey), "dark": np.percentile(grey, 90) < _LIT, "glare": _has_glare(small)}
    return tuple(word for word, holds in found.items() if holds)


def too_far(sizes_px: NDArray[np.floating]) -> bool:
    """Whether the median product is too small to be recognised; never when there is none.

    sizes_px: (n,), square root of the area of each box, pixels of the full photo.
    """
    return len(sizes_px) > 0 and bool(np.median(sizes_px) < _NEAR)


def _shrunk(image: Image) -> Image:
    """The image with a longer side of at most _SIDE, by a whole step first: OpenCV does that four times faster."""
    height, width = image.shape[:2]
    step = min(max(height, width) // _SIDE, height, width)
    if step > 1:
        image = _resized(image[: height // step * step, : width // step * step], 1 / step)
    scale = _SIDE / max(image.shape[:2])
    return _resized(image, scale) if scale < 1 else image


def _resized(image: Image, scale: float) -> Image:
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _is_blurred(grey: NDArray[np.uint8]) -> bool:
    """Variance of the Laplacian (Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, ICPR 2000).

    It is taken direction by direction, because a shaken photo stays sharp along the shake, and divided by the
    variance of the picture, so that a dark or pale photo is not called blurred.
    """
    contrast = float(grey.var())
    if contrast < _CONTRAST:
        return False
    curvature = min(float(cv2.filter2D(grey, cv2.CV_32F, kernel).var()) for kernel in _BENDS)
    return curvature / contrast < _SHARP


def _has_glare(image: Image) -> bool:
    """Burnt patches of some size; an opening takes away what is small."""
    burnt = np.asarray(cv2.inRange(image, (_BURNT,) * 3, (255,) * 3), np.uint8)
    side = max(3, round(_PATCH * max(burnt.shape)))
    patches = cv2.morphologyEx(burnt, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    return bool(cv2.countNonZero(patches) > _GLARE * burnt.size)
