"""The values that travel from stage to stage: frozen, checked when made, free of any model library.

Row i is box i in every array that belongs to a frame. No stage drops or reorders rows; an unknown product is
SKU -1 with status UNKNOWN, never a missing row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""uint8 (h, w, 3). BGR inside sources/ and detection/; RGB from the crop on."""

NO_SKU = -1


class Status(IntEnum):
    """What is known of a product, or of a place on the shelf."""

    UNKNOWN = 0
    AMBIGUOUS = 1
    RECOGNIZED = 2
    EMPTY = 3

    @property
    def label(self) -> str:
        """The word used in CSV and JSON."""
        return self.name.lower()


def _check(name: str, array: NDArray[np.generic], shape: tuple[int | None, ...], dtype: type) -> None:
    """Raises ValueError unless `array` has the wanted dtype and shape (None = any length), and makes it read-only."""
    fits = array.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape, strict=False))
    if not fits or array.dtype != np.dtype(dtype):
        wanted = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
        raise ValueError(
            f"{name}: wanted {np.dtype(dtype)} of shape {wanted}, got {array.dtype} of shape {array.shape}"
        )
    array.flags.writeable = False


@dataclass(frozen=True, eq=False)
class Frame:
    """One upright picture and where it comes from.

    source: the path or URL as found (passwords masked). index: 0 for a photo, frame number from 0 in a video.
    image: BGR uint8 (h, w, 3), EXIF orientation applied. captured_at: ISO 8601 with offset, or "" when unknown.
    advice: words for the photographer (`blurred`, `dark`, `glare`, `too far`). notes: what the reader did
    that a user should know ("animated: first frame used"). seconds: since a film began, since the epoch (1970, UTC)
    for a camera, NaN for what has no clock.
    """

    source: str
    index: int
    image: Image
    captured_at: str = ""
    store_id: str = ""
    planogram_id: str = ""
    advice: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = float("nan")

    def __post_init__(self) -> None:
        _check("Frame.image", self.image, (None, None, 3), np.uint8)
        if self.index < 0:
            raise ValueError(f"Frame.index: wanted 0 or more, got {self.index}")


@dataclass(frozen=True)
class Failure:
    """An input, or a step on it, that failed while the rest went on: one row of failures.csv."""

    source: str
    frame: int
    stage: str
    error: str
    hint: str = ""


@dataclass(frozen=True)
class Gap(Failure):
    """A time without frames that a live stream survives; what was tracked before it must not be tracked on.

    It comes twice: when frames stop, `until` NaN; and before the first frame after it, `until` set. A frame of
    another size than the one before follows a Gap of no length. since, until: seconds since 1970 (UTC).
    """

    since: float = float("nan")
    until: float = float("nan")


