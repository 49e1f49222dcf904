"""Does the picture change? Cheap enough for every frame, blind to flicker, noise and slow changes of light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.types import Image

_WIDTH = 320  # pixels that a frame is brought to: a product of 40 pixels in a Full HD frame keeps about 7
_BLOCK = 4  # side of the squares that are compared, pixels of the small picture
_FLOOR = 4.0  # grey levels, mean over a block: less is nothing
_RICH = 8.0  # grey levels a pixel, mean over a block: a shift by one pixel shows in such a block
_NOISE_TIMES = 4.0
_NOISE_MOST = 3.0  # grey levels; a moving camera changes every block, and that is no noise
_GAIN_LIMITS = (0.6, 1.7)  # brightness against the reference that is put down to light


class StillPicture:
    """Compares each frame of one source with the one that was last `kept`, by blocks of a small grey picture.

    Brightness is brought to that of the reference row of blocks by row of blocks, with medians: lamps that flicker
    under a rolling shutter make bands, and a hand covers less than half of a row. Noise is the median difference of
    consecutive frames.
    """

    def __init__(self) -> None:
        self._kept: NDArray[np.float32] | None = None
        self._last: NDArray[np.float32] | None = None
        self._noise, self._stands = 0.0, 0.0

    def changed(self, image: Image) -> float:
        """Share of the picture that differs from the kept one, 0..1; 1 when there is none, or one of another size.

        image: BGR uint8 (h, w, 3).
        """
        small = _small(image)
        if self._last is not None and self._last.shape == small.shape:
            step = float(np.median(_blocks(np.abs(small - _lit_as(small, self._last)))))
            self._noise = min(0.8 * self._noise + 0.2 * step, _NOISE_MOST)
        self._last = small
        if self._kept is None or self._kept.shape != small.shape:
            self._stands = 0.0
            return 1.0
        other = _blocks(np.abs(_lit_as(self._kept, small) - self._kept)) > max(_FLOOR, _NOISE_TIMES * self._noise)
        rich = _contrast(self._kept) > _RICH
        self._stands = float((rich & ~other).sum() / max(int(rich.sum()), 1))
        return float(other.mean())

    @property
    def stands(self) -> float:
        """Share of what has contrast in the kept picture that stood in the very same place when `changed` was asked
        last, 0..1: a camera that moves leaves little of it, a shelf that is changed leaves much."""
        return self._stands

    def keep(self) -> None:
        """From now on frames are compared with the one that `changed` saw last."""
        self._kept = self._last


def _small(image: Image) -> NDArray[np.float32]:
    """Grey float32 picture, sides multiples of the block."""
    height, width = image.shape[:2]
    scale = min(1.0, _WIDTH / width)
    size = [max(_BLOCK, round(side * scale) // _BLOCK * _BLOCK) for side in (width, height)]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.float32)


def _blocks(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of each block."""
    rows, columns = small.shape[0] // _BLOCK, small.shape[1] // _BLOCK
    means: NDArray[np.float32] = small.reshape(rows, _BLOCK, columns, _BLOCK).mean(axis=(1, 3))
    return means


def _contrast(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean step between neighbouring pixels of each block, the greater of both directions, grey levels."""
    across = np.abs(np.diff(small, axis=1, append=small[:, -1:]))
    down = np.abs(np.diff(small, axis=0, append=small[-1:]))
    steps: NDArray[np.float32] = np.maximum(_blocks(across), _blocks(down))
    return steps


def _lit_as(reference: NDArray[np.float32], small: NDArray[np.float32]) -> NDArray[np.float32]:
    """`small` as bright as `reference`, one factor for each row of blocks."""
    gain = np.median((_blocks(reference) + 8) / (_blocks(small) + 8), axis=1).clip(*_GAIN_LIMITS)
    lit: NDArray[np.float32] = small * gain.repeat(_BLOCK)[:, None].astype(np.float32)
    return lit
