"""Does a product stand behind the front row? What is farther away goes along with a camera that walks by.

The shelf's coordinates are those of its front. From a camera that moves by c in front of it, at distance D, a point at
depth d behind the front seems to move by c * d / (D + d); one at the front does not move. So the slope of where a
product is seen against where the camera is tells its depth, and where it would be seen from straight ahead.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recognition.live.overlap import Box

_BEHIND = 0.012  # slope of what certainly stands behind: 2 cm from a camera at 1.5 m, more than rows are uneven
_DEEP = 0.02  # slope of a second row: 3 cm behind the front
_BEHIND_ERRORS, _OPEN_ERRORS = 2.0, 3.0  # standard errors
_FEWEST = 8  # sightings
_TREMBLE_PX = 1.0  # standard deviation of a box's middle at least
_STEP_PX = 2.0  # of the camera: less is no new view
_MEMORY = 60.0  # sightings after which old ones have faded


@dataclass(eq=False)
class Parallax:
    """Running least squares of a product's middle against the picture's, both (x, y), pixels of the shelf; old
    sightings fade."""

    _weight: float = 0.0
    _count: int = 0
    _camera: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    _product: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    _moments: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))  # camera², camera * product, product²
    _latest: NDArray[np.float64] | None = None

    def add(self, camera: NDArray[np.float64], box: Box) -> None:
        """A sighting. camera: (2,), the picture's middle; box: (4,). Without a step of the camera it says nothing."""
        if self._latest is not None and float(np.abs(camera - self._latest).max()) < _STEP_PX:
            return
        self._latest, self._count = camera, self._count + 1
        fade = 1 - 1 / _MEMORY
        self._weight = fade * self._weight + 1
        way, way_product = camera - self._camera, _middle(box) - self._product
        share = 1 - 1 / self._weight  # Welford's update of co-moments
        self._moments = fade * self._moments + share * np.array(
            [way @ way, way @ way_product, way_product @ way_product]
        )
        self._camera = self._camera + way / self._weight
        self._product = self._product + way_product / self._weight

    @property
    def behind(self) -> bool:
        """Whether the product certainly stands behind the front."""
        slope, error = self._slope()
        return slope - _BEHIND_ERRORS * error > _BEHIND

    @property
    def open(self) -> bool:
        """Whether it may stand behind the front, for all that was seen so far."""
        slope, error = self._slope()
        return slope + _OPEN_ERRORS * error > _DEEP

    def straight(self, box: Box) -> Box:
        """Where a box (4,) would be seen from straight ahead, for all that is known."""
        if not self._count:
            return box
        slope, _ = self._slope()
        middle = (self._product - slope * self._camera) / (1 - slope)
        return np.asarray(box + np.tile(middle - _middle(box), 2), np.float32)

    def _slope(self) -> tuple[float, float]:
        """Slope, 0 to 0.5, and its standard error."""
        camera, both, product = (float(v) for v in self._moments)
        if self._count < _FEWEST or camera <= 0:
            return 0.0, np.inf
        slope = both / camera
        rest = max(product - slope * both, 0.0) / max(2 * self._weight - 3, 1)
        return float(np.clip(slope, 0, 0.5)), float(np.sqrt(max(rest, _TREMBLE_PX**2) / camera))


def _middle(box: Box) -> NDArray[np.float64]:
    return (box[:2] + box[2:]).astype(np.float64) / 2
