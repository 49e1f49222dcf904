from __future__ import annotations

import numpy as np
import pytest

from recognition.evaluation.asking import Answers, left_out
from recognition.evaluation.ranking import SkuNumbers, average_precision, by_sku
from recognition.evaluation.unknowns import open_set_curve, stack_draws

SCORES = np.array([[0.1, 0.9, 0.5, 0.3], [0.8, 0.2, 0.7, 0.75]], np.float32)
SKUS = SkuNumbers.from_skus(["B", "A", "B", "C"])


def test_skus_are_numbered_by_name() -> None:
    assert SKUS.names == ("A", "B", "C")
    assert SKUS.of.tolist() == [1, 0, 1, 2]
    assert SKUS.numbers(["C", "none", "A"]).tolist() == [2, -1, 0]


def test_a_sku_is_as_near_as_its_best_reference() -> None:
    table = by_sku(SCORES, SKUS)
    np.testing.assert_allclose(table.scores, [[0.9, 0.5, 0.3], [0.2, 0.8, 0.75]])
    assert table.columns.tolist() == [[1, 2, 3], [1, 0, 3]]


def test_nearest_skus_of_the_whole_catalogue_and_of_a_part() -> None:
    table = by_sku(SCORES, SKUS)
    whole = table.nearest(2)
    assert whole.skus.tolist() == [[0, 1], [1, 2]]
    assert whole.rows.tolist() == [[1, 2], [0, 3]]
    part = table.nearest(3, np.array([False, True, False]))
    assert part.skus.tolist() == [[0, 2, -1], [2, 0, -1]]
    assert np.isneginf(part.scores[:, 2]).all()
    assert part.rows[:, 2].tolist() == [-1, -1]
    assert table.nearest(2, np.ones(3, bool)).skus.tolist() == [[-1, -1], [-1, -1]]


@pytest.mark.parametrize(
    ("right", "wanted"),
    [
        ([0, 0, 0, 0], 0),
        ([0, 1, 0, 0], 1),
        ([0, 0, 0, 1], 1 / 3),
        ([0, 1, 1, 0], 1),
        ([1, 1, 0, 0], (1 + 2 / 4) / 2),
        ([1, 0, 0, 1], (1 / 3 + 2 / 4) / 2),
    ],
)
def test_average_precision_by_hand(right: list[int], wanted: float) -> None:
    assert average_precision(SCORES[:1], np.array([right], bool))[0] == pytest.approx(wanted)


def test_half_of_the_skus_stay_out_of_each_of_20_fixed_draws() -> None:
    out = left_out(7)
    assert out.shape == (20, 7)
    assert out.sum(axis=1).tolist() == [3] * 20
    assert len({tuple(draw) for draw in out.tolist()}) > 10
    assert np.array_equal(out, left_out(7))
    assert not left_out(1).any()


def test_open_set_curve_by_hand() -> None:
    """Two knowns, one of them answered wrongly, and two strangers, one of which is never named."""
    scores = np.array([[3.0, 4.0, 2.0, -np.inf]])
    curve = open_set_curve("odds", scores, np.array([[1, 1, 0, 0]], bool), np.array([[1, 0, 0, 0]], bool))
    assert [(p.threshold, p.strangers_named, p.knowns_right) for p in curve.points] == [
        (4, 0, 0), (3, 0, 0.5), (2, 0.5, 0.5),
    ]  # fmt: skip
    assert open_set_curve("odds", np.zeros((0, 0)), np.zeros((0, 0), bool), np.zeros((0, 0), bool)).points == ()


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    scores = np.arange(5000.0)[None]
    known = scores % 2 == 0
    points = open_set_curve("odds", scores, known, known).points
    assert len(points) <= 300
    assert (points[0].threshold, points[-1].threshold) == (4999, 0)
    assert (points[-1].strangers_named, points[-1].knowns_right) == (1, 1)


def test_who_is_known_in_a_draw() -> None:
    best = np.array([0, 1, 1])
    answers = Answers(best, np.ones(3), best, np.ones(3), np.ones(3))
    out = np.array([[False, True], [True, False]])
    draws = stack_draws([answers, answers], out, np.array([0, 1, -1]))
    assert draws.known.tolist() == [[True, False, False], [False, True, False]]
    assert draws.best_right.tolist() == [[True, False, False], [False, True, False]]
