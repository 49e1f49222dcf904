"""The first seam: anything that finds products in images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from recognition.types import Detections, Image


class Detector(Protocol):
    """Finds products. `name` is what run.json and messages call it."""

    name: str

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Products of each image, in order. images: BGR uint8 (h, w, 3), any sizes.

        Raises:
            DetectorError: the model failed; the message names the cause.
        """
        ...
