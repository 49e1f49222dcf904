"""YOLO label files: one line per box, `class x_center y_center width height` as fractions of the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def read_yolo_labels(path: Path, width: int, height: int) -> NDArray[np.float64]:
    """Boxes (n, 4) float64 x_min, y_min, x_max, y_max in pixels of a picture of that size; (0, 4) for no file.

    Raises:
        ValueError: a line does not hold five numbers.
    """
    rows = [line.split()[1:5] for line in path.read_text().splitlines() if line.strip()] if path.exists() else []
    centre = np.array(rows, float).reshape(-1, 4) * [width, height, width, height]
    return np.hstack([centre[:, :2] - centre[:, 2:] / 2, centre[:, :2] + centre[:, 2:] / 2])
