"""What a comparison of encoders says: figures of each encoder, and of each pair on the same queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recognition.evaluation.fairness import Fairness
from recognition.evaluation.statistics import Estimate, flattened
from recognition.types import Failure


@dataclass(frozen=True)
class EncoderReport:
    """Figures of one encoder; docs/evaluation.md defines each. NaN where the data do not say."""

    name: str
    model: str
    fingerprint: str
    dim: int
    recall_at_1: Estimate
    recall_at_5: Estimate
    recall_at_10: Estimate
    recall_at_1_head: Estimate
    recall_at_1_middle: Estimate
    recall_at_1_tail: Estimate
    wrong_to_largest: float
    brand_fairness: float
    silhouette: float
    single_p50_ms: float
    single_p95_ms: float
    batch_p50_ms: float
    batch_p95_ms: float
    weights_mb: float
    vector_bytes_per_sku: float
    by_category: Mapping[str, Fairness]
    by_merchant: Mapping[str, Fairness]


@dataclass(frozen=True)
class PairReport:
    """The second encoder held against the first, on the same queries; differences are second less first."""

    first: str
    second: str
    recall_at_1_difference: Estimate
    tail_difference: Estimate
    gained: int
    lost: int
    time_ratio: float
    vector_ratio: float


@dataclass(frozen=True)
class ComparisonReport:
    """All of it. Everything but `encoders`, `pairs` and `failures` is the same for every encoder."""

    references: int
    skus: int
    brands: int
    categories: int
    queries: int
    queries_are: str
    head_queries: int
    middle_queries: int
    tail_queries: int
    largest_share: float
    fairness_top: int
    fairness_n: int
    fairness_random: float
    batch: int
    encoders: tuple[EncoderReport, ...]
    pairs: tuple[PairReport, ...]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: an estimate becomes `name`, `name_low` and `name_high`; NaN becomes null."""
        nested = {
            "encoders": [_encoder_dict(encoder) for encoder in self.encoders],
            "pairs": [flattened(pair) for pair in self.pairs],
            "failures": [flattened(failure) for failure in self.failures],
            "notes": list(self.notes),
        }
        return flattened(self) | nested


def _encoder_dict(report: EncoderReport) -> dict[str, Any]:
    groups = {"by_category": report.by_category, "by_merchant": report.by_merchant}
    nested = {name: {group: flattened(found) for group, found in by.items()} for name, by in groups.items()}
    return flattened(report) | nested
