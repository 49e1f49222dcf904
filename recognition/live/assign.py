"""Which box of a frame is which product."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recognition.detection.boxes import inside_matrix
from recognition.live.items import Item, Phase
from recognition.live.overlap import PLACE, alike_in_size, overlap, same_places, stacked
from recognition.live.sighting import Sighting
from recognition.live.tracking import UNTRACKED
from recognition.shelves.places import DOUBLE

_WRONG_S = 5.0  # a product that is not found for so long gives way to what is found in its place


def assign(live: list[Item], seen: Sighting) -> list[int]:
    """Gives boxes to items: by track at its place, by place, by track elsewhere. Returns the rows that are left.

    live: the items of the part that is shown, their rows -1.
    """
    free = set(range(len(seen.boxes)))
    by_track = {item.track: item for item in live if item.track != UNTRACKED}
    tracked = [(by_track[number], row) for row, number in enumerate(seen.tracks.tolist()) if number in by_track]
    for item, row in tracked:
        if item.row < 0 and (item.phase is Phase.CANDIDATE or overlap(seen.boxes[row], item.home) >= PLACE):
            item.row = row
            free.discard(row)
    seeking, rows = [item for item in live if item.row < 0], sorted(free)
    homes, are_cut = stacked([item.home for item in seeking]), np.array([item.cut for item in seeking], bool)
    for index, column in same_places(homes, are_cut, seen.boxes[rows], seen.cut[rows]):
        seeking[index].row, seeking[index].track = rows[column], int(seen.tracks[rows[column]])
        free.discard(rows[column])
    for item, row in tracked:
        if item.row < 0 and row in free and _has_left(item, row, seen):
            item.row = row
            free.discard(row)
    return sorted(free)


def is_piece(box: NDArray[np.float32], live: list[Item], seen: Sighting) -> bool:
    """Whether a box (1, 4) is only a piece of a known product, as detectors find in blurred pictures."""
    lost = [i for i in live if i.row < 0 and i.phase is Phase.PRESENT and seen.seconds - i.sighted < _WRONG_S]
    homes = stacked([item.home for item in lost if item.away_since is None])
    return bool((inside_matrix(box, homes) >= DOUBLE).any())


def _has_left(item: Item, row: int, seen: Sighting) -> bool:
    """Whether a product that is tracked elsewhere is no longer in its place: trackers mix neighbours up, and go on
    from boxes that were no products to what comes beside them."""
    if not item.certain:
        return False
    if not item.cut and not seen.cut[row] and not alike_in_size(item.home, seen.boxes[row]):
        return False
    if item.away_since is not None or item.cut or not seen.whole(item.home):
        return True
    return not seen.look(item.home).same_place(item.look)
