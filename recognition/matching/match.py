"""Crops and their vectors in, what stands at each box out: search, verify, decide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recognition.matching.calibration import Calibration
from recognition.matching.decide import Hear, decide
from recognition.matching.verify import Verifier
from recognition.settings import MatchSettings
from recognition.skus.index import SkuIndex
from recognition.types import Image, Matches

CANDIDATES = 10
"""Candidates searched for and verified, whatever number is asked for: look-alikes stand before the right one."""


def match(
    crops: Sequence[Image],
    vectors: NDArray[np.float32],
    index: SkuIndex,
    settings: MatchSettings,
    calibration: Calibration,
    verifier: Verifier,
    hear: Hear | None = None,
) -> Matches:
    """What each crop shows, `settings.top_k` candidates each, -1 where the catalogue holds fewer.

    crops: RGB uint8 (h, w, 3), n of them. vectors: float32 (n, dim), norm 1. verifier: of the index's rows.
    hear: what the surroundings of the crops say, None where they stand alone.

    Raises:
        DatabaseError: the vectors have another dim, or the stored data cannot be read.
        EncoderError, WeightsError: as `Verifier.verify`.
    """
    neighbors = index.search(vectors, max(settings.top_k, CANDIDATES))
    evidence = None
    if settings.verify:
        evidence = verifier.verify(crops, neighbors.rows[:, :CANDIDATES])
    return _first(decide(neighbors, calibration, evidence, hear), settings.top_k)


def _first(matches: Matches, k: int) -> Matches:
    return Matches(matches.status, matches.skus[:, :k].copy(), matches.scores[:, :k].copy(), matches.confidence)
