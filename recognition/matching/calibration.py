"""What a database's calibration holds, and how evidence is weighed with it. Pure numpy.

Two questions are asked of each crop. Which candidate is it, given that it is one of them: a conditional logit
(McFadden 1974) over the candidates. Is it one of them at all: a logistic model of the best candidate's findings and
of its lead. Each is asked with the search alone (`plain`) or with verification (`verified`).
"""

from __future__ import annotations

import json
import logging
import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.errors import DatabaseDamagedError
from recognition.matching.evidence import Evidence
from recognition.types import Neighbors

Values = NDArray[np.float64]
_log = logging.getLogger(__name__)

TELL_APART, LEAST_CHOICE = 0.55, 0.4
"""Least probability of the best candidate against the second alone, and among all candidates, to be named alone: of
several look-alikes the best may stand out although none is likelier than not."""
LEAST_LEAD = math.log(TELL_APART / (1 - TELL_APART))
"""The first of them as log-odds."""
LEAST_LIKENESS, FEW_INLIERS = 0.15, 8
"""A product is given no SKU, whatever its score, when the picture of its best candidate is less like the crop and fewer
keypoints agree than this: the encoder may take two makers' jars for each other, and a handful of keypoints agree by
chance. A crop of so few pixels that none can agree is left to its score."""
LARGEST_LEAD = 6.0
"""Log-odds; a lead above this says no more, and views of references lead by more than photos do."""
EVEN_INLIERS = 12.0
"""Keypoints that agree count by their logarithm, since the first few decide whether there is any agreement, and evenly,
one in so many, since of two flavours with one layout the right one has more of them."""
LEAST_HUE = 0.05
"""Nearness of hue counts by its logarithm, down to this."""
COHORT = 9
"""Other candidates that the best one's score is held against (as cohorts do in speaker verification, Auckenthaler,
Carey and Lloyd-Thomas 2000): on some crops every score is high."""
EVIDENCE = 5
"""Number of the way in which evidence is weighed; thresholds that were set for another one mean nothing to it."""


@dataclass(frozen=True)
class Model:
    """How one kind of evidence is weighed.

    choice: weights of a candidate's features (score alone; or score, print, likeness, hue, patches and stretch) in its
    log-odds against the others. known: weights of the best candidate's features, of its lead and of how far its score
    stands out, with `bias`, in the log-odds that the product is in the catalogue. accept: least such log-odds for a
    product to be given a SKU.
    """

    choice: tuple[float, ...]
    known: tuple[float, ...]
    bias: float
    accept: float


@dataclass(frozen=True)
class Calibration:
    """Thresholds of one database, kept in it as JSON text.

    references: how many the database held. views: how many left-out views stand behind the thresholds, 0 for the
    defaults. false_known: share of products in no catalogue that may be given a SKU. evidence: see `EVIDENCE`.
    """

    plain: Model
    verified: Model
    references: int
    views: int
    false_known: float
    evidence: int = EVIDENCE

    def to_json(self) -> str:
        """Text that `from_json` reads."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Reads what `to_json` wrote; the defaults, with a warning, when that was set for other evidence.

        Raises:
            DatabaseDamagedError: the text is not a calibration; the hint says how to make a new one.
        """
        try:
            values = json.loads(text)
            plain, verified = (_model(values.pop(name)) for name in ("plain", "verified"))
            evidence = values.pop("evidence", 1)
            found = cls(plain, verified, **values, evidence=evidence)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DatabaseDamagedError(
                f"the thresholds of the SKU database cannot be read: {error}", "build the database again"
            ) from error
        if evidence == EVIDENCE:
            return found
        _log.warning("thresholds were set by another version: cautious ones hold until the next skus build")
        return replace(default_calibration(found.references, found.false_known), evidence=evidence)


def _model(values: dict[str, Any]) -> Model:
    numbers = float(values["bias"]), float(values["accept"])
    return Model(tuple(values["choice"]), tuple(values["known"]), *numbers)


def default_calibration(references: int, false_known: float = 0.02) -> Calibration:
    """Cautious thresholds for a catalogue too small to show what strangers look like.

    Without verification nothing is given a SKU below cosine 0.9. With it, 18 keypoints must agree
    where the pictures are fairly alike (likeness 0.5), fewer where more, whatever the cosine: its level depends on the
    encoder.
    """
    plain = Model((20.0,), (40.0, 0.3, 0.0), -34.8, 3.0)
    verified = Model((8.0, 1.0, 4.0, 0.0, 0.0, 0.0), (0.0, 2.0, 9.0, 0.0, 0.0, 0.0, 0.2, 0.0), -11.5, 3.0)
    return Calibration(plain, verified, references, 0, false_known)


