"""Since when has a place looked as it does now? The pictures of the last seconds, each with where it was taken.

A detector finds some products late: small ones, or those that a blurred picture showed first. They did not come when
they were found. What came, came when its place began to look as it does.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.live.overlap import Box
from recognition.live.views import Grey, Look
from recognition.shelves.places import moved
from recognition.shelves.register import Homography

_APART_S = 0.3  # seconds between two pictures that are kept
_KEPT = 40
_SIDE = 960  # longer side of a kept picture, pixels
_COVERED = 5  # pictures one after the other that show something else: less may be a hand, or blur


@dataclass(frozen=True, eq=False)
class _Picture:
    """grey: uint8 (h, w). to_grey: homography from the coordinates of `part` to its pixels."""

    seconds: float
    part: int
    grey: Grey
    to_grey: Homography


class Past:
    """The latest pictures of one source, bounded."""

    def __init__(self) -> None:
        self._pictures: deque[_Picture] = deque(maxlen=_KEPT)

    def keep(self, seconds: float, part: int, grey: Grey, to_part: NDArray[np.float64]) -> None:
        """Keeps a picture, unless one was kept just before. to_part: homography from its pixels to the shelf."""
        if self._pictures and seconds - self._pictures[-1].seconds < _APART_S:
            return
        zoom = min(1.0, _SIDE / max(grey.shape))
        small = cv2.resize(grey, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA) if zoom < 1 else grey
        to_grey = np.diag([zoom, zoom, 1.0]) @ np.linalg.inv(to_part)
        self._pictures.append(_Picture(seconds, part, np.asarray(small, np.uint8), to_grey))

    def join(self, part: int, into: int, homography: Homography) -> None:
        """Two parts of the shelf turned out to be one."""
        back = np.linalg.inv(homography)
        self._pictures = deque(
            (_Picture(p.seconds, into, p.grey, p.to_grey @ back) if p.part == part else p for p in self._pictures),
            maxlen=_KEPT,
        )

    def since(self, first: float, part: int, box: Box, look: Look) -> float:
        """Since when a place has looked like that, seconds: `first`, or earlier. box: (4,), coordinates of its part.

        What turns slowly, as a pack that stands behind others does before a camera that walks by, was there before.
        """
        began, others, later, slowly = first, 0, look, True
        for picture in reversed(self._pictures):
            if picture.part != part:
                continue
            here = moved(box[None].astype(np.float64), picture.to_grey)[0]
            if not _shown(here, picture.grey):
                continue
            before = Look.at(picture.grey, here)
            if picture.seconds >= first:
                slowly = slowly and not before.jumped(later)
                later = before
            elif before.roughly(look) or (slowly and not others and not before.jumped(later)):
                began, others, later = picture.seconds, 0, before
            else:
                others += 1
            if others >= _COVERED:
                break
        return began


def _shown(box: Box, grey: Grey) -> bool:
    height, width = grey.shape
    return bool((box[:2] >= 0).all() and box[2] <= width and box[3] <= height)
