"""Asks a catalogue for every query, as a whole and with half of its SKUs left out, with and without verification.

Queries and references are embedded once. Leaving SKUs out is masking, and what verification finds for a query and a
reference is found once, whatever the catalogues in which they meet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from recognition.embedding.crops import cut_crops
from recognition.evaluation.labelled import LabelledCrop
from recognition.evaluation.ranking import BySku, SkuNumbers, average_precision, by_sku
from recognition.matching.calibration import Calibration, rank, verified_features
from recognition.matching.evidence import Evidence
from recognition.matching.match import CANDIDATES
from recognition.matching.verify import Verifier
from recognition.sources.decode import read_image
from recognition.telling import Progress
from recognition.types import NO_SKU, Image, Neighbors

RANKS = 10
BATCH = 64
DRAWS = 20
NOWHERE = 2**31
"""Rank of a SKU that the catalogue does not hold: behind every place."""

_Rows = TypeVar("_Rows")


@dataclass(frozen=True)
class Judge:
    """What decides whether a product is known, and reorders the candidates. verifier: of columns."""

    calibration: Calibration
    verifier: Verifier


@dataclass(frozen=True)
class Method:
    """A way to tell which reference a crop shows.

    kind: embedding, or a baseline's name. name: of its model, "" without one. score: RGB uint8 crops to float32
    (n, references), more is more alike. judge: None where nothing is verified.
    """

    kind: str
    name: str
    score: Callable[[Sequence[Image]], NDArray[np.float32]]
    judge: Judge | None


@dataclass(frozen=True, eq=False)
class Answers:
    """What one catalogue answers, arrays (n,). first, score: nearest SKU and its score. best: SKU after verification.

    known: log-odds that the product is in the catalogue. named: the same, -inf where the best cannot be told from the
    second, so that no name is given. Without verification best is first, and both are the score.
    """

    first: NDArray[np.int64]
    score: NDArray[np.float64]
    best: NDArray[np.int64]
    known: NDArray[np.float64]
    named: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ranks:
    """Where each query's own SKU stands in the whole catalogue, arrays (n,).

    own: its number, -1 = not there. rank: SKUs before it. column, score: its best
    reference. precision: average precision over references.
    """

    own: NDArray[np.int64]
    rank: NDArray[np.int64]
    column: NDArray[np.int64]
    score: NDArray[np.float64]
    precision: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Asked:
    """All that was asked. whole: answers of the catalogue. draws: of each catalogue with `out` (draws, skus) left out.

    nearest: ten SKUs of the whole catalogue; evidence: of these, None without verification. ms, verify_ms:
    milliseconds per query.
    """

    queries: tuple[LabelledCrop, ...]
    references: tuple[LabelledCrop, ...]
    method: Method
    skus: SkuNumbers
    ranks: Ranks
    nearest: Neighbors
    evidence: Evidence | None
    whole: Answers
    draws: tuple[Answers, ...]
    out: NDArray[np.bool_]
    ms: float
    verify_ms: float


def read_crop(crop: LabelledCrop) -> Image:
    """The picture of a labelled crop, RGB uint8 (h, w, 3).

    Raises:
        SourceError: it cannot be read.
    """
    image = read_image(crop.path).image
    height, width = image.shape[:2]
    return cut_crops(image, np.array([crop.box or (0, 0, width, height)], np.float32))[0]


def left_out(skus: int) -> NDArray[np.bool_]:
    """Which SKUs stay out of the catalogue in each of the 20 fixed draws, bool (20, skus): half of them."""
    out = np.zeros((DRAWS, skus), np.bool_)
    for draw in range(DRAWS):
        out[draw, np.random.default_rng(draw).permutation(skus)[: skus // 2]] = True
    return out


def ask(
    queries: Sequence[LabelledCrop],
    references: Sequence[LabelledCrop],
    method: Method,
    progress: Progress,
) -> Asked:
    """Asks for every query. Column j of `method.score` is `references[j]`.

    Raises:
        SourceError: a query's picture cannot be read. EncoderError: the model failed on it.
    """
    skus = SkuNumbers.from_skus([reference.sku for reference in references])
    out = left_out(len(skus.names))
    seconds, verifying = 0.0, 0.0
    ranks, nearest, evidence = [], [], []
    answers: list[list[Answers]] = [[] for _ in range(DRAWS + 1)]
    for start in range(0, len(queries), BATCH):
        batch = queries[start : start + BATCH]
        crops = [read_crop(query) for query in batch]
        begun = time.perf_counter()
        scores = method.score(crops)
        table = by_sku(scores, skus)
        nearest.append(table.nearest(RANKS))
        seconds += time.perf_counter() - begun
        ranks.append(_ranks(scores, table, skus, skus.numbers([query.sku for query in batch])))
        catalogues = [table.nearest(CANDIDATES), *(table.nearest(CANDIDATES, draw) for draw in out)]
        looked: Sequence[Evidence | None] = [None] * len(catalogues)
        if method.judge is not None:
            looked, took = _look(crops, catalogues, method.judge.verifier)
            verifying += took
            evidence.append(looked[0])
        for catalogue, seen, kept in zip(catalogues, looked, answers, strict=True):
            kept.append(_answer(catalogue, seen, method.judge))
        progress(start + len(batch), len(queries))
    whole, *draws = (_joined(parts) for parts in answers)
    return Asked(
        tuple(queries), tuple(references), method, skus, _joined(ranks), _joined(nearest),
        _joined([seen for seen in evidence if seen is not None]) if evidence else None, whole, tuple(draws), out,
        1000 * seconds / len(queries), 1000 * verifying / len(queries),
    )  # fmt: skip


def _ranks(scores: NDArray[np.float32], table: BySku, skus: SkuNumbers, own: NDArray[np.int64]) -> Ranks:
    order = np.argsort(-table.scores, axis=1, kind="stable")
    there, at = own >= 0, np.maximum(own, 0)[:, None]
    rank_of = np.where(there, (order == at).argmax(axis=1), NOWHERE)
    column = np.where(there, np.take_along_axis(table.columns, at, axis=1)[:, 0], NO_SKU)
    score = np.where(there, np.take_along_axis(table.scores, at, axis=1)[:, 0], -np.inf).astype(np.float64)
    return Ranks(own, rank_of, column, score, average_precision(scores, skus.of == own[:, None]))


def _look(crops: Sequence[Image], catalogues: Sequence[Neighbors], verifier: Verifier) -> tuple[list[Evidence], float]:
    """Evidence for the candidates of every catalogue, and the seconds that the first of them took."""
    first = catalogues[0].rows
    begun = time.perf_counter()
    seen = verifier.verify(crops, first)
    took = time.perf_counter() - begun
    others = np.concatenate([catalogue.rows for catalogue in catalogues[1:]], axis=1)
    rest = [np.setdiff1d(row[row >= 0], done) for row, done in zip(others, first, strict=True)]
    unseen = np.full((len(crops), max(map(len, rest), default=0)), NO_SKU, np.int64)
    for row, columns in zip(unseen, rest, strict=True):
        row[: len(columns)] = columns
    more = verifier.verify(crops, unseen)
    columns = np.concatenate([first, unseen], axis=1)

    def of(rows: NDArray[np.int64]) -> Evidence:
        place = (rows[:, :, None] == columns[:, None, :]).argmax(axis=2)
        return seen.columns(place, more)

    return [of(catalogue.rows) for catalogue in catalogues], took


def _answer(candidates: Neighbors, evidence: Evidence | None, judge: Judge | None) -> Answers:
    first, score = candidates.skus[:, 0], candidates.scores[:, 0].astype(np.float64)
    if judge is None or evidence is None:
        return Answers(first, score, first, score, score)
    ranking = rank(judge.calibration.verified, verified_features(candidates, evidence), candidates.skus >= 0)
    best = np.take_along_axis(candidates.skus, ranking.order[:, :1], axis=1)[:, 0]
    return Answers(first, score, best, ranking.known, ranking.named(evidence.small))


def _joined(parts: Sequence[_Rows]) -> _Rows:
    """One object out of those of the batches, row by row."""
    kind = type(parts[0])
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    return kind(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