@dataclass(frozen=True, eq=False)
class Detections:
    """Products of one image. xyxy: float32 (n, 4), pixels, x_min y_min x_max y_max; scores: float32 (n,), 0..1."""

    xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        _check("Detections.xyxy", self.xyxy, (None, 4), np.float32)
        _check("Detections.scores", self.scores, (len(self.xyxy),), np.float32)
        if not np.isfinite(self.xyxy).all() or (self.xyxy[:, 2:] < self.xyxy[:, :2]).any():
            raise ValueError("Detections.xyxy: wanted finite boxes with x_min <= x_max and y_min <= y_max")

    @classmethod
    def empty(cls) -> Detections:
        """No products."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    def __len__(self) -> int:
        return len(self.xyxy)

    def select(self, rows: NDArray[np.generic]) -> Detections:
        """A new object with the rows of a boolean mask or index array, in that order."""
        return Detections(self.xyxy[rows].copy(), self.scores[rows].copy())


@dataclass(frozen=True, eq=False)
class Neighbors:
    """Answer of a search, best first. scores: float32 (n, k) cosines; skus, rows: int64 (n, k); -1 where there is none.

    Each SKU appears once per query, with the row of its best reference. Scores beside -1 are -inf.
    """

    scores: NDArray[np.float32]
    skus: NDArray[np.int64]
    rows: NDArray[np.int64]

    def __post_init__(self) -> None:
        _check("Neighbors.scores", self.scores, (None, None), np.float32)
        _check("Neighbors.skus", self.skus, self.scores.shape, np.int64)
        _check("Neighbors.rows", self.rows, self.scores.shape, np.int64)

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, eq=False)
class Matches:
    """What stands at each box.

    status: int8 (n,) of `Status`. skus: int64 (n, k), candidates best first (verification may reorder), -1 = none.
    scores: float32 (n, k), cosine of each candidate's best reference, -inf beside -1. confidence: float32 (n,),
    calibrated probability that skus[:, 0] is right, 0..1.
    """

    status: NDArray[np.int8]
    skus: NDArray[np.int64]
    scores: NDArray[np.float32]
    confidence: NDArray[np.float32]

    def __post_init__(self) -> None:
        _check("Matches.skus", self.skus, (None, None), np.int64)
        _check("Matches.scores", self.scores, self.skus.shape, np.float32)
        _check("Matches.status", self.status, (len(self.skus),), np.int8)
        _check("Matches.confidence", self.confidence, (len(self.skus),), np.float32)

    def __len__(self) -> int:
        return len(self.status)

    def select(self, rows: slice) -> Matches:
        """A new object with some of the rows."""
        return Matches(
            self.status[rows].copy(), self.skus[rows].copy(), self.scores[rows].copy(), self.confidence[rows].copy()
        )

    @property
    def margins(self) -> NDArray[np.float32]:
        """Score of the first candidate minus that of the second, float32 (n,); NaN where there are not two."""
        if self.skus.shape[1] < 2:
            return np.full(len(self), np.nan, np.float32)
        both = (self.skus[:, :2] >= 0).all(axis=1)
        return np.where(both, self.scores[:, 0] - np.where(both, self.scores[:, 1], 0), np.nan).astype(np.float32)

    @property
    def decided(self) -> NDArray[np.int64]:
        """SKU of each recognized box, int64 (n,); -1 for ambiguous and unknown ones."""
        first = self.skus[:, 0] if self.skus.shape[1] else np.full(len(self), NO_SKU)
        return np.where(self.status == Status.RECOGNIZED, first, NO_SKU).astype(np.int64)


@dataclass(frozen=True)
class Slot:
    """One position on a shelf: a group of equal facings, one unknown product, or a gap (status EMPTY, no members).

    bay, shelf, position: from 1; shelves from the bottom, bays and positions from the left. xyxy: union of the
    members' boxes, pixels. members: rows of the frame's arrays. confidence, margin: of the group, NaN when unknown.
    """

    bay: int
    shelf: int
    position: int
    xyxy: tuple[float, float, float, float]
    status: Status
    sku: int = NO_SKU
    facings_wide: int = 1
    facings_high: int = 1
    members: tuple[int, ...] = ()
    confidence: float = float("nan")
    margin: float = float("nan")


@dataclass(frozen=True, eq=False)
class ShelfLayout:
    """Where each box stands. bays, shelves, positions: int32 (n,), from 1; slots: all positions, gaps included.

    lines: one base line per shelf, float32 (shelves, 2, 2): left and right end (x, y) in pixels, bottom shelf first.
    """

    bays: NDArray[np.int32]
    shelves: NDArray[np.int32]
    positions: NDArray[np.int32]
    slots: tuple[Slot, ...]
    lines: NDArray[np.float32]

    def __post_init__(self) -> None:
        _check("ShelfLayout.bays", self.bays, (None,), np.int32)
        _check("ShelfLayout.shelves", self.shelves, (len(self.bays),), np.int32)
        _check("ShelfLayout.positions", self.positions, (len(self.bays),), np.int32)
        _check("ShelfLayout.lines", self.lines, (None, 2, 2), np.float32)
        members = sorted(m for slot in self.slots for m in slot.members)
        if members != list(range(len(self.bays))):
            raise ValueError("ShelfLayout.slots: wanted every box in exactly one slot")


@dataclass(frozen=True)
class Sku:
    """A product of the catalogue. id: the database's stable number; sku: the user's own identifier.

    gtin: 14 digits, or "". width_mm, height_mm, depth_mm: millimetres or None. attributes: further columns.
    """

    id: int
    sku: str
    gtin: str = ""
    name: str = ""
    brand: str = ""
    category: str = ""
    width_mm: float | None = None
    height_mm: float | None = None
    depth_mm: float | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class FrameResult:
    """Everything known of one frame. skus: the SKUs its matches and slots name, by id. seconds: per stage."""

    frame: Frame
    detections: Detections
    matches: Matches
    layout: ShelfLayout
    skus: Mapping[int, Sku]
    seconds: Mapping[str, float]

    def __post_init__(self) -> None:
        sizes = {len(self.detections), len(self.matches), len(self.layout.bays)}
        if len(sizes) != 1:
            raise ValueError(f"FrameResult of {self.frame.source}: rows do not agree: {sorted(sizes)}")
