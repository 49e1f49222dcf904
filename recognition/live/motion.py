"""Where the camera looks: from the pixels of each frame to the coordinates of the shelf (`shelves/keyframes.py`).

A camera that stands still is not registered again and again: a picture that is nearly the one that was placed last is
in the same place, and so is one of which much stands where it stood, whatever was taken away or put there. A moved
camera leaves a tenth of it (measured: a fifth after 6 pixels of 1280), and a shelf of equal places that was filled
otherwise must not look like one that was walked along.
"""

from __future__ import annotations

import numpy as np

from recognition.live.still import StillPicture
from recognition.shelves.keyframes import FrameMap, Joined
from recognition.shelves.register import Homography
from recognition.types import Image

_STIRRED = 0.15  # share of the picture that differs from the one placed last when it is worth placing anew
_STANDS = 0.4  # share of its contrast that is in its old place: the camera was not moved


class CameraMotion:
    """The view of one source. part: which stretch of shelf the latest frame shows; to_part: homography from its pixels
    to that. joined: stretches that turned out to be one with the latest frame."""

    def __init__(self) -> None:
        self.map = FrameMap()
        self.part, self.to_part = 0, np.eye(3)
        self.joined: list[Joined] = []
        self._still, self._recent = StillPicture(), StillPicture()

    def follow(self, image: Image) -> Homography | None:
        """Homography from pixels of this frame to its part, None when it cannot be placed. image: BGR uint8."""
        self.joined = []
        if self._still.changed(image) <= _STIRRED:
            return self.to_part
        if self._still.stands >= _STANDS:
            self._settle(image)
            return self.to_part
        found = self.map.place(image)
        self.joined = self.map.joined
        if found is None:
            return None
        self._still.keep()
        self.part, self.to_part = self.map.part, found
        return found

    def _settle(self, image: Image) -> None:
        """From now on the changed shelf is what pictures are compared with, once nothing moves there."""
        if self._recent.changed(image) == 0:
            self._still.keep()
        self._recent.keep()

    def interrupt(self) -> None:
        """The source was away: the next frame may show any place."""
        self.map.interrupt()
