"""Places the frames of a film in one coordinate system, over a few frames that are kept.

Every frame is registered to the kept frame (keyframe) that it should share most with, not to the one before it, so
errors grow with the way along the shelf, not with the time. A frame that nothing kept shows well is kept itself
(keyframes: Klein & Murray 2007). What cannot be placed for a while begins a part of its own, which is joined to an
older one as soon as a keyframe of both can be registered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from recognition.shelves.register import Homography, View, overlap, prepare, register_views

KEEP = 0.6  # of a frame: with less of it on any keyframe it is kept
PATIENCE = 12  # frames that cannot be placed before a new part begins
SEARCH_EVERY = 4  # frames: how often the way back is searched among all keyframes, which is slow
SEARCHED = 12  # keyframes
MOST_KEPT = 200


@dataclass(frozen=True, eq=False)
class Keyframe:
    """A frame that is kept. part: which coordinate system; to_part: homography from its pixels to that."""

    view: View
    part: int
    to_part: Homography


@dataclass(frozen=True, eq=False)
class Joined:
    """Two parts turned out to be one: what was in `part` goes into `into` by `homography`."""

    part: int
    into: int
    homography: Homography


class FrameMap:
    """Where the frames of one source lie. One picture after the other; `part` and `joined` tell what it led to."""

    def __init__(self) -> None:
        self.keyframes: list[Keyframe] = []
        self.part = -1
        self.joined: list[Joined] = []
        self._parts = 0
        self._last: Homography | None = None
        self._motion: Homography = np.eye(3)
        self._lost = 0

    def place(self, image: NDArray[np.uint8]) -> Homography | None:
        """Homography from the frame's pixels to its part (`part`), None if it cannot be placed. image: BGR or grey.

        Parts that were joined on the way are in `joined`, which is emptied at the next call.
        """
        self.joined = []
        view = prepare(image)
        if not self.keyframes:
            return self._begin(view)
        if self.keyframes[-1].view.size != view.size:
            self._last = None  # another camera mode: no motion carries over
        found = self._expected(view) if self._last is not None else None
        if found is None:
            found = self._search(view, self.keyframes) if self._lost % SEARCH_EVERY == 0 else None
        if found is None:
            self._lost += 1
            return self._begin(view) if self._lost > PATIENCE else None
        place, keyframe = found
        self.part = keyframe.part
        self._motion = np.eye(3) if self._last is None or self._lost else np.linalg.inv(self._last) @ place
        self._last, self._lost = place, 0
        if self._shared(view, place) < KEEP:
            self._keep(view, place)
        return self._last

    def interrupt(self) -> None:
        """The source was away: the next frame may show any place."""
        self._last, self._motion = None, np.eye(3)

    def upright(self, part: int) -> Homography:
        """Homography that shows a part as a camera straight before the shelf would: of one scale all along, level."""
        return _rectified([k for k in self.keyframes if k.part == part])

    def _begin(self, view: View) -> Homography:
        """Starts a part with this frame."""
        self.part = self._parts
        self._parts += 1
        self._last, self._motion, self._lost = np.eye(3), np.eye(3), 0
        self._keep(view, np.eye(3))
        return self._last

    def _keep(self, view: View, place: Homography) -> None:
        """Keeps a frame, and looks whether it shows what another part has shown."""
        mine = Keyframe(view, self.part, place)
        others = [k for k in self.keyframes if k.part != self.part]
        self.keyframes = [*self.keyframes, mine][-MOST_KEPT:]
        found = self._search(view, others)
        if found is None:
            return
        elsewhere, other = found
        move = elsewhere @ np.linalg.inv(place)
        self.joined.append(Joined(self.part, other.part, move))
        self.keyframes = [
            Keyframe(k.view, other.part, _unit(move @ k.to_part)) if k.part == self.part else k for k in self.keyframes
        ]
        self.part, self._last = other.part, _unit(elsewhere)

    def _expected(self, view: View) -> tuple[Homography, Keyframe] | None:
        """The place by the motion so far, on the keyframe that shows most of it."""
        assert self._last is not None
        for guess in (self._last @ self._motion, self._last):
            mine = [k for k in self.keyframes if k.part == self.part]
            shared = [overlap(np.linalg.inv(guess) @ k.to_part, k.view.size, view.size) for k in mine]
            best = mine[int(np.argmax(shared))]
            found = register_views(best.view, view, np.linalg.inv(guess) @ best.to_part)
            if found is not None:
                return _unit(best.to_part @ np.linalg.inv(found.homography)), best
        return None

    def _search(self, view: View, among: list[Keyframe]) -> tuple[Homography, Keyframe] | None:
        """The place without any expectation: the newest keyframes first."""
        for keyframe in among[: -SEARCHED - 1 : -1]:
            found = register_views(keyframe.view, view)
            if found is not None:
                return _unit(keyframe.to_part @ np.linalg.inv(found.homography)), keyframe
        return None

    def _shared(self, view: View, place: Homography) -> float:
        """Share of a frame that the best keyframe of its part shows."""
        back = np.linalg.inv(place)
        return max(overlap(back @ k.to_part, k.view.size, view.size) for k in self.keyframes if k.part == self.part)


def _unit(matrix: Homography) -> Homography:
    return np.asarray(matrix / matrix[2, 2])


def _rectified(keyframes: list[Keyframe]) -> Homography:
    """Takes perspective, tilt and scale out of a part: its frames, on the average, keep their size and stay level.

    One camera walks along a flat shelf: what it sees has the same size everywhere. The line at infinity that gives
    this is two numbers (Liebowitz & Zisserman 1998), found by least squares over points of all keyframes.
    """
    if not keyframes:
        return np.eye(3)
    points, areas, along = [], [], []
    for keyframe in keyframes:
        width, height = keyframe.view.size
        for x, y in ((0.5, 0.5), (0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)):
            place, local = _local(keyframe.to_part, np.array([x * width, y * height]))
            points.append(place)
            areas.append(np.log(abs(np.linalg.det(local))))
        along.append((keyframe.to_part, np.array([width / 2, height / 2])))
    where = np.array(points)
    middle, unit = where.mean(axis=0), max(float(np.ptp(where)), 1.0)
    offset, size = (where - middle) / unit, np.array(areas)

    def spread(line: NDArray[np.float64]) -> NDArray[np.float64]:
        changed = size - 3 * np.log(np.maximum(1 + offset @ line, 0.05))
        return np.asarray(changed - changed.mean())

    line = least_squares(spread, np.zeros(2)).x / unit
    flat = np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, 1.0]])
    flat = np.array([[1, 0, 0], [0, 1, 0], [*line, 1.0]]) @ flat
    turns = [_local(flat @ matrix, centre)[1] for matrix, centre in along]
    angle = float(np.median([np.arctan2(turn[1, 0], turn[0, 0]) for turn in turns]))
    scale = float(np.median([np.sqrt(abs(np.linalg.det(turn))) for turn in turns]))
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    return np.asarray(np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) @ flat)


def _local(matrix: Homography, point: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where a homography puts a point, and its derivative (2, 2) there."""
    depth = matrix[2] @ [*point, 1.0]
    place = (matrix[:2] @ [*point, 1.0]) / depth
    return place, (matrix[:2, :2] - np.outer(place, matrix[2, :2])) / depth
