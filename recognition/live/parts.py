"""Parts of a shelf, each with coordinates of its own: what of one is near a frame, two that are one, old ones."""

from __future__ import annotations

import numpy as np

from recognition.live.items import Item, Phase
from recognition.live.overlap import INSIDE, shared, stacked
from recognition.live.parallax import Parallax
from recognition.live.sighting import Sighting
from recognition.shelves.keyframes import Joined
from recognition.shelves.places import moved

NEAR = 0.5
"""Of the picture's size: what stands no farther from it is a neighbour of what it shows."""
_STALE_S = 3600.0  # a part of the shelf that is not shown for so long is forgotten: the camera was moved
_MOST_ITEMS = 5000
_MOST_GONE = 500


def join(items: list[Item], joined: Joined) -> list[Item]:
    """The items of a source after two parts turned out to be one: what both have seen is the one known first."""
    moving = [item for item in items if item.part == joined.part]
    older = [item for item in items if item.part == joined.into and item.phase is not Phase.GONE]
    twins = set()
    for item in moving:
        boxes = moved(np.stack([item.home, item.box, item.anchor]).astype(np.float64), joined.homography)
        item.part, (item.home, item.box, item.anchor) = joined.into, boxes.astype(np.float32)
        item.parallax = Parallax()
        known = next((other for other in older if shared(other.home, item.home) >= INSIDE), None)
        if known is not None and item.phase is not Phase.GONE:
            known.track, known.last, known.row = item.track, item.last, -1
            twins.add(item)
    return [item for item in items if item not in twins]


def within(items: list[Item], seen: Sighting, reach: float) -> set[Item]:
    """Those that a frame shows, at least in part, or that are no farther from it than `reach` times its size."""
    part = [item for item in items if item.part == seen.part]
    return {part[i] for i in np.flatnonzero(seen.within(stacked([item.home for item in part]), reach))}


def bounded(items: list[Item], now: float, part: int) -> list[Item]:
    """Without the parts of the shelf that are shown no more, and the oldest empty places and products when there are
    too many. part: shown now."""
    parts = {item.part for item in items if now - item.last < _STALE_S} | {part}
    kept = sorted((item for item in items if item.part in parts), key=lambda item: item.last)
    gone = [item for item in kept if item.phase is Phase.GONE]
    live = [item for item in kept if item.phase is not Phase.GONE]
    drop = {*map(id, items)} - {*map(id, gone[-_MOST_GONE:]), *map(id, live[-_MOST_ITEMS:])}
    return [item for item in items if id(item) not in drop] if drop else items
