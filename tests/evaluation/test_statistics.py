from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from recognition.evaluation.statistics import DRAWS, auroc, mean, mean_auroc, photo_weights

NEVER = -np.inf


def one(scores: list[float], known: list[int], weights: list[float] | None = None) -> float:
    held = np.array([weights or [1.0] * len(scores)], np.float32)
    return float(auroc(np.array(scores, np.float64), np.array(known, bool), held)[0])


@pytest.mark.parametrize(
    ("scores", "known", "wanted"),
    [
        ([3, 2, 1], [1, 0, 0], 1),
        ([1, 2, 3], [1, 0, 0], 0),
        ([1, 1, 1], [1, 0, 0], 0.5),
        ([2, 1, 3, 0], [1, 1, 0, 0], 0.5),
        ([1, NEVER, NEVER], [1, 1, 0], 0.75),
        ([NEVER, 1], [1, 0], 0),
    ],
)
def test_auroc_by_hand(scores: list[float], known: list[int], wanted: float) -> None:
    assert one(scores, known) == pytest.approx(wanted)


@pytest.mark.parametrize("known", [[], [1, 1], [0, 0]])
def test_auroc_of_one_kind_is_not_a_number(known: list[int]) -> None:
    assert np.isnan(one([1.0] * len(known), known)) if known else True
    report = mean_auroc(np.ones((3, len(known))), np.array([known] * 3, bool), np.ones((5, len(known)), np.float32))
    assert np.isnan([report.value, report.low, report.high]).all()


def test_auroc_is_the_rank_statistic_and_weights_are_copies() -> None:
    rng = np.random.default_rng(3)
    scores, known = rng.integers(0, 9, 60).astype(float), rng.random(60) < 0.4
    ranks, knowns = rankdata(scores), known.sum()
    mann_whitney = (ranks[known].sum() - knowns * (knowns + 1) / 2) / (knowns * (~known).sum())
    assert one(scores.tolist(), known.tolist()) == pytest.approx(mann_whitney)
    copies = rng.integers(0, 4, 60)
    again = one(np.repeat(scores, copies).tolist(), np.repeat(known, copies).tolist())
    assert one(scores.tolist(), known.tolist(), copies.tolist()) == pytest.approx(again)


def test_mean_auroc_leaves_out_draws_with_one_kind() -> None:
    scores = np.array([[1.0, 0], [0, 1], [5, 5]])
    known = np.array([[1, 0], [1, 0], [1, 1]], bool)
    report = mean_auroc(scores, known, photo_weights(["a", "a"]))
    assert (report.value, report.low, report.high) == (0.5, 0.5, 0.5)


def test_photos_are_drawn_and_not_queries() -> None:
    weights = photo_weights(["a", "a", "b"])
    assert weights.shape == (DRAWS, 3)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 0] + weights[:, 2] == 2).all()
    assert np.array_equal(weights, photo_weights(["a", "a", "b"])), "the same every time"


def test_mean_and_its_interval() -> None:
    values = np.array([1, 1, 0, 0])
    report = mean(values, photo_weights(list("abcd")))
    assert (report.value, report.low, report.high) == (0.5, 0, 1)
    counted = mean(values, photo_weights(list("abcd")), np.array([1, 1, 0, 0], bool))
    assert (counted.value, counted.low) == (1, 1)
    assert np.isnan(mean(values, photo_weights(list("abcd")), np.zeros(4, bool)).value)
