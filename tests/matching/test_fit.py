import numpy as np
import pytest

from recognition.matching.calibration import rank
from recognition.matching.fit import fit_choice, fit_known, fit_model, threshold


@pytest.mark.parametrize(
    ("log_odds", "allowed", "given"),
    [
        ([], 0, 0),
        ([3.0, 2.0, 1.0], 0, 0),
        ([3.0, 2.0, 1.0], 1, 1),
        ([3.0, 2.0, 1.0], 1.9, 1),
        ([3.0, 2.0, 1.0], 3, 3),
        ([2.0, 2.0, 2.0, 1.0], 1, 0),
        ([3.0, 2.0], -1, 0),
        ([-5.0, -6.0], 1, 1),
    ],
)
def test_threshold_lets_no_more_strangers_through_than_allowed(log_odds, allowed, given):
    log_odds = np.array(log_odds)
    assert (log_odds >= threshold(log_odds, allowed)).sum() == given


def test_strangers_far_below_even_odds_lower_the_threshold():
    assert -9 < threshold(np.full(100, -9.0), 2) < -8.9


def test_without_a_stranger_that_could_be_named_even_odds_are_asked_for():
    assert threshold(np.full(100, -np.inf), 2) == 0


def _candidates(seed, rows=300):
    """Feature 0 tells the right candidate, in column 1; feature 1 is noise."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1, (rows, 4, 2))
    features[:, 1, 0] += 2
    return features, np.ones((rows, 4), bool), np.full(rows, 1)


def test_choice_weighs_what_tells_and_not_noise():
    weights = fit_choice(*_candidates(0))
    assert weights[0] > 1
    assert 0 <= weights[1] < 0.2


def test_choice_never_learns_that_likeness_speaks_against_a_candidate():
    features, present, own = _candidates(1)
    features[:, :, 1] = -features[:, :, 0]
    assert fit_choice(features, present, own)[1] == 0


def test_choice_without_any_lesson_is_even():
    features, present, own = _candidates(2, rows=5)
    assert fit_choice(features, present, np.full_like(own, -1)) == (1.0, 1.0)
    assert fit_choice(features[:, :1], present[:, :1], own * 0) == (1.0, 1.0)


def test_probability_of_the_choice_is_calibrated():
    features, present, own = _candidates(3, rows=2000)
    model, _ = fit_model(features, present, own, features - [2, 0], present)
    ranking = rank(model, features, present)
    right = ranking.order[:, 0] == own
    assert abs(ranking.choice.mean() - right.mean()) < 0.05
    sure = ranking.choice > 0.9
    assert right[sure].mean() > right[~sure].mean() + 0.2


def test_known_separates_and_counts_both_kinds_equally():
    rng = np.random.default_rng(4)
    known, strangers = rng.normal(1, 0.5, (50, 1)), rng.normal(-1, 0.5, (500, 1))
    weights, bias = fit_known(known, strangers)
    assert weights[0] > 0
    assert abs(bias / weights[0]) < 0.25


def test_a_feature_that_never_varies_does_no_harm():
    weights, bias = fit_known(np.array([[1.0, 3.0], [0.9, 3.0]]), np.array([[0.1, 3.0], [0.2, 3.0]]))
    assert np.isfinite([*weights, bias]).all()
    assert weights[0] * 1.0 + weights[1] * 3.0 + bias > 0 > weights[0] * 0.1 + weights[1] * 3.0 + bias
