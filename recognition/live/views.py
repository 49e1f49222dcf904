"""Views of a product: how good is one, and does the place still look as it did?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.detection.boxes import cut, intersections, sizes

Grey = NDArray[np.uint8]
_Pixel = TypeVar("_Pixel", np.uint8, np.float32)

_LARGE_PX = 224.0  # square root of the area from which on more pixels show no more
_BETTER = 1.3  # a view this many times as good as the best one is worth another look
_CUT = 0.4  # what a view is worth that ends at the border of the picture
_SIDE = 32  # side of a look, pixels; the place itself fills its middle half
_FLAT = 4.0  # grey levels: a field with less contrast shows nothing
_TONE = 25.0  # grey levels between two flat fields that are not the same
_SAME = 0.6  # least correlation of two looks at the same thing
_STEADY = 0.8  # the same, of consecutive frames
_SHADED = 0.5  # the same, of surroundings that may have lost a shadow
_ROUGHLY = 0.85  # least correlation of two blurred looks at the same thing
_JUMP = 0.65  # the same of consecutive frames, below which something came or went
_SHADE = 2.0  # times the contrast
_DARKER = 1.4  # the same, within which a place looks as it did some time ago
_SMOOTH = 1.0  # blur that makes a sharp look and a smeared one alike, pixels of a look
_INNER = slice(_SIDE // 4, 3 * _SIDE // 4)
_AROUND = (slice(0, _SIDE // 4 - 2), slice(3 * _SIDE // 4 + 2, _SIDE))  # above and below the place


def qualities(grey: Grey, xyxy: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much each box shows of its product, (n,), pixels: size, less where blurred, covered or cut by the border.

    grey: uint8 (h, w). xyxy: float32 (n, 4), pixels of that picture.
    """
    height, width = grey.shape
    good = np.minimum(sizes(xyxy).astype(np.float64), _LARGE_PX)
    good *= np.array([_sharpness(grey, box) for box in xyxy]).reshape(-1) * visible(xyxy) ** 2
    return np.where(cut(xyxy, (width, height)), _CUT, 1.0) * good


def better(quality: float, best: float) -> bool:
    """Whether a view is so much better than the best one so far that embedding it again is worth while."""
    return quality > _BETTER * best


def visible(xyxy: NDArray[np.float32]) -> NDArray[np.float64]:
    """Share of each box that no other one covers, (n,), 0..1; of two boxes the one that ends lower is in front."""
    shared = intersections(xyxy, xyxy)
    in_front = xyxy[None, :, 3] > xyxy[:, None, 3]
    area = np.maximum(sizes(xyxy).astype(np.float64) ** 2, 1e-6)
    share: NDArray[np.float64] = 1 - (shared * in_front).max(axis=1, initial=0) / area
    return share.clip(0, 1)


def _sharpness(grey: Grey, box: NDArray[np.float32]) -> float:
    """0..1: how steep a picture's steps are for its contrast; a fourth root, for edges are not all of a view."""
    patch = _patch(grey, box, 64).astype(np.float32)
    contrast = float(patch.std())
    if contrast < _FLAT:
        return 1.0
    steps = float(np.abs(cv2.Laplacian(patch, cv2.CV_32F)).mean())
    return float(min(1.0, steps / (1.5 * contrast)) ** 0.25)


@dataclass(frozen=True, eq=False)
class _Field:
    """A part of a look. deviations: float32 (n,), from its mean. mean, spread: grey levels; the latter is at least
    `_FLAT`."""

    deviations: NDArray[np.float32]
    mean: float
    spread: float

    @classmethod
    def of(cls, picture: NDArray[np.float32]) -> _Field:
        """The field that a picture shows."""
        deviations = (picture - picture.mean()).ravel()
        return cls(deviations, float(picture.mean()), max(float(np.sqrt(np.mean(deviations**2))), _FLAT))

    def alike(self, other: _Field) -> float:
        """Correlation, -1..1, blind to brightness and contrast; of two flat fields, whether they are as bright."""
        if max(self.spread, other.spread) <= _FLAT:
            return float(abs(self.mean - other.mean) < _TONE)
        return float(self.deviations @ other.deviations) / (len(self.deviations) * self.spread * other.spread)


