"""A shelf photo of three products and a gap, made here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from recognition.types import Detections, Frame, FrameResult, Matches, ShelfLayout, Sku, Slot, Status

SKUS = {
    7: Sku(7, "A-7", gtin="04006381333931", name='Öl, "fein"\nzum Braten', brand="=1+1", category="@pantry"),
    8: Sku(8, "-8", name="'=quoted"),
}
MakeResult = Callable[..., FrameResult]


def _result(source: str = "photos/shelf.jpg", skus: dict[int, Sku] = SKUS) -> FrameResult:
    """Recognized, ambiguous (confidence NaN), unknown; then a gap."""
    xyxy = np.array([[10, 20, 60.26, 120], [70, 20, 120, 120], [130, 20, 180, 120]], np.float32)
    candidates = np.array([[7, 8], [8, 7], [7, -1]], np.int64)
    scores = np.array([[0.9, 0.75], [0.6, 0.59], [0.2, -np.inf]], np.float32)
    status = np.array([Status.RECOGNIZED, Status.AMBIGUOUS, Status.UNKNOWN], np.int8)
    matches = Matches(status, candidates, scores, np.array([0.97, np.nan, 0.1], np.float32))
    slots = (
        Slot(1, 1, 1, (10, 20, 60.26, 120), Status.RECOGNIZED, 7, members=(0,), confidence=0.97, margin=0.15),
        Slot(1, 1, 4, (190, 20, 240, 120), Status.EMPTY, facings_wide=0, facings_high=0),
        Slot(1, 1, 2, (70, 20, 120, 120), Status.AMBIGUOUS, 8, members=(1,)),
        Slot(1, 1, 3, (130, 20, 180, 120), Status.UNKNOWN, members=(2,)),
    )
    ones = np.ones(3, np.int32)
    lines = np.array([[[10, 120], [240, 120]]], np.float32)
    layout = ShelfLayout(ones, ones.copy(), np.array([1, 2, 3], np.int32), slots, lines)
    frame = Frame(source, 0, np.full((160, 256, 3), 128, np.uint8), "2026-01-02T03:04:05+01:00", "+S1", "P1", ("dark",))
    detections = Detections(xyxy, np.array([0.9, 0.8, 0.7], np.float32))
    return FrameResult(frame, detections, matches, layout, skus, {"detect": 0.25, "match": 0.5})


def _empty(source: str = "nothing.jpg") -> FrameResult:
    """A photo without a product."""
    none, no_pair = np.zeros(0, np.int32), np.zeros((0, 5))
    matches = Matches(
        np.zeros(0, np.int8), no_pair.astype(np.int64), no_pair.astype(np.float32), np.zeros(0, np.float32)
    )
    layout = ShelfLayout(none, none.copy(), none.copy(), (), np.zeros((0, 2, 2), np.float32))
    return FrameResult(Frame(source, 0, np.zeros((90, 120, 3), np.uint8)), Detections.empty(), matches, layout, {}, {})


@pytest.fixture
def make_result() -> MakeResult:
    return _result


@pytest.fixture
def make_empty() -> MakeResult:
    return _empty
