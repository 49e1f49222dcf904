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
        ([-1.0, -1.5], 1, 1),
    ],
)
def test_threshold_lets_no_more_strangers_through_than_allowed(log_odds, allowed, given):
    log_odds = np.array(log_odds)
    assert (log_odds >= threshold(log_odds, allowed)).sum() == given


def test_strangers_below_even_odds_lower_the_threshold_but_not_without_end():
    assert -1.5 < threshold(np.full(100, -1.5), 2) < -1.4
    assert threshold(np.full(100, -9.0), 2) == -2.5


def test_without_a_stranger_that_could_be_named_even_odds_are_asked_for():
    assert threshold(np.full(100, -np.inf), 2) == 0


def _candidates(seed, rows=300):
    """Feature 0 tells the right candidate, in column 1; feature 1 is noise."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1, (rows, 4, 2))
    features[:, 1, 0] += 2
    return features, np.ones((rows, 4), bool), np.full(rows, 1)


def test_choice_weighs_what_tells_and_not_noise():
    weights = fit_choice(*_candidates(0), (0.0, 0.0))
    assert weights[0] > 1
    assert 0 <= weights[1] < 0.2


def test_choice_never_learns_that_likeness_speaks_against_a_candidate():
    features, present, own = _candidates(1)
    features[:, :, 1] = -features[:, :, 0]
    assert fit_choice(features, present, own, (0.0, 0.0))[1] == 0


def test_choice_keeps_the_least_weights_in_the_units_of_the_features():
    features, present, own = _candidates(1)
    features[:, :, 1] *= 40
    assert fit_choice(features, present, own, (0.0, 0.6))[1] == pytest.approx(0.6)


def test_choice_without_any_lesson_is_even():
    features, present, own = _candidates(2, rows=5)
    assert fit_choice(features, present, np.full_like(own, -1), (0.0, 0.0)) == (1.0, 1.0)
    assert fit_choice(features[:, :1], present[:, :1], own * 0, (0.0, 0.0)) == (1.0, 1.0)


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
    weights, bias = fit_known(known, strangers, (0.0,))
    assert weights[0] > 0
    assert abs(bias / weights[0]) < 0.25


def test_known_keeps_the_least_weights_and_moves_the_middle_with_them():
    rng = np.random.default_rng(5)
    known, strangers = rng.normal([1, 7], [0.3, 2], (200, 2)), rng.normal([-1, 7], [0.3, 2], (200, 2))
    weights, bias = fit_known(known, strangers, (0.0, 0.15))
    assert weights[1] == pytest.approx(0.15, abs=0.02)
    assert (known @ weights + bias > 0).mean() > 0.95 < (strangers @ weights + bias < 0).mean()


def test_views_never_take_the_weight_of_print_away():
    rng = np.random.default_rng(6)
    known = rng.normal([0.5, 3, 0.2], [0.1, 0.5, 0.01], (200, 4, 3))
    strangers, present = known.copy(), np.ones((200, 4), bool)
    known[:, 1] += [0.1, 0, 0.7]
    model, _ = fit_model(known, present, np.full(200, 1), strangers, present)
    assert model.choice[1] >= 0.6 and model.known[1] >= 0.15
    assert len(model.known) == 5


def test_a_feature_that_never_varies_does_no_harm():
    weights, bias = fit_known(np.array([[1.0, 3.0], [0.9, 3.0]]), np.array([[0.1, 3.0], [0.2, 3.0]]), (0.0, 0.0))
    assert np.isfinite([*weights, bias]).all()
    assert weights[0] * 1.0 + weights[1] * 3.0 + bias > 0 > weights[0] * 0.1 + weights[1] * 3.0 + bias
