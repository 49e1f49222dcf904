"""What local features say about the candidates of each crop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Evidence:
    """Findings per crop (n) and per candidate in search order (v <= k); 0 where a candidate could not be laid over.

    inliers: float32 (n, v), keypoints that agree on one way to lay the reference over the crop. likeness: float32
    (n, v), how alike the two pictures then are in structure and hue, 0..1. verified: bool (n,), False where nothing
    was looked at: not asked for, or a candidate has no picture. small: bool (n,), crops of so few pixels that no
    keypoints can be expected to agree.
    """

    inliers: NDArray[np.float32]
    likeness: NDArray[np.float32]
    verified: NDArray[np.bool_]
    small: NDArray[np.bool_]

    def __post_init__(self) -> None:
        wide, each = (self.inliers.shape, self.likeness.shape), (self.verified.shape, self.small.shape)
        if self.inliers.ndim != 2 or wide[1] != wide[0] or {*each} != {wide[0][:1]}:
            raise ValueError(f"Evidence: wanted two arrays (n, v) and two (n,), got {wide} and {each}")

    @classmethod
    def empty(cls, crops: int, candidates: int) -> Evidence:
        """Nothing looked at."""
        blank = np.zeros((2, crops, candidates), np.float32)
        return cls(*blank, *np.zeros((2, crops), np.bool_))
