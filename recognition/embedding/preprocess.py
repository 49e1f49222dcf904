"""From crops of any size to one uint8 batch of the model's input size.

Three ways to fit a crop into the input, of which the first has a second form:
- `processor` does what the model's own image processor in transformers does (resize, centre crop), with Pillow's
  antialiased filters; CLIP's centre crop cuts the cap and the foot of a tall pack. `open_clip` is the same for that
  library's models, whose centre crop rounds otherwise.
- `pad` keeps the aspect and fills the rest with white, as packshots stand on white: the crop of a bottle and its
  packshot then differ least in what surrounds them.
- `squash` resizes both sides on their own.
`pad` and `squash` shrink by area, which antialiases, and enlarge linearly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from recognition.errors import EncoderError
from recognition.types import Image

WHITE = (255, 255, 255)
_REACH = 3.0  # half width of the widest filter (lanczos), in source pixels


@dataclass(frozen=True)
class PreprocessSpec:
    """Everything that decides what the model sees of a crop.

    size: (h, w) of the model's input. fit: `processor`, `open_clip`, `pad` or `squash`. resize: for the first two,
    (h, w) or the length of the shortest edge, followed by a centre crop to `size`; for the others equal to `size`.
    interpolation: Pillow's filter, or `area`. mean, std: per RGB channel, of values from 0 to 1. pad_colour: RGB.
    """

    size: tuple[int, int]
    fit: str
    resize: tuple[int, int] | int
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pad_colour: tuple[int, int, int] = WHITE


def check_crops(crops: Sequence[Image]) -> None:
    """Refuses what is no picture.

    Raises:
        EncoderError: a crop is empty, or not uint8 (h, w, 3); the message says which.
    """
    for i, crop in enumerate(crops):
        if crop.ndim != 3 or crop.shape[2] != 3 or crop.dtype != np.uint8 or not crop.size:
            wanted = "wanted uint8 (h, w, 3) with at least one pixel"
            raise EncoderError(f"crop {i}: {wanted}, got {crop.dtype} of shape {crop.shape}")


def to_batch(crops: Sequence[Image], spec: PreprocessSpec) -> NDArray[np.uint8]:
    """Crops as the model's input before normalising, uint8 (n, h, w, 3), RGB, in order. crops: RGB uint8, any sizes.

    Normalising, (x / 255 - mean) / std, is left to the model's side: bytes are a quarter of what floats would be.
    """
    batch = np.empty((len(crops), *spec.size, 3), np.uint8)
    place = _PLACE[spec.fit]
    for crop, out in zip(crops, batch, strict=True):
        place(crop, out, spec)
    return batch


def _pad(crop: Image, out: Image, spec: PreprocessSpec) -> None:
    (height, width), (rows, columns) = crop.shape[:2], spec.size
    factor = min(rows / height, columns / width)
    h, w = max(1, round(height * factor)), max(1, round(width * factor))
    top, left = (rows - h) // 2, (columns - w) // 2
    out[:] = spec.pad_colour
    out[top : top + h, left : left + w] = _resized(crop, h, w)


def _squash(crop: Image, out: Image, spec: PreprocessSpec) -> None:
    out[:] = _resized(crop, *spec.size)


def _resized(crop: Image, h: int, w: int) -> Image:
    height, width = crop.shape[:2]
    # cv2 antialiases only when both sides shrink, so the sides that shrink go first.
    if h < height or w < width:
        crop = _cv2_resize(crop, min(h, height), min(w, width), cv2.INTER_AREA)
    return crop if crop.shape[:2] == (h, w) else _cv2_resize(crop, h, w, cv2.INTER_LINEAR)


def _cv2_resize(picture: Image, h: int, w: int, interpolation: int) -> Image:
    return np.asarray(cv2.resize(picture, (w, h), interpolation=interpolation), np.uint8)


def _process(crop: Image, out: Image, spec: PreprocessSpec) -> None:
    (height, width), (rows, columns) = crop.shape[:2], spec.size
    h, w = _resize_target(height, width, spec.resize)
    top, bottom = _needed(height, h, rows)
    left, right = _needed(width, w, columns)
    kind = PIL.Image.Resampling[spec.interpolation.upper()]
    # Width first, as torchvision does: Pillow alone takes the cheaper order, and the two round differently.
    narrow = (left * width / w, 0, right * width / w, height)
    low = (0, top * height / h, right - left, bottom * height / h)
    picture = PIL.Image.fromarray(crop).resize((right - left, height), kind, narrow)
    picture = picture.resize((right - left, bottom - top), kind, low)
    _centre_crop(np.asarray(picture), (h, w), (top, left), out, _HALF[spec.fit])


def _resize_target(height: int, width: int, resize: tuple[int, int] | int) -> tuple[int, int]:
    if isinstance(resize, tuple):
        return resize
    long = int(resize * max(height, width) / min(height, width))
    return (long, resize) if width <= height else (resize, long)


def _needed(source: int, resized: int, kept: int) -> tuple[int, int]:
    """The resized pixels, first and past-last, that the centre crop and the filter's reach around it touch.

    A box of 1 x 3000 pixels would otherwise become a picture of 224 x 672,000.
    """
    reach = math.ceil(_REACH * max(1.0, resized / source)) + 1
    start = max(0, (resized - kept) // 2)
    return max(0, start - reach), min(resized, start + kept + reach)


def _centre_crop(
    part: Image, resized: tuple[int, int], offset: tuple[int, int], out: Image, half: Callable[[int], int]
) -> None:
    """Writes the centre of a resized picture, of which `part` begins at `offset`, over `out`; black where it ends."""
    cuts = []
    for axis in (0, 1):
        length, kept = resized[axis], out.shape[axis]
        begin, border = half(max(0, length - kept)) - offset[axis], max(0, (kept - length) // 2)
        cuts.append((slice(begin, begin + min(length, kept)), slice(border, border + min(length, kept))))
    out[:] = 0
    out[cuts[0][1], cuts[1][1]] = part[cuts[0][0], cuts[1][0]]


# transformers drops a half pixel, torchvision, which open_clip uses, rounds it to the even number.
_HALF: Mapping[str, Callable[[int], int]] = {
    "processor": lambda rest: rest // 2,
    "open_clip": lambda rest: round(rest / 2),
}
_PLACE: Mapping[str, Callable[[Image, Image, PreprocessSpec], None]] = {
    "pad": _pad,
    "squash": _squash,
    "processor": _process,
    "open_clip": _process,
}
