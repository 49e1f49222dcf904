"""What the readers of labelled pictures give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class LabelledPhoto:
    """A photo and its products. boxes: float32 (n, 4) pixels of the upright image; skus: one per box, "" = unnamed;
    scores: float32 (n,), of labels that a model made, None where people made them."""

    path: Path
    boxes: NDArray[np.float32]
    skus: tuple[str, ...]
    scores: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class LabelledCrop:
    """A picture of one product, for one-shot matching. box: None for the whole picture, else pixels."""

    path: Path
    sku: str
    box: tuple[float, float, float, float] | None = None
