"""The open-set curve: knowns rightly named against strangers given a name, as the threshold falls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition.evaluation.asking import Answers

POINTS = 300


@dataclass(frozen=True)
class OpenSetPoint:
    """Shares, 0..1, at one threshold: strangers given any name, and knowns given the right one."""

    threshold: float
    strangers_named: float
    knowns_right: float


@dataclass(frozen=True)
class OpenSetCurve:
    """What an open-set identification system does at every threshold (Phillips, Grother, Micheals 2011: detection and
    identification rate against false alarm rate). score: what is held against the threshold."""

    score: str
    points: tuple[OpenSetPoint, ...]


@dataclass(frozen=True, eq=False)
class Draws:
    """Answers of all draws, arrays (draws, n). known: the query's SKU is in that catalogue."""

    known: NDArray[np.bool_]
    first_right: NDArray[np.bool_]
    best_right: NDArray[np.bool_]
    score: NDArray[np.float64]
    log_odds: NDArray[np.float64]
    named: NDArray[np.float64]


def stack_draws(draws: Sequence[Answers], out: NDArray[np.bool_], own: NDArray[np.int64]) -> Draws:
    """Answers side by side. out: bool (draws, skus). own: SKU number of each query, -1 = a stranger in every draw."""
    known = (own >= 0) & ~out[:, np.maximum(own, 0)]
    first, best = (np.stack([getattr(draw, name) for draw in draws]) for name in ("first", "best"))
    score, log_odds, named = (np.stack([getattr(draw, name) for draw in draws]) for name in ("score", "known", "named"))
    return Draws(known, known & (first == own), known & (best == own), score, log_odds, named)


def open_set_curve(
    name: str, scores: NDArray[np.float64], known: NDArray[np.bool_], right: NDArray[np.bool_]
) -> OpenSetCurve:
    """The curve over all draws together, at most 300 points from the strictest threshold on.

    scores, known, right: (draws, n). A score of -inf is never named, whatever the threshold.
    """
    thresholds = np.unique(scores[np.isfinite(scores)])[::-1]
    thresholds = thresholds[
        np.unique(np.linspace(0, max(len(thresholds) - 1, 0), POINTS).astype(int))[: len(thresholds)]
    ]
    strangers = np.sort(scores[~known])
    rightly = np.sort(scores[right])
    points = [
        OpenSetPoint(
            float(threshold),
            (len(strangers) - int(np.searchsorted(strangers, threshold))) / max(len(strangers), 1),
            (len(rightly) - int(np.searchsorted(rightly, threshold))) / max(int(known.sum()), 1),
        )
        for threshold in thresholds
    ]
    return OpenSetCurve(name, tuple(points))
