"""For whom an encoder works: how its answers spread over brands, and which brands are large or small. Pure numpy.

Brands are numbers from 0, one per row of the catalogue; -1 is a row without a brand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Vectors = NDArray[np.float32]

HEAD, MIDDLE, TAIL, NO_BAND = 0, 1, 2, -1
LARGEST = 10
MOST_VIEWS_EACH = 12
BATCH = 64
DRAWS = 200


@dataclass(frozen=True)
class Fairness:
    """Brand fairness of one catalogue, or of a part of it as a catalogue of its own.

    index: 0 to 1. n: answers that were pooled; only indexes of equal n can be compared. brands: in the catalogue.
    random: the mean index of n answers drawn by chance, which is below 1 for the n alone.
    """

    index: float
    n: int
    brands: int
    random: float


@dataclass(frozen=True)
class Names:
    """Texts as numbers. names: by number, sorted. of: int64 (n,), -1 for an empty text."""

    names: tuple[str, ...]
    of: Numbers

    @classmethod
    def number(cls, texts: Sequence[str]) -> Names:
        """Numbers the texts that are not empty."""
        names = sorted({text for text in texts if text})
        place = {name: number for number, name in enumerate(names)}
        return cls(tuple(names), np.array([place.get(text, -1) for text in texts], np.int64))


def fairness_index(answers: Numbers, catalogue: Numbers) -> float:
    """1 / (1 + KL(answers || catalogue)), natural logarithm; both are counts per brand, (brands,).

    1: answers come from brands as often as the catalogue holds them. A brand that is never answered adds 0 to the
    divergence (Kullback and Leibler 1951), and an answer comes from the catalogue, so nothing needs smoothing.

    Raises:
        ValueError: there is no answer, or one of a brand that the catalogue does not hold.
    """
    seen = answers > 0
    if not seen.any() or (catalogue[seen] == 0).any():
        raise ValueError("fairness_index: wanted answers, all of brands in the catalogue")
    observed, expected = answers[seen] / answers.sum(), catalogue[seen] / catalogue.sum()
    # Equal shares may come out a rounding error below 0.
    return float(1 / (1 + max(0.0, float((observed * np.log(observed / expected)).sum()))))


def measure_fairness(
    queries: Vectors,
    own: Numbers,
    references: Vectors,
    brand: Numbers,
    top: int,
    among: NDArray[np.bool_] | None = None,
) -> Fairness | None:
    """Fairness of the pooled `top` best rows of all queries; None where there is nothing to measure.

    queries: (q, d). own: (q,), the row that each shows, which is no answer to it. references: (n, d). brand: (n,).
    among: (n,), the rows of the catalogue, all if None; queries of other rows are passed over. Rows without a brand
    are neither answers nor queries. Nothing to measure: fewer than two brands, no query, or so few rows that every one
    would be an answer.
    """
    there = (brand >= 0) if among is None else (brand >= 0) & among
    columns = np.flatnonzero(there)
    catalogue = np.bincount(brand[columns], minlength=int(brand.max(initial=-1)) + 1)
    asked = there[own]
    brands = int((catalogue > 0).sum())
    if brands < 2 or len(columns) < top + 2 or not asked.any():
        return None
    answers = _pooled(queries[asked], own[asked], references[columns], columns, brand, top, len(catalogue))
    n = int(answers.sum())
    drawn = np.random.default_rng(0).multinomial(n, catalogue / catalogue.sum(), DRAWS)
    by_chance = float(np.mean([fairness_index(draw, catalogue) for draw in drawn]))
    return Fairness(fairness_index(answers, catalogue), n, brands, by_chance)


def _pooled(
    queries: Vectors, own: Numbers, references: Vectors, columns: Numbers, brand: Numbers, top: int, brands: int
) -> Numbers:
    counts = np.zeros(brands, np.int64)
    for start in range(0, len(queries), BATCH):
        scores = queries[start : start + BATCH] @ references.T
        scores[columns == own[start : start + BATCH, None]] = -np.inf
        best = np.argpartition(-scores, top - 1, axis=1)[:, :top]
        counts += np.bincount(brand[columns[best]].ravel(), minlength=brands)
    return counts


def draw_rows(brand: Numbers, wanted: int, seed: int = 0) -> Numbers:
    """Rows to ask for, int64, in proportion to the catalogue's brands; rows without a brand count as one more.

    A catalogue of fewer rows than wanted is asked for each of them equally often, 12 times at most; of a larger one
    each brand gives its share of the rows, rounded up or down (systematic sampling), drawn by seed.
    """
    rows = len(brand)
    if not rows:
        return np.zeros(0, np.int64)
    if rows <= wanted:
        return np.repeat(np.arange(rows), min(MOST_VIEWS_EACH, -(-wanted // rows)))
    dice = np.random.default_rng(seed)
    order = np.lexsort((dice.random(rows), brand))
    places = np.floor((np.arange(wanted) + dice.random()) * rows / wanted).astype(np.int64)
    return np.sort(order[np.minimum(places, rows - 1)])


def size_bands(brand: Numbers) -> NDArray[np.int8]:
    """Head, middle or tail, (n,): the band of each row's brand; -1 for rows without a brand.

    Brands stand in falling order of their rows (equal ones by number), and each belongs to the third of the rows in
    which its first row falls.
    """
    counts = np.bincount(brand[brand >= 0])
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    bands = np.full(len(counts) + 1, NO_BAND, np.int8)  # the last: of rows without a brand
    bands[order] = np.minimum(3 * before // max(int(counts.sum()), 1), TAIL)
    return np.asarray(bands[brand])


def largest_brands(brand: Numbers) -> Numbers:
    """The ten brands with the most rows; none where there are no more than ten, since all answers would count."""
    counts = np.bincount(brand[brand >= 0])
    if (counts > 0).sum() <= LARGEST:
        return np.zeros(0, np.int64)
    return np.argsort(-counts, kind="stable")[:LARGEST].astype(np.int64)
