"""What a database's calibration holds, and how evidence is weighed with it. Pure numpy.

Two questions are asked of each crop. Which candidate is it, given that it is one of them: a conditional logit
(McFadden 1974) over the candidates. Is it one of them at all: a logistic model of the best candidate's findings and
of its lead. Each is asked with the search alone (`plain`) or with verification (`verified`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.errors import DatabaseDamagedError
from recognition.matching.evidence import Evidence
from recognition.types import Neighbors

Values = NDArray[np.float64]

TELL_APART = 0.55
"""Least probability of the best candidate, among the candidates, for it to be named alone."""
LEAST_LIKENESS, FEW_INLIERS = 0.15, 8
"""A product is unknown, whatever its score, when the picture of its best candidate is less like the crop and fewer
keypoints agree than this: the encoder may take two makers' jars for each other, and a handful of keypoints agree by
chance."""
LARGEST_LEAD = 6.0
"""Log-odds; a lead above this says no more, and views of references lead by more than photos do."""


@dataclass(frozen=True)
class Model:
    """How one kind of evidence is weighed.

    choice: weights of a candidate's features (score alone; or score, log(1 + inliers), likeness) in its
    log-odds against the others. known: weights of the best candidate's features and of its lead, with `bias`, in the
    log-odds that the product is in the catalogue. accept: least such log-odds for a product to be given a SKU.
    """

    choice: tuple[float, ...]
    known: tuple[float, ...]
    bias: float
    accept: float


@dataclass(frozen=True)
class Calibration:
    """Thresholds of one database, kept in it as JSON text.

    references: how many the database held. views: how many left-out views stand behind the thresholds, 0 for the
    defaults. false_known: share of products in no catalogue that may be given a SKU.
    """

    plain: Model
    verified: Model
    references: int
    views: int
    false_known: float

    def to_json(self) -> str:
        """Text that `from_json` reads."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Reads what `to_json` wrote.

        Raises:
            DatabaseDamagedError: the text is not a calibration; the hint says how to make a new one.
        """
        try:
            values = json.loads(text)
            plain, verified = (_model(values.pop(name)) for name in ("plain", "verified"))
            return cls(plain, verified, **values)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DatabaseDamagedError(
                f"the thresholds of the SKU database cannot be read: {error}", "build the database again"
            ) from error


def _model(values: dict[str, Any]) -> Model:
    numbers = float(values["bias"]), float(values["accept"])
    return Model(tuple(values["choice"]), tuple(values["known"]), *numbers)


def default_calibration(references: int, false_known: float = 0.02) -> Calibration:
    """Cautious thresholds for a catalogue too small to show what strangers look like.

    Without verification nothing is given a SKU below cosine 0.9. With it, 18 keypoints must agree
    where the pictures are fairly alike (likeness 0.5), fewer where more, whatever the cosine: its level depends on the
    encoder.
    """
    plain = Model((20.0,), (40.0, 0.3), -34.8, 3.0)
    verified = Model((8.0, 1.0, 4.0), (0.0, 3.0, 8.0, 0.2), -11.0, 3.0)
    return Calibration(plain, verified, references, 0, false_known)


@dataclass(frozen=True, eq=False)
class Ranking:
    """order: int64 (n, v), candidates best first, as columns of the search. choice: float64 (n,), probability of the
    best, given that the product is one of them. known: float64 (n,), log-odds that it is; -inf without candidates."""

    order: NDArray[np.int64]
    choice: Values
    known: Values


def plain_features(neighbors: Neighbors) -> Values:
    """The features that a search gives, float64 (n, k, 1): scores, 0 where there is no candidate."""
    return np.where(neighbors.skus >= 0, neighbors.scores, 0).astype(np.float64)[..., None]


def verified_features(neighbors: Neighbors, evidence: Evidence) -> Values:
    """The features of verified candidates, float64 (n, v, 3)."""
    scores = plain_features(neighbors)[:, : evidence.inliers.shape[1], 0]
    return np.stack([scores, np.log1p(evidence.inliers), evidence.likeness], axis=-1)


def rank(model: Model, features: Values, present: NDArray[np.bool_]) -> Ranking:
    """Weighs candidates. features: (n, v, f). present: bool (n, v), False where there is no candidate."""
    if not features.shape[1]:
        none = np.zeros(len(features))
        return Ranking(np.zeros((len(features), 0), np.int64), none, none - np.inf)
    weights = np.where(present, features @ np.array(model.choice), -np.inf)
    order = np.argsort(-weights, axis=1, kind="stable")
    found = np.asarray(present.any(axis=1))
    behind = np.take_along_axis(weights, order, axis=1)
    behind = np.where(found[:, None], behind - np.where(found, behind[:, 0], 0)[:, None], -np.inf)
    choice = np.where(found, 1 / np.maximum(np.exp(behind).sum(axis=1), 1), 0)
    known = known_features(features, order, behind) @ np.array(model.known) + model.bias
    return Ranking(order, choice, np.where(found & _seen(features, order), known, -np.inf))


def _seen(features: Values, order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether anything of the best candidate is seen in the crop, bool (n,); True where nothing was looked at."""
    if features.shape[2] < 3:
        return np.ones(len(features), np.bool_)
    best = np.take_along_axis(features, order[:, :1, None], axis=1)[:, 0]
    return np.asarray((best[:, 1] >= np.log1p(FEW_INLIERS)) | (best[:, 2] >= LEAST_LIKENESS))


def known_features(features: Values, order: NDArray[np.int64], behind: Values) -> Values:
    """What the second question is asked of, float64 (n, f + 1): the best candidate's features and its lead.

    behind: float64 (n, v), log-odds of the ordered candidates against the best.
    """
    best = np.take_along_axis(features, order[:, :1, None], axis=1)[:, 0]
    lead = np.minimum(-behind[:, 1], LARGEST_LEAD) if behind.shape[1] > 1 else np.full(len(behind), LARGEST_LEAD)
    return np.column_stack([best, lead])
