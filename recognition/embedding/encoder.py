"""The second seam: anything that turns crops into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recognition.types import Image


class Encoder(Protocol):
    """Embeds crops. `fingerprint` is a hex digest of weights, preprocessing, pooling, projection and dim."""

    name: str
    dim: int
    fingerprint: str

    def encode(self, crops: Sequence[Image]) -> NDArray[np.float32]:
        """Vectors (n, dim) float32 of norm 1, in order; (0, dim) for no crops. crops: RGB uint8 (h, w, 3), any sizes.

        Raises:
            EncoderError: the model failed, or a crop is empty.
        """
        ...
