from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from recognition.types import (
    Detections,
    Frame,
    FrameResult,
    Matches,
    Neighbors,
    ShelfLayout,
    Slot,
    Status,
)


def make_matches(n: int = 1, k: int = 2) -> Matches:
    return Matches(np.zeros(n, np.int8), np.zeros((n, k), np.int64), np.zeros((n, k), np.float32), np.zeros(n, "f4"))


def make_layout(n: int, slots: tuple[Slot, ...] | None = None) -> ShelfLayout:
    ones = np.ones(n, np.int32)
    each = tuple(Slot(1, 1, i + 1, (0, 0, 1, 1), Status.UNKNOWN, members=(i,)) for i in range(n))
    made = each if slots is None else slots
    return ShelfLayout(ones, ones.copy(), ones.copy(), made, np.zeros((0, 2, 2), np.float32))


def test_nothing_is_a_value_too() -> None:
    assert len(Detections.empty()) == 0
    assert len(make_matches(0, 0)) == 0
    assert make_matches(0, 0).decided.shape == make_matches(0, 0).margins.shape == (0,)
    assert len(Neighbors(*(np.zeros((0, 3), t) for t in (np.float32, np.int64, np.int64)))) == 0
    assert make_layout(0).slots == ()


WRONG = {
    "image of floats": (lambda: Frame("a", 0, np.zeros((2, 2, 3))), r"Frame.image: wanted uint8 .*got float64"),
    "grey image": (lambda: Frame("a", 0, np.zeros((2, 2), np.uint8)), r"shape \(any, any, 3\), got uint8 .*\(2, 2\)"),
    "image with alpha": (lambda: Frame("a", 0, np.zeros((2, 2, 4), np.uint8)), r"got uint8 of shape \(2, 2, 4\)"),
    "frame before the first": (lambda: Frame("a", -1, np.zeros((2, 2, 3), np.uint8)), "wanted 0 or more, got -1"),
    "boxes of doubles": (lambda: Detections(np.zeros((1, 4)), np.zeros(1, np.float32)), "Detections.xyxy: wanted"),
    "boxes of three": (lambda: Detections(np.zeros((1, 3), "f4"), np.zeros(1, "f4")), "Detections.xyxy"),
    "a score too many": (lambda: Detections(np.zeros((1, 4), "f4"), np.zeros(2, "f4")), "Detections.scores"),
    "box turned round": (lambda: Detections(np.array([[5, 0, 1, 1]], "f4"), np.zeros(1, "f4")), "x_min <= x_max"),
    "box of NaN": (lambda: Detections(np.full((1, 4), np.nan, "f4"), np.zeros(1, "f4")), "finite"),
    "neighbours of int32": (
        lambda: Neighbors(np.zeros((1, 2), "f4"), np.zeros((1, 2), "i4"), np.zeros((1, 2), "i8")),
        "Neighbors.skus",
    ),
    "neighbours of other k": (
        lambda: Neighbors(np.zeros((1, 2), "f4"), np.zeros((1, 2), "i8"), np.zeros((1, 3), "i8")),
        "Neighbors.rows",
    ),
    "a status too few": (
        lambda: Matches(np.zeros(1, "i1"), np.zeros((2, 1), "i8"), np.zeros((2, 1), "f4"), np.zeros(2, "f4")),
        "Matches.status",
    ),
    "confidence of doubles": (
        lambda: Matches(np.zeros(1, "i1"), np.zeros((1, 1), "i8"), np.zeros((1, 1), "f4"), np.zeros(1)),
        "Matches.confidence",
    ),
    "a box in no slot": (lambda: make_layout(1, ()), "exactly one slot"),
    "a box in two slots": (
        lambda: make_layout(1, (Slot(1, 1, 1, (0, 0, 1, 1), Status.UNKNOWN, members=(0, 0)),)),
        "exactly one slot",
    ),
    "lines without ends": (
        lambda: ShelfLayout(*(np.zeros(0, "i4") for _ in range(3)), (), np.zeros((1, 2), "f4")),
        "ShelfLayout.lines",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_is_refused_with_what_was_wanted(case: str) -> None:
    make, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        make()


def test_values_cannot_be_changed() -> None:
    frame = Frame("a", 0, np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        frame.image[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        frame.index = 3  # type: ignore[misc]


def test_select_takes_rows_in_the_order_asked() -> None:
    found = Detections(np.arange(12, dtype=np.float32).reshape(3, 4), np.array([0.9, 0.8, 0.7], np.float32))
    assert found.select(np.array([2, 0])).scores.tolist() == pytest.approx([0.7, 0.9])
    assert found.select(found.scores > 0.75).xyxy.tolist() == found.xyxy[:2].tolist()
    assert len(found.select(np.zeros(3, bool))) == 0
    assert found.xyxy[0, 0] == 0


def test_margins_and_decisions_follow_status_and_candidates() -> None:
    status = np.array([Status.RECOGNIZED, Status.AMBIGUOUS, Status.UNKNOWN, Status.UNKNOWN], np.int8)
    skus = np.array([[7, 8], [8, 7], [7, -1], [-1, -1]])
    scores = np.array([[0.9, 0.7], [0.6, 0.5], [0.3, -np.inf], [-np.inf, -np.inf]], np.float32)
    matches = Matches(status, skus, scores, np.zeros(4, np.float32))
    assert matches.decided.tolist() == [7, -1, -1, -1]
    np.testing.assert_allclose(matches.margins, [0.2, 0.1, np.nan, np.nan], atol=1e-6)
    assert np.isnan(make_matches(2, 1).margins).all()


def test_labels_are_the_words_of_the_tables() -> None:
    assert [status.label for status in Status] == ["unknown", "ambiguous", "recognized", "empty"]


def test_a_result_whose_rows_do_not_agree_is_refused() -> None:
    frame = Frame("shelf.jpg", 0, np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(ValueError, match=r"shelf\.jpg: rows do not agree: \[0, 1\]"):
        FrameResult(frame, Detections.empty(), make_matches(1), make_layout(1), {}, {})
