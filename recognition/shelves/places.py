"""One product of a shelf over many views: which box is it in the next frame, what is it, does it still stand there?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from recognition.detection.boxes import areas, intersections, iou_matrix, share_matrix
from recognition.shelves.register import Homography
from recognition.types import NO_SKU, Matches, Status

Boxes = NDArray[np.float32]

_AMBIGUOUS = -2
SAME = 0.3  # affinity of a box and a place that are one product
PART_OF = 0.6  # how much a box that lies inside the other counts beside one that covers it
DOUBLE, CUT_DOUBLE = 0.5, 0.25  # of the smaller box: what two products never share, and where one is cut off
SAME_TRACK = 0.3  # what the same track adds to the affinity
GONE_S = 1.5  # a place that is in view and empty for so long is empty
GONE_FRAMES = 3
HIDDEN_RATE = 0.25  # how fast time counts where the neighbours cannot be seen either: somebody stands in the way
LONGEST_STEP_S = 0.5
MOST_VOTES = 20.0  # so many views outvote all that was seen before
UNSURE_VOTE, PARTIAL_VOTE = 0.25, 0.3
AVERAGED = 12  # views over which a box is averaged


@dataclass(eq=False)
class Place:
    """One product of the shelf. xyxy: pixels of its part. full: seen without the frame's border cutting it. votes:
    weight of each SKU, `NO_SKU` for unknown and -2 for ambiguous views; scores: best cosine of each SKU. track: last
    track that stood for it, -1 = none. missing: seconds in view without being found. gone: seconds since the source
    began at which it was found empty, NaN while it stands there."""

    part: int
    xyxy: Boxes
    full: bool
    seconds: float
    track: int = -1
    views: int = 1
    missing: float = 0.0
    misses: int = 0
    missed_at: float = float("nan")
    gone: float = float("nan")
    votes: dict[int, float] = field(default_factory=dict)
    scores: dict[int, float] = field(default_factory=dict)

    @property
    def stands(self) -> bool:
        """Whether it is on the shelf now."""
        return bool(np.isnan(self.gone))


@dataclass(frozen=True, eq=False)
class PlacedView:
    """A frame that is placed. boxes: float32 (n, 4), pixels of its part. cut: bool (n,), by the frame's border."""

    place: Homography
    size: tuple[int, int]
    boxes: Boxes
    cut: NDArray[np.bool_]
    matches: Matches
    tracks: NDArray[np.int64]


def moved(xyxy: Boxes, homography: Homography) -> Boxes:
    """Boxes float32 (n, 4) after a homography: each side where the middle of its two corners goes."""
    x0, y0, x1, y1 = xyxy.T.astype(np.float64)
    corners = np.stack([x0, y0, x1, y0, x1, y1, x0, y1], axis=1).reshape(-1, 1, 2)
    if not len(corners):
        return np.zeros((0, 4), np.float32)
    c = cv2.perspectiveTransform(corners, homography).reshape(-1, 4, 2)
    left, right = (c[:, 0, 0] + c[:, 3, 0]) / 2, (c[:, 1, 0] + c[:, 2, 0]) / 2
    top, bottom = (c[:, 0, 1] + c[:, 1, 1]) / 2, (c[:, 2, 1] + c[:, 3, 1]) / 2
    return np.stack([left, top, right, bottom], axis=1).astype(np.float32)


def stack(places: Sequence[Place]) -> Boxes:
    """Their boxes, float32 (n, 4)."""
    return np.array([p.xyxy for p in places], np.float32).reshape(-1, 4)


def pair(view: PlacedView, places: list[Place]) -> list[tuple[int, int]]:
    """(box, place) of each box that is a known product, one to one, best in sum (Kuhn 1955)."""
    known = stack(places)
    affinity = np.maximum(iou_matrix(view.boxes, known), PART_OF * share_matrix(view.boxes, known))
    tracks = np.array([p.track for p in places], np.int64)
    same = (view.tracks[:, None] == tracks[None, :]) & (view.tracks[:, None] >= 0)
    affinity = affinity + SAME_TRACK * (same & (affinity > 0.1))
    rows, columns = linear_sum_assignment(-affinity)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if affinity[r, c] >= SAME]


def new_place(part: int, view: PlacedView, row: int, now: float) -> Place:
    """A place at a box that is no known product."""
    place = Place(part, view.boxes[row].copy(), not view.cut[row], now, int(view.tracks[row]))
    _vote(place, view, row, 1.0)
    return place


