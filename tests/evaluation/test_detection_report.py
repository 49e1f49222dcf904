from __future__ import annotations

import numpy as np
import pytest

from recognition.evaluation.detection import match_boxes, report_detection
from recognition.types import Detections

A, B, C = [0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]
HALF = [0, 0, 10, 6]  # IoU 0.6 with A


def boxes(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def found(*rows: tuple[list[float], float]) -> Detections:
    return Detections(boxes(*(box for box, _ in rows)), np.array([score for _, score in rows], np.float32))


@pytest.mark.parametrize(
    ("guesses", "true", "claimed"),
    [
        ([], [], []),
        ([A], [], [-1]),
        ([], [A], []),
        ([A], [A], [0]),
        ([B, A], [A, B], [1, 0]),
        ([A, A], [A], [0, -1]),
        ([HALF, A], [A], [0, -1]),
        ([[0, 0, 10, 4.9]], [A], [-1]),
        ([[0, 0, 10, 5]], [A], [0]),
    ],
)
def test_each_true_box_is_claimed_once_best_first(guesses: list, true: list, claimed: list) -> None:
    assert match_boxes(boxes(*guesses), boxes(*true)).tolist() == claimed


def test_nothing_labelled_and_nothing_found() -> None:
    report = report_detection([boxes()], [Detections.empty()], 0.5)
    assert (report.photos, report.products, report.ap, report.recall, report.count_error) == (1, 0, 0, 0, 0)


def test_a_perfect_detector() -> None:
    report = report_detection([boxes(A, B)], [found((A, 0.9), (B, 0.8))], 0.5)
    assert (report.ap, report.ap50, report.ap75) == pytest.approx((1, 1, 1))
    assert (report.precision, report.recall, report.f1, report.count_error) == pytest.approx((1, 1, 1, 0))


def test_average_precision_by_hand() -> None:
    """Two true boxes; a hit, a miss, a hit. Recall 0.5 is reached at precision 1, recall 1 at 2/3 (interpolated).

    101 recall levels: 0..0.50 are 51 at precision 1, 0.51..1.00 are 50 at 2/3.
    """
    report = report_detection([boxes(A, B)], [found((A, 0.9), (C, 0.8), (B, 0.7))], 0.75)
    assert report.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101, abs=1e-6)
    assert (report.precision, report.recall) == (0.5, 0.5)
    assert report.count_error == 0, "two found, two there"


def test_a_loose_box_counts_below_its_overlap_only() -> None:
    """IoU 0.6: right at thresholds 0.50 and 0.55 (0.60 is lost to rounding or not), so AP is 0.2 or 0.3."""
    report = report_detection([boxes(A)], [found(([0, 0, 10, 5.8], 0.9))], 0.5)
    assert (report.ap50, report.ap75) == pytest.approx((1, 0))
    assert report.ap == pytest.approx(0.2)


def test_photos_are_kept_apart() -> None:
    report = report_detection([boxes(A), boxes(B)], [found((B, 0.9)), found((A, 0.9))], 0.5)
    assert (report.ap50, report.recall, report.count_error) == (0, 0, 0)


def test_doubtful_boxes_count_for_ap_but_not_at_the_shipping_confidence() -> None:
    report = report_detection([boxes(A, B)], [found((A, 0.9), (B, 0.05))], 0.5)
    assert report.ap50 == pytest.approx(1)
    assert (report.precision, report.recall, report.count_error) == (1, 0.5, 0.5)
    assert report.f1 == pytest.approx(2 / 3)


def test_the_best_scored_box_claims_first_whatever_the_order() -> None:
    report = report_detection([boxes(A)], [found((C, 0.6), (A, 0.9))], 0.7)
    assert (report.precision, report.recall) == (1, 1)


def test_count_error_is_a_mean_over_photos_with_products() -> None:
    truth = [boxes(A, B), boxes(A), boxes()]
    answers = [found((A, 0.9)), found((A, 0.9), (B, 0.9), (C, 0.9)), found((A, 0.9))]
    assert report_detection(truth, answers, 0.5).count_error == pytest.approx((0.5 + 2) / 2)


def test_more_than_300_boxes_count() -> None:
    grid = boxes(*([x * 12, y * 12, x * 12 + 10, y * 12 + 10] for x in range(20) for y in range(20)))
    report = report_detection([grid], [Detections(grid.copy(), np.linspace(0.9, 0.6, 400, dtype=np.float32))], 0.5)
    assert (report.products, report.recall) == (400, 1)
    assert (report.ap, report.ap50) == pytest.approx((1, 1))


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_detection([boxes(A)], [found((A, 0.9))], 0.5)
    assert capsys.readouterr().out == ""
    assert report.as_dict()["ap"] == report.ap
