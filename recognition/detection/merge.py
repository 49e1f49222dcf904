"""Makes one list of products out of boxes that overlap, are doubled, or come from two zooms."""

from __future__ import annotations

import numpy as np

from recognition.detection import boxes as bx
from recognition.types import Detections

_INSIDE = 0.7
"""Share of a box that lies in another from which on it counts as a part of it."""


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
    part = (bx.inside_matrix(fine.xyxy, large.xyxy) > _INSIDE) & (
        bx.areas(fine.xyxy)[:, None] < 0.5 * bx.areas(large.xyxy)[None, :]
    )
    rival = np.where(part, fine.scores[:, None], 0).max(axis=0, initial=0)
    believed = large.scores >= rival
    torn = part[:, believed].any(axis=1)
    fine, large = fine.select(np.flatnonzero(~torn)), large.select(believed)
    return Detections(np.concatenate([fine.xyxy, large.xyxy]), np.concatenate([fine.scores, large.scores]))