def update(place: Place, view: PlacedView, row: int, now: float) -> None:
    """What one more view says of a place."""
    box, cut = view.boxes[row], bool(view.cut[row])
    overlap = float(iou_matrix(box[None], place.xyxy[None])[0, 0])
    larger = areas(box[None])[0] > areas(place.xyxy[None])[0]
    whole = not cut and (overlap >= 0.5 or larger)
    if (
        not place.stands
        or (whole and not place.full)
        or (whole and overlap < 0.5)
        or (cut and not place.full and larger)
    ):
        place.xyxy = box.copy()
    elif whole:
        place.xyxy = place.xyxy + (box - place.xyxy) / min(place.views + 1, AVERAGED)
    if not place.stands:  # something stands there again: not necessarily the same product
        place.votes, place.scores, place.full = {}, {}, not cut
    place.full |= whole
    place.views, place.seconds, place.track = place.views + 1, now, int(view.tracks[row])
    place.missing, place.misses, place.missed_at, place.gone = 0.0, 0, float("nan"), float("nan")
    _vote(place, view, row, 1.0 if whole else PARTIAL_VOTE)


def _vote(place: Place, view: PlacedView, row: int, weight: float) -> None:
    matches = view.matches
    status = Status(int(matches.status[row]))
    decided = int(matches.decided[row])
    key = _AMBIGUOUS if status == Status.AMBIGUOUS else decided
    gain = weight * (max(float(matches.confidence[row]), 0.05) if decided >= 0 else UNSURE_VOTE)
    place.votes[key] = place.votes.get(key, 0.0) + gain
    for sku, score in zip(matches.skus[row], matches.scores[row], strict=True):
        if sku >= 0:
            place.scores[int(sku)] = max(place.scores.get(int(sku), -1.0), float(score))
    total = sum(place.votes.values())
    if total > MOST_VOTES:
        place.votes = {sku: value * MOST_VOTES / total for sku, value in place.votes.items()}


def miss(missed: list[Place], found: list[Place], view: PlacedView, now: float, step: float) -> None:
    """Counts the time for which places are in view and not found; those with free sight to them count fully."""
    back = moved(stack(missed), np.asarray(np.linalg.inv(view.place), np.float64))
    margin = 0.01 * max(view.size)
    inside = (back[:, :2] > margin).all(axis=1) & (back[:, 2:] < np.array(view.size) - margin).all(axis=1)
    inside &= np.array([p.stands for p in missed], bool)
    lost = [p for p, seen in zip(missed, inside, strict=True) if seen]
    for place in lost:
        near_found, near_lost = (int(_near(place, stack(group)).sum()) for group in (found, lost))
        hidden = near_lost > 1 and near_lost - 1 >= near_found
        if np.isnan(place.missed_at):
            place.missed_at = now
        else:
            place.missing += step * (HIDDEN_RATE if hidden else 1.0)
        place.misses += 1
        if place.missing >= GONE_S and place.misses >= GONE_FRAMES:
            place.gone = place.missed_at


def _near(place: Place, others: Boxes) -> NDArray[np.bool_]:
    """Which boxes lie around a place, itself among them: bool (n,)."""
    x0, y0, x1, y1 = place.xyxy
    wide, high = x1 - x0, y1 - y0
    around = np.array([[x0 - wide, y0 - high / 2, x1 + wide, y1 + high / 2]], np.float32)
    return np.asarray(intersections(around, others)[0] > 0)


def without_doubles(places: list[Place]) -> list[Place]:
    """Of places that share most of their area, the one that was seen whole, then the newer, then the oftener seen."""
    kept: list[Place] = []
    for place in sorted(places, key=lambda p: (not p.full, -round(p.seconds, 1), -p.views)):
        if share_matrix(place.xyxy[None], stack(kept)).max(initial=0.0) < DOUBLE:
            kept.append(place)
    return kept


def agreed(places: list[Place]) -> Matches:
    """What the views of each place agree on; the confidence is the share of the votes."""
    count = len(places)
    skus, scores = np.full((count, 2), NO_SKU, np.int64), np.full((count, 2), -np.inf, np.float32)
    status, confidence = np.zeros(count, np.int8), np.zeros(count, np.float32)
    for row, place in enumerate(places):
        best = max(place.votes, key=lambda sku: place.votes[sku], default=NO_SKU)
        total = max(sum(place.votes.values()), 1e-9)
        order = sorted(place.scores, key=lambda sku: (-place.votes.get(sku, 0.0), -place.scores[sku]))[:2]
        skus[row, : len(order)] = order
        scores[row, : len(order)] = [place.scores[sku] for sku in order]
        status[row] = {NO_SKU: Status.UNKNOWN, _AMBIGUOUS: Status.AMBIGUOUS}.get(best, Status.RECOGNIZED)
        confidence[row] = place.votes.get(order[0], 0.0) / total if order else 0.0
    return Matches(status, skus, scores, confidence)
