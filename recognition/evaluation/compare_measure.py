"""Measures what encoders answered when all were asked the same. Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from recognition.evaluation.compare_report import ComparisonReport, EncoderReport, PairReport
from recognition.evaluation.embedding_map import silhouette
from recognition.evaluation.fairness import (
    HEAD,
    MIDDLE,
    TAIL,
    Fairness,
    Names,
    largest_brands,
    measure_fairness,
    size_bands,
)
from recognition.evaluation.gallery import Gallery, Shot
from recognition.evaluation.lineup import Contestant
from recognition.evaluation.ranking import SkuNumbers, by_sku
from recognition.evaluation.statistics import mean, photo_weights
from recognition.types import Failure, Neighbors

RANKS = 10
BATCH = 64
STORED_BYTES = 2
"""A number of a vector in the database: half precision."""
NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Contest:
    """What all encoders were asked. views: the views of references, view_rows (v,): the reference each shows.

    queries: labelled photos, or the views once more. merchant: the attribute that names one, "" for none.
    """

    gallery: Gallery
    view_rows: NDArray[np.int64]
    queries: Sequence[Shot]
    queries_are: str
    top: int
    merchant: str


@dataclass(frozen=True, eq=False)
class Entry:
    """One encoder's vectors (n, dim) of references, views and queries, and what it answers.

    nearest: the ten best SKUs of each query, by number. right: bool (q,), the first is the query's own.
    """

    contestant: Contestant
    references: NDArray[np.float32]
    views: NDArray[np.float32]
    nearest: Neighbors
    own: NDArray[np.int64]
    right: NDArray[np.bool_]


def answer(
    contest: Contest,
    contestant: Contestant,
    references: NDArray[np.float32],
    views: NDArray[np.float32],
    queries: NDArray[np.float32],
) -> Entry:
    """Searches every query exactly, among SKUs by their best reference."""
    skus = SkuNumbers.from_skus([shot.sku for shot in contest.gallery.shots])
    own = skus.numbers([query.sku for query in contest.queries])
    parts = [
        by_sku(queries[start : start + BATCH] @ references.T, skus).nearest(RANKS)
        for start in range(0, len(queries), BATCH)
    ]
    names = ("scores", "skus", "rows")
    nearest = Neighbors(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
    return Entry(contestant, references, views, nearest, own, nearest.skus[:, 0] == own)


class Referee:
    """What every encoder is measured by: bands of brands, weights of queries, groups of the catalogue."""

    def __init__(self, contest: Contest) -> None:
        self.contest = contest
        self.brand = Names.number(contest.gallery.texts("brand"))
        self.category = Names.number(contest.gallery.texts("category"))
        self.merchant = Names.number(contest.gallery.texts(contest.merchant) if contest.merchant else [])
        self.largest = largest_brands(self.brand.of)
        band = dict(zip([shot.sku for shot in contest.gallery.shots], size_bands(self.brand.of).tolist(), strict=True))
        self.band = np.array([band[query.sku] for query in contest.queries], np.int8)
        self.weights = photo_weights([query.group for query in contest.queries])

    def fairness(self, entry: Entry, among: NDArray[np.bool_] | None = None) -> Fairness | None:
        """Brand fairness, in the whole catalogue or in some of its rows."""
        rows, top = self.contest.view_rows, self.contest.top
        return measure_fairness(entry.views, rows, entry.references, self.brand.of, top, among)

    def encoder(self, entry: Entry) -> EncoderReport:
        """The figures of one encoder."""
        one, encoder = entry.contestant, entry.contestant.encoder
        first, five, ten = (
            mean((entry.nearest.skus[:, :k] == entry.own[:, None]).any(axis=1), self.weights) for k in (1, 5, 10)
        )
        head, middle, tail = (mean(entry.right, self.weights, self.band == band) for band in (HEAD, MIDDLE, TAIL))
        whole = self.fairness(entry)
        per_sku = len(entry.references) / len({sku.sku for sku in self.contest.gallery.facts})
        return EncoderReport(
            name=one.name, model=encoder.name, fingerprint=encoder.fingerprint, dim=encoder.dim,
            recall_at_1=first, recall_at_5=five, recall_at_10=ten,
            recall_at_1_head=head, recall_at_1_middle=middle, recall_at_1_tail=tail,
            wrong_to_largest=self._wrong_to_largest(entry), brand_fairness=whole.index if whole else NAN,
            silhouette=silhouette(entry.references, self.category.of),
            single_p50_ms=_quantile(one.alone_ms, 0.5), single_p95_ms=_quantile(one.alone_ms, 0.95),
            batch_p50_ms=_quantile(one.batch_ms, 0.5), batch_p95_ms=_quantile(one.batch_ms, 0.95),
            weights_mb=one.weights_bytes / 1e6, vector_bytes_per_sku=STORED_BYTES * encoder.dim * per_sku,
            by_category=self._by(entry, self.category), by_merchant=self._by(entry, self.merchant),
        )  # fmt: skip

    def pairs(self, entries: Sequence[Entry]) -> tuple[PairReport, ...]:
        """Every two encoders, in the order in which they were named."""
        return tuple(self._pair(first, second) for first, second in combinations(entries, 2))

    def _pair(self, first: Entry, second: Entry) -> PairReport:
        difference = second.right.astype(float) - first.right
        one, other = first.contestant, second.contestant
        # Batch by batch: the two were timed one right after the other.
        ratios = [b / a for a, b in zip(one.batch_ms, other.batch_ms, strict=True)]
        return PairReport(
            one.name, other.name,
            mean(difference, self.weights), mean(difference, self.weights, self.band == TAIL),
            int((difference > 0).sum()), int((difference < 0).sum()),
            float(np.median(ratios)), other.encoder.dim / one.encoder.dim,
        )  # fmt: skip

    def _wrong_to_largest(self, entry: Entry) -> float:
        """Share of the wrong first answers with a brand whose brand is one of the ten largest."""
        brands = self.brand.of[entry.nearest.rows[~entry.right, 0]]
        return _share(brands[brands >= 0], self.largest)

    def _by(self, entry: Entry, groups: Names) -> dict[str, Fairness]:
        found = {name: self.fairness(entry, groups.of == number) for number, name in enumerate(groups.names)}
        return {name: fairness for name, fairness in found.items() if fairness is not None}


def report_comparison(
    contest: Contest, entries: Sequence[Entry], failures: Sequence[Failure], notes: Sequence[str]
) -> ComparisonReport:
    """The report of encoders that were all asked the same."""
    referee = Referee(contest)
    gallery, brand = contest.gallery, referee.brand.of
    # The same for all encoders but for the index itself.
    whole = referee.fairness(entries[0])
    head, middle, tail = (int((referee.band == band).sum()) for band in (HEAD, MIDDLE, TAIL))
    return ComparisonReport(
        references=len(gallery.shots), skus=len({sku.sku for sku in gallery.facts}),
        brands=len(referee.brand.names), categories=len(referee.category.names),
        queries=len(contest.queries), queries_are=contest.queries_are,
        head_queries=head, middle_queries=middle, tail_queries=tail,
        largest_share=_share(brand[brand >= 0], referee.largest), fairness_top=contest.top,
        fairness_n=whole.n if whole else 0, fairness_random=whole.random if whole else NAN,
        batch=max(size for size, _ in entries[0].contestant.batches),
        encoders=tuple(referee.encoder(entry) for entry in entries), pairs=referee.pairs(entries),
        failures=tuple(failures), notes=(*notes, *_gaps(referee, whole)),
    )  # fmt: skip


def _gaps(referee: Referee, whole: Fairness | None) -> list[str]:
    """Why figures are missing."""
    brands, rows, top = len(referee.brand.names), int((referee.brand.of >= 0).sum()), referee.contest.top
    notes = []
    if not brands:
        notes.append("The catalogue has no brands: nothing is said of fairness, nor of head, middle and tail.")
    elif brands == 1:
        notes.append("The catalogue has one brand only: brand fairness says nothing.")
    elif whole is None:
        notes.append(
            f"The catalogue has {rows} references with a brand: too few for brand fairness among the best {top}."
        )
    if brands > 1 and not len(referee.largest):
        notes.append(f"The catalogue has {brands} brands: the share of wrong answers to the ten largest needs more.")
    if whole is not None and rows < len(referee.brand.of):
        missing = len(referee.brand.of) - rows
        notes.append(f"{missing} references have no brand: brand fairness passes over them.")
    return notes


def _share(brands: NDArray[np.int64], largest: NDArray[np.int64]) -> float:
    """Of the brands, those that are among the largest."""
    return float(np.isin(brands, largest).mean()) if len(brands) and len(largest) else NAN


def _quantile(ms: Sequence[float], level: float) -> float:
    return float(np.quantile(ms, level)) if ms else NAN
