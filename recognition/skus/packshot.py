"""Packshots stand in a white field, products on shelves are cut out tightly: the field is cut away."""

from __future__ import annotations

import numpy as np

from recognition.types import Image

WHITE = 225
TOLERANCE = 10
SHARE = 0.6
KEEP_PX = 16
VERSION = b"packshot-1"
"""Part of each content hash: pictures are embedded anew when the cutting changes."""


def trim_border(image: Image) -> Image:
    """The part of an RGB uint8 (h, w, 3) picture inside its uniform near-white border.

    Unchanged when the border is not white, when everything is, or when less than 16 pixels would be left.
    """
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]).astype(np.int16)
    field = np.median(edge, axis=0)
    uniform = (np.abs(edge - field) <= TOLERANCE).all(axis=1).mean()
    # Only white: a pack that fills its picture with one other colour would be cut down to its label.
    if field.min() < WHITE or uniform < SHARE:
        return image
    content = (np.abs(image.astype(np.int16) - field) > TOLERANCE).any(axis=2)
    # One stray pixel is dust or compression noise, not a product.
    rows, columns = np.flatnonzero(content.sum(axis=1) > 1), np.flatnonzero(content.sum(axis=0) > 1)
    if not len(rows) or not len(columns):
        return image
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    if min(bottom - top, right - left) < KEEP_PX:
        return image
    return np.ascontiguousarray(image[top:bottom, left:right])
