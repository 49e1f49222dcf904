"""recognized, ambiguous or unknown? Search results and evidence in, Matches out. Pure numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recognition.matching.calibration import (
    Calibration,
    Model,
    Ranking,
    Values,
    plain_features,
    rank,
    verified_features,
)
from recognition.matching.evidence import Evidence
from recognition.types import Matches, Neighbors, Status

Hear = Callable[[NDArray[np.int64], Matches], Values]
"""From the candidates int64 (n, k), -1 = none, and what the crops alone tell of them to what their surroundings say for
and against each, log-odds, float64 (n, k)."""


def decide(
    neighbors: Neighbors,
    calibration: Calibration,
    evidence: Evidence | None,
    hear: Hear | None = None,
) -> Matches:
    """What stands at each box.

    hear: what stands around the crops says; None where they stand alone.

    Verified rows are ranked anew among their verified candidates, the others stay behind in search order; scores go
    with their SKUs and are never changed. confidence = P(in the catalogue) x P(the best, if it is), known and unknown
    products being taken as equally common. UNKNOWN: too unlike; AMBIGUOUS: alike enough, but so is the second.
    """
    alone = _decide(neighbors, calibration, evidence, np.zeros(neighbors.skus.shape))
    if hear is None:
        return alone
    return _decide(neighbors, calibration, evidence, hear(neighbors.skus, alone))


def _decide(neighbors: Neighbors, calibration: Calibration, evidence: Evidence | None, said: Values) -> Matches:
    present = neighbors.skus >= 0
    ranking = rank(calibration.plain, plain_features(neighbors), present, said)
    order, status = ranking.order.copy(), _status(calibration.plain, ranking)
    confidence = _probability(ranking.known) * ranking.choice
    if evidence is not None:
        looked, columns = evidence.verified, evidence.inliers.shape[1]
        features = verified_features(neighbors, evidence)
        closer = rank(calibration.verified, features, present[:, :columns], said[:, :columns])
        order[looked, :columns] = closer.order[looked]
        order[looked, columns:] = np.arange(columns, order.shape[1])
        status[looked] = _status(calibration.verified, closer, evidence.small)[looked]
        confidence[looked] = (_probability(closer.known) * closer.choice)[looked]
    return Matches(
        status,
        np.take_along_axis(neighbors.skus, order, axis=1),
        np.take_along_axis(neighbors.scores, order, axis=1),
        confidence.astype(np.float32),
    )


def _status(model: Model, ranking: Ranking, small: NDArray[np.bool_] | bool = False) -> NDArray[np.int8]:
    apart = np.where(ranking.apart, Status.RECOGNIZED, Status.AMBIGUOUS)
    accepted = (ranking.known >= model.accept) & (ranking.seen | small)
    return np.where(accepted, apart, Status.UNKNOWN).astype(np.int8)


def _probability(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.clip(log_odds, -50, 50)))
