"""YOLO label files: one line per box, `class x_center y_center width height` as fractions of the picture, and a sixth
number where a model made the label: its score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def read_yolo_labels(path: Path, width: int, height: int) -> NDArray[np.float64]:
    """Boxes (n, 4) float64 x_min, y_min, x_max, y_max in pixels of a picture of that size; (0, 4) for no file.

    Raises:
        ValueError: a line does not hold five numbers.
    """
    centre = np.array([row[1:5] for row in _rows(path)], float).reshape(-1, 4) * [width, height, width, height]
    return np.hstack([centre[:, :2] - centre[:, 2:] / 2, centre[:, :2] + centre[:, 2:] / 2])


def read_yolo_scores(path: Path) -> NDArray[np.float32] | None:
    """Scores (n,) of the boxes, None if no line has one; 1 for a line without.

    Raises:
        ValueError: a score is no number.
    """
    rows = _rows(path)
    if not any(len(row) > 5 for row in rows):
        return None
    return np.array([float(row[5]) if len(row) > 5 else 1.0 for row in rows], np.float32)


def _rows(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines() if line.strip()] if path.exists() else []


def label_lines(boxes: NDArray[np.floating], width: int, height: int, scores: NDArray[np.float32] | None = None) -> str:
    """The text of a label file of one class. boxes: (n, 4) x_min, y_min, x_max, y_max, pixels of a picture of that
    size; scores: (n,), if a model made them."""
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    rows = np.hstack([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]])
    lines = ["0 " + " ".join(f"{v:.6f}" for v in row) for row in (rows / [width, height, width, height]).tolist()]
    if scores is not None:
        lines = [f"{line} {score:.3f}" for line, score in zip(lines, scores.tolist(), strict=True)]
    return "".join(f"{line}\n" for line in lines)
