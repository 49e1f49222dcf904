"""The boxes of many frames as one shelf: every product once, as it was seen last.

mosaic = ShelfMosaic()
for frame in frames:
    mosaic.add(frame.image, boxes, matches, seconds=frame.seconds)
walk = mosaic.current()      # one planogram: walk.layout, walk.detections, walk.matches
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recognition.detection.boxes import cut, share_matrix
from recognition.shelves.keyframes import FrameMap
from recognition.shelves.layout import lay_out
from recognition.shelves.places import (
    CUT_DOUBLE,
    DOUBLE,
    LONGEST_STEP_S,
    Place,
    PlacedView,
    agreed,
    miss,
    moved,
    new_place,
    pair,
    stack,
    update,
    without_doubles,
)
from recognition.shelves.register import Homography
from recognition.types import Detections, Matches, ShelfLayout, Slot


@dataclass(frozen=True, eq=False)
class WalkShelf:
    """The shelf put together. Row i of detections, matches, tracks (int64, -1 = none) and layout is one product; pixels
    of an upright picture of `size` (width, height), parts side by side. notes: what a user should know."""

    detections: Detections
    matches: Matches
    tracks: NDArray[np.int64]
    layout: ShelfLayout
    size: tuple[int, int]
    notes: tuple[str, ...]


class ShelfMosaic:
    """Gathers boxes of the frames of one source, in the order of their times."""

    def __init__(self) -> None:
        self.map = FrameMap()
        self.places: list[Place] = []
        self._seconds = float("nan")

    def add(
        self,
        image: NDArray[np.uint8],
        xyxy: NDArray[np.float32],
        matches: Matches,
        track_ids: Sequence[int] | NDArray[np.int64] | None = None,
        seconds: float = float("nan"),
    ) -> bool:
        """Adds what a frame shows; False if the frame cannot be placed: then nothing of it is used.

        image: BGR uint8 (h, w, 3) or grey. xyxy: float32 (n, 4), pixels of the frame. matches: of the same n boxes.
        track_ids: n numbers, -1 = none; they help where a product moves in the picture. seconds: since the source
        began, growing; NaN counts frames as 1/25 s apart.

        Raises:
            ValueError: boxes, matches and tracks differ in number.
        """
        tracks = np.full(len(xyxy), -1) if track_ids is None else np.asarray(track_ids, np.int64)
        if not len(xyxy) == len(matches) == len(tracks):
            raise ValueError(f"ShelfMosaic.add: {len(xyxy)} boxes, {len(matches)} matches, {len(tracks)} tracks")
        now = (self._seconds if np.isfinite(self._seconds) else 0.0) + 0.04 if np.isnan(seconds) else seconds
        place = self.map.place(image)
        for joined in self.map.joined:
            self._join(joined.part, joined.into, joined.homography)
        if place is None:
            return False
        step = min(max(now - self._seconds, 0.0), LONGEST_STEP_S) if np.isfinite(self._seconds) else 0.0
        self._seconds = now
        size = image.shape[1], image.shape[0]
        view = PlacedView(place, size, moved(xyxy, place), cut(xyxy, size), matches, tracks)
        self._merge(view, now, step)
        return True

    def interrupt(self) -> None:
        """The source was away: the next frame may show any place."""
        self.map.interrupt()

    def boxes(self) -> NDArray[np.float32]:
        """Boxes of what stands on the newest part now, float32 (n, 4), in its own pixels: those of its first frame."""
        here = [p.xyxy for p in self.places if p.part == self.map.part and p.stands]
        return np.array(here, np.float32).reshape(-1, 4)

    def current(self) -> WalkShelf:
        """The whole shelf as it was seen last, in one layout; parts that could not be joined stand as bays apart."""
        parts = []
        for part in sorted({p.part for p in self.places if p.stands}):
            standing = without_doubles([p for p in self.places if p.part == part and p.stands])
            upright = self.map.upright(part)
            parts.append([replace(p, xyxy=moved(p.xyxy[None], upright)[0]) for p in standing])
        return _side_by_side(parts)

    def _merge(self, view: PlacedView, now: float, step: float) -> None:
        mine = [p for p in self.places if p.part == self.map.part]
        pairs = pair(view, mine)
        for row, index in pairs:
            update(mine[index], view, row, now)
        taken = {row for row, _ in pairs}
        known = stack([mine[i] for _, i in pairs])
        share = share_matrix(view.boxes, known).max(axis=1, initial=0.0)
        for row in range(len(view.boxes)):
            if row not in taken and share[row] < (CUT_DOUBLE if view.cut[row] else DOUBLE):
                self.places.append(new_place(self.map.part, view, row, now))
        found = {index for _, index in pairs}
        miss([p for i, p in enumerate(mine) if i not in found], [mine[i] for i in found], view, now, step)

    def _join(self, part: int, into: int, homography: Homography) -> None:
        """Moves the places of a part into an older one; what both have seen is as the newer one saw it."""
        moving = [p for p in self.places if p.part == part]
        older = [p for p in self.places if p.part == into]
        for place in moving:
            place.part, place.xyxy = into, moved(place.xyxy[None], homography)[0]
        share = share_matrix(stack(older), stack([p for p in moving if p.stands]))
        doubles = {id(p) for p, row in zip(older, share, strict=True) if row.max(initial=0.0) >= DOUBLE}
        self.places = [p for p in self.places if id(p) not in doubles]


def _side_by_side(parts: list[list[Place]]) -> WalkShelf:
    """One layout of all parts, each laid out by itself; bays count on from part to part."""
    places: list[Place] = []
    layouts: list[ShelfLayout] = []
    width = height = 0.0
    for part in parts:
        boxes = stack(part)
        boxes = boxes - np.tile(boxes[:, :2].min(axis=0), 2) + np.array([width, 0, width, 0], np.float32)
        here = [replace(p, xyxy=box) for p, box in zip(part, boxes, strict=True)]
        width, height = float(boxes[:, 2].max()), max(height, float(boxes[:, 3].max()))
        size = int(np.ceil(width)), int(np.ceil(boxes[:, 3].max()))
        layouts.append(lay_out(boxes, agreed(here), size))
        places += here
    scores = np.array([p.views / (p.views + p.misses) for p in places], np.float32)
    notes = (f"{len(parts)} parts of the walk could not be joined: counted as bays apart",) if len(parts) > 1 else ()
    return WalkShelf(
        Detections(stack(places), scores), agreed(places),
        np.array([p.track for p in places], np.int64), _joined_layout(layouts),
        (int(np.ceil(width)), int(np.ceil(height))), notes,
    )  # fmt: skip


def _joined_layout(layouts: list[ShelfLayout]) -> ShelfLayout:
    bays: list[NDArray[np.int32]] = []
    slots: list[Slot] = []
    last = rows = 0
    for layout in layouts:
        bays.append((layout.bays + last).astype(np.int32))
        slots += [replace(s, bay=s.bay + last, members=tuple(m + rows for m in s.members)) for s in layout.slots]
        last, rows = max((s.bay for s in slots), default=last), rows + len(layout.bays)
    none = np.zeros(0, np.int32)
    return ShelfLayout(
        np.concatenate([none, *bays]), np.concatenate([none, *(x.shelves for x in layouts)]),
        np.concatenate([none, *(x.positions for x in layouts)]), tuple(slots),
        np.concatenate([np.zeros((0, 2, 2), np.float32), *(x.lines for x in layouts)]),
    )  # fmt: skip