@dataclass(frozen=True, eq=False)
class Ranking:
    """order: int64 (n, v), candidates best first, as columns of the search. choice: float64 (n,), probability of the
    best, given that the product is one of them. known: float64 (n,), log-odds that it is; -inf without candidates.
    apart: bool (n,), whether the best is told apart from the others. seen: bool (n,), whether anything of its picture
    is seen in the crop; True where nothing was looked at."""

    order: NDArray[np.int64]
    choice: Values
    known: Values
    apart: NDArray[np.bool_]
    seen: NDArray[np.bool_]

    def named(self, small: NDArray[np.bool_] | bool = False) -> Values:
        """`known` where a SKU could be given, else -inf. small: bool (n,), see `Evidence`."""
        return np.where(self.apart & (self.seen | small), self.known, -np.inf)


def plain_features(neighbors: Neighbors) -> Values:
    """The features that a search gives, float64 (n, k, 1): scores, 0 where there is no candidate."""
    return np.where(neighbors.skus >= 0, neighbors.scores, 0).astype(np.float64)[..., None]


def verified_features(neighbors: Neighbors, evidence: Evidence) -> Values:
    """The features of verified candidates, float64 (n, v, 6)."""
    scores = plain_features(neighbors)[:, : evidence.inliers.shape[1], 0]
    hue = np.log(evidence.hue.clip(LEAST_HUE))
    each = (scores, printed(evidence.inliers), evidence.likeness, hue, evidence.patches, -evidence.stretch)
    return np.stack(each, axis=-1)


def printed(inliers: NDArray[np.float32] | float) -> Values:
    """What so many keypoints that agree are worth: see `EVEN_INLIERS`."""
    count = np.asarray(inliers, np.float64)
    return np.asarray(np.log1p(count) + count / EVEN_INLIERS)


def rank(model: Model, features: Values, present: NDArray[np.bool_], support: Values | None = None) -> Ranking:
    """Weighs candidates.

    features: (n, v, f). present: bool (n, v), False where there is no candidate. support: (n, v), log-odds that others
    add to a candidate, and to there being a SKU for it (see blocks.py).
    """
    if not features.shape[1]:
        none = np.zeros(len(features))
        neither = np.zeros(len(features), np.bool_)
        return Ranking(np.zeros((len(features), 0), np.int64), none, none - np.inf, neither, neither)
    said = np.zeros(present.shape) if support is None else support
    weights = np.where(present, features @ np.array(model.choice) + said, -np.inf)
    order = np.argsort(-weights, axis=1, kind="stable")
    found = np.asarray(present.any(axis=1))
    behind = np.take_along_axis(weights, order, axis=1)
    behind = np.where(found[:, None], behind - np.where(found, behind[:, 0], 0)[:, None], -np.inf)
    choice = np.where(found, 1 / np.maximum(np.exp(behind).sum(axis=1), 1), 0)
    known = known_features(features, order, behind) @ np.array(model.known) + model.bias
    known += np.take_along_axis(said, order[:, :1], axis=1)[:, 0]
    apart = (_lead(behind) >= LEAST_LEAD) & (choice >= LEAST_CHOICE)
    return Ranking(order, choice, np.where(found, known, -np.inf), apart, _seen(features, order))


def _lead(behind: Values) -> Values:
    """Log-odds of the best candidate against the second, inf where there is none."""
    return -behind[:, 1] if behind.shape[1] > 1 else np.full(len(behind), np.inf)


def _seen(features: Values, order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether anything of the best candidate is seen in the crop, bool (n,); True where nothing was looked at."""
    if features.shape[2] < 3:
        return np.ones(len(features), np.bool_)
    best = np.take_along_axis(features, order[:, :1, None], axis=1)[:, 0]
    return np.asarray((best[:, 1] >= printed(FEW_INLIERS)) | (best[:, 2] >= LEAST_LIKENESS))


def known_features(features: Values, order: NDArray[np.int64], behind: Values) -> Values:
    """What the second question is asked of, float64 (n, f + 2): the best candidate's features, its lead, and how far
    its score stands out from the mean of the others'.

    behind: float64 (n, v), log-odds of the ordered candidates against the best, -inf where there is none.
    """
    best = np.take_along_axis(features, order[:, :1, None], axis=1)[:, 0]
    lead = np.minimum(_lead(behind), LARGEST_LEAD)
    scores = np.take_along_axis(features[..., 0], order, axis=1)
    others = np.isfinite(behind[:, 1 : 1 + COHORT])
    level = np.where(others, scores[:, 1 : 1 + COHORT], 0).sum(axis=1) / np.maximum(others.sum(axis=1), 1)
    return np.column_stack([best, lead, best[:, 0] - level])