@dataclass(frozen=True, eq=False)
class Look:
    """A place in small: float32 (32, 32) grey; the place in the middle half, its surroundings around it."""

    picture: NDArray[np.float32]

    @classmethod
    def at(cls, grey: Grey, box: NDArray[np.float32]) -> Look:
        """The look of a place of a grey picture; what lies outside repeats the border. box: (4,), pixels."""
        half = (box[2:] - box[:2]) / 2
        return cls(_patch(grey, np.concatenate([box[:2] - half, box[2:] + half]), _SIDE).astype(np.float32))

    def same_place(self, other: Look) -> bool:
        """Whether the place itself looks the same."""
        return self._inner.alike(other._inner) >= _SAME

    def roughly(self, other: Look) -> bool:
        """Whether the place itself looks the same but for blur. The same pack behind a gap lies in the shade."""
        return self._smooth.alike(other._smooth) >= _ROUGHLY and self._shade(other) <= _DARKER

    def jumped(self, other: Look) -> bool:
        """Whether the place itself looks quite otherwise from one frame to the next: blur and a slow turn do not.

        The same pack stands behind many a gap: it looks alike, but lies in the shade.
        """
        return self._smooth.alike(other._smooth) < _JUMP or self._shade(other) > _SHADE

    def out_of_shade(self, other: Look) -> bool:
        """Whether the place has so much more contrast than in the other look that it lay in the shade there."""
        return self._smooth.spread > _DARKER * other._smooth.spread

    def _shade(self, other: Look) -> float:
        """How many times the contrast of one is that of the other, from 1 on."""
        less, more = sorted((self._smooth.spread, other._smooth.spread))
        return more / less

    def same_around(self, other: Look) -> bool:
        """Whether what is above and below the place looks the same: neighbours may go, an arm comes from outside.

        A product that goes takes its shadow along, so one of the two may differ a little; an arm changes one of them
        much, or both.
        """
        sides = [one.alike(same) for one, same in zip(self._sides, other._sides, strict=True)]
        return max(sides) >= _STEADY and min(sides) >= _SHADED

    def steady(self, other: Look) -> bool:
        """Whether nothing moved between two looks, neither in the place nor around it."""
        return min(self._whole.alike(other._whole), self._inner.alike(other._inner)) >= _STEADY

    def levels(self, high: int) -> list[Look]:
        """The looks of so many equal levels of the place, from the top."""
        height = _SIDE / 2 / high
        tops = [_SIDE / 4 + level * height for level in range(high)]
        boxes = [np.array([0, top - height / 2, _SIDE, top + 1.5 * height], np.float32) for top in tops]
        return [Look(_patch(self.picture, box, _SIDE)) for box in boxes]

    @cached_property
    def _whole(self) -> _Field:
        return _Field.of(self.picture)

    @cached_property
    def _inner(self) -> _Field:
        return _Field.of(self.picture[_INNER, _INNER])

    @cached_property
    def _smooth(self) -> _Field:
        blurred = np.asarray(cv2.GaussianBlur(self.picture, (0, 0), _SMOOTH), np.float32)
        return _Field.of(blurred[_INNER, _INNER])

    @cached_property
    def _sides(self) -> list[_Field]:
        return [_Field.of(self.picture[part, _INNER]) for part in _AROUND]


def _patch(grey: NDArray[_Pixel], box: NDArray[np.float32], side: int) -> NDArray[_Pixel]:
    """The picture inside a box, (side, side); what lies outside repeats the border."""
    height, width = grey.shape
    first = np.floor(box[:2]).astype(int)
    last = np.maximum(np.ceil(box[2:]).astype(int), first + 1)
    x0, y0 = np.clip(first, 0, [width - 1, height - 1])
    x1, y1 = np.clip(last, [x0 + 1, y0 + 1], [width, height])
    part = grey[y0:y1, x0:x1]
    outside = (y0 - first[1], last[1] - y1, x0 - first[0], last[0] - x1)
    if any(amount > 0 for amount in outside):
        top, bottom, left, right = (int(min(max(amount, 0), 4 * max(height, width))) for amount in outside)
        part = cv2.copyMakeBorder(part, top, bottom, left, right, cv2.BORDER_REPLICATE)
    patch: NDArray[_Pixel] = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA)
    return patch
