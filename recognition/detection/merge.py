"""Makes one list of products out of boxes that overlap, are doubled, or come from two zooms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recognition.detection import boxes as bx
from recognition.types import Detections

_INSIDE = 0.7
"""Share of a box that lies in another from which on it counts as a part of it."""

_SAME = 0.55
"""Overlap (IoU) from which on boxes of two looks are one product; as in the source of `fuse`."""
_ALONE = 0.6
"""What the score of a box is worth that only one of two looks has."""
_PART, _PART_SCORE = 0.65, 0.6
"""Largest share of a box's area, and lowest score, of what may be one of several products in it."""
_FILLED = (0.75, 1.25)
"""Area of these together, as a share of the box's."""


def unite(found: Detections, iou: float, most: int) -> Detections:
    """Each product once, best score first, at most `most`: the better of two boxes with more overlap than `iou`."""
    solid = found.select(np.flatnonzero(bx.areas(found.xyxy) > 0))
    return solid.select(bx.nms(solid.xyxy, solid.scores, iou)[:most])


def add_large(fine: Detections, coarse: Detections, side: float) -> Detections:
    """The fine look, plus those boxes of the coarse look whose longer side is above `side` pixels of the image.

    A large product may be cut or torn into parts (label, cap, logo) in the fine look; several products may be
    taken for one in the coarse look. Where they contradict each other, the higher score is believed: a large box
    goes when any of the parts in it scores better than itself, else the parts go.
    """
    large = coarse.select(np.flatnonzero((coarse.xyxy[:, 2:] - coarse.xyxy[:, :2]).max(axis=1) > side))
    if not len(large):
        return fine
    part = _parts(fine, large, 0.5)
    rival = np.where(part, fine.scores[:, None], 0).max(axis=0, initial=0)
    believed = large.scores >= rival
    torn = part[:, believed].any(axis=1)
    fine, large = fine.select(np.flatnonzero(~torn)), large.select(believed)
    return Detections(np.concatenate([fine.xyxy, large.xyxy]), np.concatenate([fine.scores, large.scores]))


def fuse(look: Detections, closer: Detections) -> Detections:
    """One list of what two looks at a photo have found; boxes may overlap.

    Weighted boxes fusion (Solovyev, Wang and Gabruseva 2021): boxes of one product become their mean, weighted by
    score, with the mean score; what one look alone has counts for less. A box that sure boxes of the closer look fill,
    two or more, was several products: flat packs on top of each other look like one from afar.
    """
    look = look.select(np.flatnonzero(~_filled(look, closer)))
    overlap = bx.iou_matrix(look.xyxy, closer.xyxy)
    boxes, scores = look.xyxy.copy(), look.scores * np.float32(_ALONE)
    free = np.ones(len(closer), np.bool_)
    for row in np.flatnonzero((overlap >= _SAME).any(axis=1)):
        left = np.where(free, overlap[row], 0)
        column = int(left.argmax())
        if left[column] >= _SAME:
            free[column] = False
            both = np.array([look.scores[row], closer.scores[column]])
            boxes[row] = np.average([look.xyxy[row], closer.xyxy[column]], axis=0, weights=both)
            scores[row] = both.mean()
    return Detections(
        np.concatenate([boxes, closer.xyxy[free]]), np.concatenate([scores, closer.scores[free] * np.float32(_ALONE)])
    )


def _filled(look: Detections, closer: Detections) -> NDArray[np.bool_]:
    """Which boxes of a look are filled by smaller ones of the closer look."""
    part = _parts(closer, look, _PART) & (closer.scores >= _PART_SCORE)[:, None]
    inside = np.where(part, bx.areas(closer.xyxy)[:, None], 0).sum(axis=0)
    filled = inside / np.maximum(bx.areas(look.xyxy), 1e-6)
    return np.asarray((part.sum(axis=0) >= 2) & (filled > _FILLED[0]) & (filled < _FILLED[1]))


def _parts(small: Detections, large: Detections, most: float) -> NDArray[np.bool_]:
    """Which boxes lie in which others and have less than `most` of their area, (len(small), len(large))."""
    inside = bx.inside_matrix(small.xyxy, large.xyxy) > _INSIDE
    return np.asarray(inside & (bx.areas(small.xyxy)[:, None] < most * bx.areas(large.xyxy)[None, :]))
