"""What a frame tells the shelf, and what the shelf tells of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition.live.items import Box, Item
from recognition.live.views import Look
from recognition.outputs.live_events import EventKind
from recognition.types import Image


@dataclass(frozen=True, eq=False)
class Sighting:
    """What one frame shows, boxes in the coordinates of a part of the shelf.

    moving: whether the camera moved since the frame before. middle: of the picture, (2,). scores: of the detector. cut:
    ends at the picture's border. qualities: see views.py. whole: whether a place is wholly in view. within: which
    places (n, 4) are in view, at least in part, or no farther from it than so many times its size. look: how a place
    looks in this frame. since: since when the place of a product has looked as it does, given when it did at the
    latest.
    """

    seconds: float
    part: int
    moving: bool
    middle: NDArray[np.float64]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    tracks: NDArray[np.int64]
    qualities: NDArray[np.float64]
    cut: NDArray[np.bool_]
    whole: Callable[[Box], bool]
    within: Callable[[NDArray[np.float32], float], NDArray[np.bool_]]
    look: Callable[[Box], Look]
    since: Callable[[Item, float], float]


@dataclass(frozen=True, eq=False)
class Views:
    """What is to be matched. crops: RGB, n of them. physical: float64 (n, 2), millimetres wide and high as the shelf
    around them tells, NaN where unknown."""

    crops: list[Image]
    physical: NDArray[np.float64]


@dataclass(frozen=True)
class News:
    """Something that happened to an item. seconds: when it began. was: former answer, or former place."""

    kind: EventKind
    item: Item
    seconds: float
    box: Box
    was: int | Box | None = None
