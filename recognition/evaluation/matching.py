"""Measures one-shot matching: one reference per SKU, labelled pictures as queries, the path that users take."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recognition.embedding.encoder import Encoder
from recognition.evaluation.asking import Asked, Judge, Method, read_crop
from recognition.evaluation.labelled import LabelledCrop
from recognition.evaluation.statistics import Estimate, flattened, mean, mean_auroc, photo_weights
from recognition.evaluation.unknowns import Draws, OpenSetCurve, open_set_curve, stack_draws
from recognition.matching.calibration import Calibration
from recognition.matching.verify import Verifier
from recognition.skus.database import SkuDatabase
from recognition.skus.packshot import trim_border
from recognition.skus.records import ReferenceRecord
from recognition.skus.thumbnails import encode_thumbnail
from recognition.skus.writer import DatabaseWriter
from recognition.types import Sku
from recognition.upkeep import set_thresholds

FALSE_KNOWN = 0.02
"""As `skus build` allows by default."""
NOT_VERIFIED = Estimate(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class MatchingReport:
    """Figures of one method on one set. Every `Estimate` carries a 95 % bootstrap interval over photos.

    recall_at_1, _5, _10 and mean_average_precision: by score alone. verified_recall_at_1: with local features.
    auroc: of the log-odds by which the product calls something known, over 20 draws of half of the SKUs left out;
    score_auroc: of the best score alone. knowns_named, strangers_named: shares rightly and wrongly given a SKU in
    those draws, at the threshold of the catalogue's own calibration. What needs verification is NaN without it.
    ms: per query, score and search; verify_ms: what verification adds.
    """

    method: str
    encoder: str
    references: int
    queries: int
    recall_at_1: Estimate
    recall_at_5: Estimate
    recall_at_10: Estimate
    mean_average_precision: Estimate
    verified_recall_at_1: Estimate
    auroc: Estimate
    score_auroc: Estimate
    knowns_named: Estimate
    strangers_named: Estimate
    ms: float
    verify_ms: float

    def as_dict(self) -> dict[str, float | int | str | None]:
        """For JSON: an estimate becomes `name`, `name_low` and `name_high`; NaN becomes null."""
        return flattened(self)


@contextmanager
def embedding(kind: str, references: Sequence[LabelledCrop], encoder: Encoder, device: str) -> Iterator[Method]:
    """The product's own way: a calibrated database of the references, searched by cosine and verified.

    device: of verification, as in the settings.

    Raises:
        SourceError: a reference cannot be read. EncoderError: the model failed.
    """
    images = [trim_border(read_crop(reference)) for reference in references]
    records = [ReferenceRecord(Sku(-1, r.sku), str(r.path), f"reference {n}") for n, r in enumerate(references)]
    with tempfile.TemporaryDirectory() as folder:
        with DatabaseWriter(Path(folder), encoder.name, encoder.dim, encoder.fingerprint) as writer:
            writer.upsert_references(records, encoder.encode(images), [encode_thumbnail(image) for image in images])
        with SkuDatabase.open(Path(folder)) as database:
            vectors = database.vectors(database.live_rows())
            set_thresholds(database, encoder, device, FALSE_KNOWN)
            # Rows of a fresh database are the references, in order.
            calibration = Calibration.from_json(database.calibration or "")
            judge = Judge(calibration, Verifier(database.reference_image, device))
            yield Method(kind, encoder.name, lambda crops: encoder.encode(crops) @ vectors.T, judge)


def report_matching(asked: Asked) -> MatchingReport:
    """The figures of what was asked."""
    weights = photo_weights([str(query.path) for query in asked.queries])
    ranks, judge = asked.ranks, asked.method.judge
    draws = stack_draws(asked.draws, asked.out, ranks.own)
    verified, auroc, knowns_named, strangers_named = NOT_VERIFIED, NOT_VERIFIED, NOT_VERIFIED, NOT_VERIFIED
    if judge is not None:
        sure = draws.named >= judge.calibration.verified.accept
        verified = mean((ranks.own >= 0) & (asked.whole.best == ranks.own), weights)
        auroc = mean_auroc(draws.log_odds, draws.known, weights)
        knowns_named = mean(sure & draws.best_right, weights, draws.known)
        strangers_named = mean(sure, weights, ~draws.known)
    first, five, ten = (mean(ranks.rank < place, weights) for place in (1, 5, 10))
    return MatchingReport(
        asked.method.kind, asked.method.name, len(asked.references), len(asked.queries),
        first, five, ten, mean(ranks.precision, weights), verified, auroc,
        mean_auroc(draws.score, draws.known, weights), knowns_named, strangers_named, asked.ms, asked.verify_ms,
    )  # fmt: skip


def open_set_curves(asked: Asked) -> list[OpenSetCurve]:
    """The curve of the product's own score, where there is verification, and that of the best score alone."""
    draws: Draws = stack_draws(asked.draws, asked.out, asked.ranks.own)
    curves = [open_set_curve("best score alone", draws.score, draws.known, draws.first_right)]
    if asked.method.judge is not None:
        verified = open_set_curve("log-odds, verified", draws.named, draws.known, draws.best_right)
        curves.insert(0, verified)
    return curves
