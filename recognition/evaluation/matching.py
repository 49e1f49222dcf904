"""Measures one-shot matching: one reference per SKU, labelled pictures as queries, the path that users take."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.embedding.crops import cut_crops
from recognition.embedding.encoder import Encoder
from recognition.evaluation.datasets import LabelledCrop
from recognition.matching.calibrate import default_calibration
from recognition.matching.match import match
from recognition.settings import MatchSettings
from recognition.skus.database import SkuDatabase
from recognition.skus.packshot import trim_border
from recognition.skus.records import ReferenceRecord
from recognition.skus.thumbnails import encode_thumbnail
from recognition.skus.writer import DatabaseWriter
from recognition.sources.decode import read_image
from recognition.types import Image, Sku

RANKS = 5
BATCH = 64
DRAWS = 2000


@dataclass(frozen=True)
class MatchingReport:
    """Figures of one encoder on one set.

    recall_at_1, recall_at_5: by embedding alone. verified_recall_at_1: with local features. The interval is a 95 %
    bootstrap over photos (Efron 1979) of recall_at_1 and verified_recall_at_1. ms: per query, embedding and search;
    verify_ms: what verification adds.
    """

    encoder: str
    references: int
    queries: int
    recall_at_1: float
    recall_at_1_low: float
    recall_at_1_high: float
    recall_at_5: float
    verified_recall_at_1: float
    verified_low: float
    verified_high: float
    ms: float
    verify_ms: float

    def as_dict(self) -> dict[str, float | int | str]:
        """For JSON."""
        return asdict(self)


def read_crop(crop: LabelledCrop) -> Image:
    """The picture of a labelled crop, RGB uint8 (h, w, 3).

    Raises:
        SourceError: it cannot be read.
    """
    image = read_image(crop.path).image
    height, width = image.shape[:2]
    return cut_crops(image, np.array([crop.box or (0, 0, width, height)], np.float32))[0]


def report_matching(
    references: Sequence[LabelledCrop],
    queries: Sequence[LabelledCrop],
    encoder: Encoder,
    progress: Callable[[int, int], None],
) -> MatchingReport:
    """Builds a database of the references and asks it for every query, with and without verification.

    Thresholds play no part: only the order of the candidates is measured.
    """
    plain: list[list[str]] = []
    verified: list[list[str]] = []
    seconds = np.zeros(2)
    calibration = default_calibration(len(references))
    settings = MatchSettings(top_k=RANKS)
    with tempfile.TemporaryDirectory() as folder, _database(Path(folder), references, encoder) as database:
        names = {sku.id: sku.sku for sku in database.describe(range(1, 2 * len(references) + 2)).values()}
        for start in range(0, len(queries), BATCH):
            crops = [read_crop(query) for query in queries[start : start + BATCH]]
            begun = time.perf_counter()
            vectors = encoder.encode(crops)
            for answers, verify in ((plain, False), (verified, True)):
                picked = replace(settings, verify=verify)
                found = match(crops, vectors, database, picked, calibration, database.reference_image)
                answers += [[names.get(sku, "") for sku in row] for row in found.skus.tolist()]
                seconds[int(verify)] += time.perf_counter() - begun
                begun = time.perf_counter()
            progress(start + len(crops), len(queries))
    hits = np.array(
        [[q.sku == p[0], q.sku in p, q.sku == v[0]] for q, p, v in zip(queries, plain, verified, strict=True)]
    )
    low, high = _bootstrap(hits, [str(query.path) for query in queries])
    ms = 1000 * seconds / len(queries)
    return MatchingReport(
        encoder.name, len(references), len(queries),
        float(hits[:, 0].mean()), low[0], high[0], float(hits[:, 1].mean()),
        float(hits[:, 2].mean()), low[2], high[2], float(ms[0]), float(ms[1]),
    )  # fmt: skip


def _database(folder: Path, references: Sequence[LabelledCrop], encoder: Encoder) -> SkuDatabase:
    images = [trim_border(read_crop(reference)) for reference in references]
    records = [ReferenceRecord(Sku(-1, r.sku), str(r.path), f"reference {n}") for n, r in enumerate(references)]
    with DatabaseWriter(folder, encoder.name, encoder.dim, encoder.fingerprint) as writer:
        writer.upsert_references(records, encoder.encode(images), [encode_thumbnail(image) for image in images])
    return SkuDatabase.open(folder)


def _bootstrap(hits: NDArray[np.bool_], photos: Sequence[str]) -> tuple[list[float], list[float]]:
    """2.5 and 97.5 % quantiles of each column's mean, photos drawn with replacement."""
    _, photo = np.unique(photos, return_inverse=True)
    count = int(photo.max()) + 1
    sums = np.stack([np.bincount(photo, hits[:, c], count) for c in range(hits.shape[1])], axis=1)
    sizes = np.bincount(photo, minlength=count)
    drawn = np.random.default_rng(0).integers(0, count, (DRAWS, count))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)[:, None]
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return low.tolist(), high.tolist()
