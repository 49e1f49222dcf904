"""What speaks against a box as a product of the front row: another box in its place, or a product before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recognition.detection.boxes import areas, share_matrix
from recognition.live.items import Item
from recognition.live.overlap import Box, overlap, stacked
from recognition.live.sighting import Sighting
from recognition.shelves.places import DOUBLE
from recognition.types import NO_SKU

_CAME_S = 0.5  # what is found within this time after its place began to look so came then
_WEAKER = 0.7  # of the score that a product's boxes had
_NEARER, _FITS = 1.1, 0.75  # times the area, and least overlap (IoU) with a place, of what was put before something
_COVERED_S = 0.2  # for which a hand covers it at least that puts something before it
_BARE_S = 0.4  # of no box, and nothing comes: the place is known to be empty
HIDDEN = 0.3  # of a product: so much of it is behind another one


def rivals_of(item: Item, present: Sequence[Item]) -> list[Item]:
    """Products whose boxes lie where that of the item does: two products never share so much."""
    others = [o for o in present if o is not item and o.part == item.part]
    return [others[i] for i in np.flatnonzero(_shares(item.home, others) >= DOUBLE)]


def remnant(item: Item, seen: Sighting) -> bool:
    """Whether the box of a product that vanished shows what is left in its place: a shadow, or what stood behind it.

    It is one of which the detector is less sure, or one in a place that looks as it did while nothing was found there.
    """
    if item.vanished is None:
        return False
    look = seen.look(item.home)
    weaker = bool(seen.scores[item.row] < _WEAKER * item.score)
    bare = seen.seconds - max(item.vanished, item.jumped) >= _BARE_S and not look.jumped(item.glance)
    return (weaker or bare) and not look.same_place(item.look)


def is_another(item: Item, seen: Sighting) -> bool:
    """Whether the track of a product went on to another one, which was put before it, or beside it."""
    if NO_SKU in (item.votes.latest, item.told_sku):
        return not seen.look(item.box).same_place(item.look)
    return item.votes.latest != item.told_sku


def something_before(item: Item, seen: Sighting) -> bool:
    """Whether something was put before what stands behind: its place looks otherwise than when it was found last, in
    the frame before or when a hand had not come yet."""
    if not item.parallax.behind or not seen.whole(item.home):
        return False
    look = seen.look(item.home)
    covered = seen.seconds - item.sighted >= _COVERED_S
    return (covered or look.jumped(item.glance)) and not look.roughly(item.look)


def put_before(item: Item) -> bool:
    """Whether a place that looks otherwise shows a product that was put before the one that stood there: its box has
    grown, and does not fit that one's place well, and it does not lie in the shade."""
    grown = areas(item.box[None])[0] >= _NEARER * areas(item.anchor[None])[0]
    return bool(grown) and overlap(item.box, item.anchor) < _FITS and item.glance.out_of_shade(item.look)


def replaced(rival: Item, item: Item, since: float) -> bool:
    """Whether a product came where another box was: its place began to look otherwise when it was found.

    since: since when the item's place has looked as it does, seconds.
    """
    otherwise = not rival.glance.same_place(rival.look) and rival.jumped >= item.first - _CAME_S
    return otherwise and since >= item.first - _CAME_S


def stands_behind(item: Item, present: Sequence[Item]) -> bool:
    """Whether it is certain that the front row would hide the item from a camera straight ahead."""
    return item.parallax.behind and hidden(item, present)


def hidden(item: Item, present: Sequence[Item]) -> bool:
    """Whether a product of the front row lies where the item would be seen from straight ahead."""
    others = [o for o in present if o is not item and o.part == item.part]
    before = np.flatnonzero(_shares(item.parallax.straight(item.home), others) >= HIDDEN)
    return any(not others[i].parallax.behind for i in before)


def _shares(box: Box, items: Sequence[Item]) -> NDArray[np.float32]:
    """What a box (4,) shares with each product's place, of the smaller one, (n,)."""
    return np.asarray(share_matrix(box[None], stacked([item.home for item in items]))[0])
