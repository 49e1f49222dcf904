"""Fits the two logistic models of a calibration and sets their thresholds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from recognition.matching.calibration import Model, Ranking, Values, known_features, rank

LEAST_KNOWN = -2.5
"""Lowest threshold, log-odds: few views with nothing like a stranger among them say little of what else there is."""
RIDGE = 0.01
"""Pull of every standardised weight to 0: finite weights where views are told apart without fault."""
CHOICE_PRINT, KNOWN_PRINT = 0.6, 0.15
"""Least weights of print. Views are made of the references' own pixels: laid over each other they are all but equal,
which no photo is, so that they teach likeness and no print. Chosen on rendered shelves."""
CHOICE_HUE = 2.0
"""Least weight of hue: what is left of a far or blurred pack tells flavours apart by it, and views are seldom so small.
On rendered walks more was better still, on photos in the hand, whose light is another one, worse."""


def fit_choice(
    features: Values, present: NDArray[np.bool_], own: NDArray[np.int64], least: Sequence[float]
) -> tuple[float, ...]:
    """Weights under which the right candidate is likeliest, none below its `least`.

    features: (n, v, f). present: bool (n, v). own: column of the right candidate, int64 (n,), -1 = not among them;
    such rows are left out.
    """
    rows = (own >= 0) & (present.sum(axis=1) > 1)
    if not rows.any():
        return tuple([1.0] * int(features.shape[2]))
    features, present, own = features[rows], present[rows], own[rows]
    scale = np.maximum(features[present].std(axis=0), 1e-6)
    # Only differences within a row matter.
    apart = (features - np.take_along_axis(features, own[:, None, None], axis=1)) / scale

    def loss(weights: Values) -> tuple[float, Values]:
        odds = np.where(present, apart @ weights, -np.inf)
        top = odds.max(axis=1, keepdims=True)
        shares = np.exp(odds - top)
        total = shares.sum(axis=1, keepdims=True)
        gradient = ((shares / total)[..., None] * apart).sum(axis=1).mean(axis=0)
        return float((top + np.log(total)).mean() + RIDGE * weights @ weights), gradient + 2 * RIDGE * weights

    return _solve(loss, scale, least)


def fit_known(known: Values, strangers: Values, least: Sequence[float]) -> tuple[tuple[float, ...], float]:
    """Weights, none below its `least`, and bias of the log-odds that a product is in the catalogue; both kinds count
    equally.

    known, strangers: (n, f) and (m, f) features of the best candidates.
    """
    points = np.concatenate([known, strangers])
    middle, scale = points.mean(axis=0), np.maximum(points.std(axis=0), 1e-6)
    signs = np.repeat([1.0, -1.0], [len(known), len(strangers)])
    share = np.repeat([0.5 / len(known), 0.5 / len(strangers)], [len(known), len(strangers)])
    inputs = np.column_stack([(points - middle) / scale, np.ones(len(points))])
    pull = RIDGE * np.append(np.ones(points.shape[1]), 0)

    def loss(weights: Values) -> tuple[float, Values]:
        odds = signs * (inputs @ weights)
        gradient = -(share * signs / (1 + np.exp(np.clip(odds, -50, 50)))) @ inputs
        return float(share @ np.logaddexp(0, -odds) + pull @ weights**2), gradient + 2 * pull * weights

    solved = _solve(loss, np.append(scale, 1.0), [*least, -np.inf])
    weights = np.array(solved[:-1])
    return solved[:-1], float(solved[-1] - weights @ middle)


def fit_model(
    known: Values, present: NDArray[np.bool_], own: NDArray[np.int64], strangers: Values, others: NDArray[np.bool_]
) -> tuple[Model, Ranking]:
    """A model that accepts everything, and the strangers as it ranks them.

    known, present, own: features (n, v, f), candidates and right columns of views with their own SKU left in.
    strangers, others: features and candidates of the same views with it left out.
    """
    features = known.shape[2]
    choice = fit_choice(known, present, own, (0.0, CHOICE_PRINT, 0.0, CHOICE_HUE, 0.0, 0.0)[:features])
    blank = Model(choice, (0.0,) * (features + 2), 0.0, -np.inf)
    there = own >= 0
    asked = _questions(blank, known[there], present[there]), _questions(blank, strangers, others)
    weights, bias = fit_known(*asked, (*(0.0, KNOWN_PRINT, 0.0, 0.0, 0.0, 0.0)[:features], 0.0, 0.0))
    model = Model(choice, weights, bias, -np.inf)
    return model, rank(model, strangers, others)


def _questions(model: Model, features: Values, present: NDArray[np.bool_]) -> Values:
    ranking = rank(model, features, present)
    odds = np.where(present, features @ np.array(model.choice), -np.inf)
    ordered = np.take_along_axis(odds, ranking.order, axis=1)
    return known_features(features, ranking.order, ordered - ordered[:, :1])


def threshold(log_odds: Values, allowed: float) -> float:
    """Log-odds that at most `allowed` (a count) of the strangers reach; 0, even odds, where no stranger could be named.

    Set by the strangers, below even odds too: the known views are easier than photos, so that their odds flatter, and
    even odds would turn away what no stranger comes near. `LEAST_KNOWN` is the end of that.
    """
    ordered = np.sort(log_odds[np.isfinite(log_odds)])[::-1]
    if not len(ordered):
        return 0.0
    place = int(max(allowed, 0))
    reached = float(np.nextafter(ordered[place], np.inf) if place < len(ordered) else ordered[-1])
    return max(reached, LEAST_KNOWN)


def _solve(loss: object, scale: Values, least: Sequence[float]) -> tuple[float, ...]:
    # More likeness never makes a match less likely: without bounds, few views could teach so.
    lowest = np.array(least) * scale
    bounds = [(low if np.isfinite(low) else None, None) for low in lowest.tolist()]
    found = minimize(loss, np.where(np.isfinite(lowest), lowest, 0), jac=True, method="L-BFGS-B", bounds=bounds)
    return tuple(float(value) for value in found.x / scale)
