"""Boxes that hold two or three packs on top of each other, and are one product to the detector.

Small packs in stacks touch each other. Such a box is named poorly or not at all, while its levels, seen apart, are
products of the catalogue. When the views say so, the shelf holds several products there, and boxes in that place are
cut from then on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from recognition.detection.boxes import inside_matrix, intersections, iou_matrix
from recognition.live.items import Box, Item
from recognition.live.overlap import INSIDE, PLACE, Boxes, shared, stacked
from recognition.shelves.keyframes import Joined
from recognition.shelves.places import moved
from recognition.types import Detections, Matches, Status

_HEIGHTS = (2, 3)  # packs of a stack that are sought in a box
_SAME_BOX = 0.7  # least overlap (IoU) of boxes that hold the same packs
_POOR_VIEWS = 2  # after which a stack is sought: a first view is often blurred
_VIEWS, _FAR_AHEAD = 2, 0.5  # views that must say so, or how surely one does
_SETTLED = 6  # views of each pack, after which one must have a name
_KEPT = 500


def levels(box: Box, high: int) -> Boxes:
    """A box (4,) cut into so many of equal height, (high, 4), from the top."""
    edges = np.linspace(box[1], box[3], high + 1)
    x0, x1 = np.full(high, box[0]), np.full(high, box[2])
    return np.stack([x0, edges[:-1], x1, edges[1:]], axis=1).astype(np.float32)


def split(item: Item, high: int, number: int) -> list[Item]:
    """The products that an item turned out to be; the first goes on as what was told. number: of the second."""
    looks = item.glance.levels(high)
    packs = [
        Item(item.number if level == 0 else number + level - 1, item.part, box, item.first, looks[level], item.cut)
        for level, box in enumerate(levels(item.home, high))
    ]
    for pack in packs:
        pack.phase, pack.seen, pack.score, pack.evidence = item.phase, item.seen, item.score, item.evidence
        pack.last = pack.sighted = item.last
    packs[0].told, packs[0].sure, packs[0].proven = item.told, item.sure, item.proven
    return packs


@dataclass(eq=False)
class _Stack:
    """A box (4,) of a part of the shelf. high: packs in it; 1 where they turned out to be no equal ones."""

    part: int
    box: Box
    high: int


@dataclass
class _Search:
    """Views of an item that showed a stack, and that showed none; how surely, together, for each height."""

    found: int = 0
    in_vain: int = 0
    sure: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(_HEIGHTS)))


class Stacks:
    """The stacks of one source. Each frame: `part` its boxes, `ask` for levels, `hear` what they show."""

    def __init__(self) -> None:
        self._known: deque[_Stack] = deque(maxlen=_KEPT)
        self._searches: WeakKeyDictionary[Item, _Search] = WeakKeyDictionary()
        self._asked: list[Item] = []

    def join(self, joined: Joined) -> None:
        """Two parts of the shelf turned out to be one."""
        for one in self._known:
            if one.part == joined.part:
                one.part = joined.into
                one.box = moved(one.box[None].astype(np.float64), joined.homography)[0].astype(np.float32)

    def part(self, found: Detections, boxes: Boxes, part: int) -> Detections:
        """The detections, those cut that hold a stack. boxes: float32 (n, 4), theirs on the shelf."""
        here = [one for one in self._known if one.part == part and one.high > 1]
        inside = intersections(stacked([one.box for one in here]), boxes).any(axis=1)
        here = [here[i] for i in np.flatnonzero(inside)]
        if not here:
            return found
        high = np.ones(len(boxes), np.int64)
        for one in here:
            spans = (inside_matrix(levels(one.box, one.high), boxes) >= INSIDE).sum(axis=0)
            high = np.where(inside_matrix(boxes, one.box[None])[:, 0] >= INSIDE, np.maximum(high, spans), high)
        cut = [levels(box, packs) for box, packs in zip(found.xyxy, high.tolist(), strict=True)]
        return Detections(np.concatenate(cut), np.repeat(found.scores, high))

    def ask(self, items: Sequence[Item], found: Detections) -> list[tuple[Item, Box]]:
        """Levels of boxes of `found` that are to be matched, for `hear`. items: those that are embedded now."""
        self._asked = [item for item in items if self._worth(item)]
        return [(item, box) for item in self._asked for h in _HEIGHTS for box in levels(found.xyxy[item.row], h)]

    def retry(self) -> None:
        """The levels could not be matched: they are asked for again."""
        self._asked = []

    def hear(self, shown: Matches, wholes: Mapping[Item, float], near: Sequence[Item]) -> list[tuple[Item, int]]:
        """Takes in what the levels show; items that hold a stack, with its height.

        wholes: confidence of the name that was given to the whole box. near: products in view, and around it.
        """
        first, stacks = 0, []
        for item in self._asked:
            sure = []
            for high in _HEIGHTS:
                sure.append(_confidence(shown.select(slice(first, first + high))))
                first += high
            search = self._searches.setdefault(item, _Search())
            ahead = np.maximum(np.array(sure) - wholes[item], 0.0)
            search.sure += ahead
            search.found += bool(ahead.any())
            search.in_vain += not ahead.any()
            if ahead.any() and (search.found >= _VIEWS or search.sure.max() >= _FAR_AHEAD):
                high = _HEIGHTS[int(search.sure.argmax())]
                self._know(_Stack(item.part, item.home.copy(), high))
                stacks.append((item, high))
        self._asked = []
        self._review(near)
        return stacks

    def _worth(self, item: Item) -> bool:
        """Whether a stack is to be sought in an item's box."""
        if item.cut or item.votes.views < _POOR_VIEWS or not item.votes.unsure:
            return False
        search = self._searches.get(item)
        if search is not None and search.in_vain > search.found:
            return False
        refused = [one.box for one in self._known if one.part == item.part and one.high == 1]
        return not refused or bool(iou_matrix(item.home[None], stacked(refused)).max() < _SAME_BOX)

    def _know(self, stack: _Stack) -> None:
        """Adds a stack, in place of those that were pieces of it."""
        pieces = [one for one in self._known if one.part == stack.part and shared(one.box, stack.box) >= INSIDE]
        self._known = deque([*(one for one in self._known if one not in pieces), stack], _KEPT)

    def _review(self, near: Sequence[Item]) -> None:
        """A box whose levels are seen well, and have no name, holds no stack."""
        present = [item for item in near if item.votes.views >= _SETTLED]
        homes = stacked([item.home for item in present])
        for one in self._known:
            if one.high == 1 or not present:
                continue
            here = np.array([item.part == one.part for item in present])
            fits = iou_matrix(levels(one.box, one.high), homes) * here
            packs = [present[i] for i in fits.argmax(axis=1)[fits.max(axis=1) >= PLACE]]
            if len(packs) == one.high and all(pack.nameless for pack in packs):
                one.high = 1


def _confidence(matches: Matches) -> float:
    """That each of the levels is what it is taken for: geometric mean; 0 where not all, or two of three, are named."""
    unnamed = int((matches.status == Status.UNKNOWN).sum())
    if unnamed > len(matches) - 2:
        return 0.0
    return float(np.exp(np.log(matches.confidence.astype(np.float64).clip(1e-6)).mean()))
