"""Figures with their uncertainty: means and AUROC, and bootstrap over photos (Efron 1979). Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
CHUNK = 200

Values = NDArray[np.float64]
Weights = NDArray[np.float32]


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; NaN where the data do not say."""

    value: float
    low: float
    high: float


def flattened(report: Any) -> dict[str, Any]:
    """The fields of a dataclass for JSON: an estimate becomes `name`, `name_low` and `name_high`; NaN becomes None."""
    flat: dict[str, Any] = {}
    for field in fields(report):
        value = getattr(report, field.name)
        if isinstance(value, Estimate):
            flat |= {field.name: value.value, f"{field.name}_low": value.low, f"{field.name}_high": value.high}
        else:
            flat[field.name] = value
    return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in flat.items()}


def photo_weights(photos: Sequence[str]) -> Weights:
    """How often each query counts in each bootstrap sample, float32 (2,000, n): photos are drawn, not queries.

    Queries of one photo share its light, its distance and often its products; to draw them one by one would make
    the interval too narrow.
    """
    _, photo = np.unique(photos, return_inverse=True)
    count = int(photo.max()) + 1 if len(photo) else 0
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / max(count, 1)), DRAWS)
    return drawn[:, photo].astype(np.float32)


def mean(values: NDArray[np.generic], weights: Weights, counts: NDArray[np.bool_] | None = None) -> Estimate:
    """Mean of (n,) or (draws, n) values over those that count (all if None), with its interval."""
    rows = np.atleast_2d(np.asarray(values, np.float64))
    counted = np.ones(rows.shape) if counts is None else np.atleast_2d(counts).astype(np.float64)
    total, size = (rows * counted).sum(axis=0), counted.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _estimate(np.float64(total.sum()) / size.sum(), (weights @ total) / (weights @ size))


def mean_auroc(scores: Values, known: NDArray[np.bool_], weights: Weights) -> Estimate:
    """Mean AUROC of the rows of scores (draws, n): how well they tell known from unknown, known bool (draws, n).

    Draws without knowns or without strangers say nothing and are left out.
    """
    rows = [i for i in range(len(scores)) if 0 < known[i].sum() < known.shape[1]]
    if not rows:
        return Estimate(float("nan"), float("nan"), float("nan"))
    once = np.ones((1, scores.shape[1]), np.float32)
    value = np.mean([auroc(scores[i], known[i], once)[0] for i in rows])
    parts = np.array_split(weights, -(-len(weights) // CHUNK))
    drawn = [np.concatenate([auroc(scores[i], known[i], part) for part in parts]) for i in rows]
    # A sample that holds one kind only, in one draw, has no AUROC there: the others speak for it.
    held = np.isfinite(drawn)
    with np.errstate(invalid="ignore"):
        return _estimate(value, np.where(held, drawn, 0).sum(axis=0) / held.sum(axis=0))


def auroc(scores: Values, known: NDArray[np.bool_], weights: Weights) -> Values:
    """Probability that a known outscores a stranger, ties counting half, under each row of weights (samples, n).

    The rank statistic of Mann and Whitney (1947), with weights. Returns float64 (samples,), NaN where a sample
    lacks either kind.
    """
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))  # of each run of ties
    counts, is_known = weights[:, order].astype(np.float64), known[order]
    knowns = np.add.reduceat(counts * is_known, first, axis=1)
    strangers = np.add.reduceat(counts * ~is_known, first, axis=1)
    outscored = (knowns * (np.cumsum(strangers, axis=1) - strangers / 2)).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(outscored / (knowns.sum(axis=1) * strangers.sum(axis=1)), np.float64)


def _estimate(value: float, drawn: Values) -> Estimate:
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (np.nan, np.nan)
    return Estimate(float(value), float(low), float(high))
