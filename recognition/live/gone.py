"""Was a product taken, and what is found in its place: that product again, another one, or what stood behind it?"""

from __future__ import annotations

import numpy as np

from recognition.detection.boxes import intersections
from recognition.live.items import Item, Phase
from recognition.live.overlap import PLACE, Boxes, overlap, shared
from recognition.live.sighting import Sighting

_AT_ONCE_S = 0.5  # what is found so soon after a take was there before
_COVERED = 0.3  # least share of the smaller one that the one before hid


def neighbours_stand(item: Item, found: Boxes, lost: Boxes, seen: Sighting) -> bool:
    """Whether most products beside an empty place are found, so that nobody stands before it.

    found, lost: places with and without a box, its own among the latter. Those out of view do not count.
    """
    x0, y0, x1, y1 = item.home
    around = np.array([[x0 - (x1 - x0), y0 - (y1 - y0) / 2, x1 + (x1 - x0), y1 + (y1 - y0) / 2]], np.float32)
    found, lost = (boxes[intersections(around, boxes)[0] > 0] for boxes in (found, lost))
    return len(found) >= 2 * sum(map(seen.whole, lost))


def in_place_of(item: Item, others: list[Item]) -> Item | None:
    """The product that is gone from where the item stands now."""
    return next((o for o in others if o.phase is Phase.GONE and overlap(o.home, item.home) >= PLACE), None)


def is_back(item: Item, before: Item) -> bool:
    """Whether the item is the product that was taken from its place; without a name it must look like it."""
    if item.votes.answer().sku != before.votes.answer().sku:
        return False
    return not item.nameless or item.look.same_place(before.look)


def came_later(item: Item, since: float) -> bool:
    """Whether what has a name now came after the item was found: its place has looked so since a jump, and
    no view was without a name since then.

    since: since when the item's place has looked as it does.
    """
    at_once = abs(item.jumped - since) <= _AT_ONCE_S and item.nameless_at <= since
    return at_once and since > item.first + _AT_ONCE_S


def stood_there_since(item: Item, since: float, others: list[Item]) -> float:
    """When the item came, seconds: `since`, or when that was seen first which hid a part of it and was taken then.

    since: since when the item's place has looked as it does. others: products of its part, gone or not.
    """
    left = ((o, o.last if o.phase is Phase.GONE else o.vanished) for o in others if o is not item)
    at_once = (o for o, when in left if when is not None and abs(since - when) <= _AT_ONCE_S)
    return min((o.first for o in at_once if shared(o.home, item.home) >= _COVERED), default=since)
