"""What local features say about the candidates of each crop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Each = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Findings per crop (n) and per candidate in search order (v <= k); 0 where a candidate could not be laid over.

    inliers: float32 (n, v), keypoints that agree on one way to lay the reference over the crop. likeness, hue: float32
    (n, v), 0..1, how alike the two pictures then are: see `Overlay`. patches: float32 (n, v), at most 1, how well the
    reference's patches are found in the crop, wherever they lie in it: see `found_again`. stretch: float32 (n, v), by
    how much the crop is wider or higher than the reference for its size: see `stretch`. verified: bool (n,), False
    where nothing was looked at: not asked for, or a candidate has no picture. small: bool (n,), crops of so few pixels
    that no keypoints can be expected to agree.
    """

    inliers: Each
    likeness: Each
    hue: Each
    patches: Each
    stretch: Each
    verified: NDArray[np.bool_]
    small: NDArray[np.bool_]

    def __post_init__(self) -> None:
        wide, each = [values.shape for values in self._wide], (self.verified.shape, self.small.shape)
        if self.inliers.ndim != 2 or len({*wide}) != 1 or {*each} != {wide[0][:1]}:
            raise ValueError(f"Evidence: wanted five arrays (n, v) and two (n,), got {wide} and {each}")

    @classmethod
    def empty(cls, crops: int, candidates: int) -> Evidence:
        """Nothing looked at."""
        return cls(*np.zeros((5, crops, candidates), np.float32), *np.zeros((2, crops), np.bool_))

    def columns(self, which: NDArray[np.int64], more: Evidence) -> Evidence:
        """The findings of some candidates per crop. which: int64 (n, w), columns of these and then of `more`'s."""
        pairs = zip(self._wide, more._wide, strict=True)
        inliers, likeness, hue, patches, stretch = (
            np.take_along_axis(np.concatenate(pair, axis=1), which, axis=1) for pair in pairs
        )
        return Evidence(inliers, likeness, hue, patches, stretch, self.verified.copy(), self.small.copy())

    @property
    def _wide(self) -> tuple[Each, Each, Each, Each, Each]:
        return self.inliers, self.likeness, self.hue, self.patches, self.stretch
