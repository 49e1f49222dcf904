"""Sets the thresholds of a database by searching views of its own references.

Each view is searched as it is (a known product), and with its own SKU and near-duplicates left out (a stranger). The
views are easier than photos, so what is accepted is set by the strangers alone; the known views only say which
findings tell the two kinds apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from recognition.embedding.encoder import Encoder
from recognition.matching.calibration import (
    EVIDENCE,
    Calibration,
    default_calibration,
    plain_features,
    verified_features,
)
from recognition.matching.fit import fit_model, threshold
from recognition.matching.match import CANDIDATES
from recognition.matching.verify import Verifier
from recognition.matching.views import shelf_view
from recognition.skus.index import SkuIndex
from recognition.types import NO_SKU, Image, Neighbors

__all__ = [
    "Calibration", "Reference", "Views", "calibrate", "choose_rows", "default_calibration",
    "draw_views", "needs_recalibration",
]  # fmt: skip

SAMPLE = 1000
LEAST_SKUS = 6
WANTED_VIEWS = 400
MOST_VIEWS_EACH = 12
SAME_PACK = 0.97
"""Cosine of two references from which they are one pack to any encoder."""
TWIN_QUANTILE = 0.2
"""A reference no farther from another than this part of the other's own views is its twin, and left out with it: what
a catalogue lacks is mostly other makers' goods, and thresholds that shut out every flavour it may lack shut out the
flavours it has. Relative to the views, since the level of cosines depends on the encoder."""
TWINS = 10
SEARCHED = 64
"""Neighbours of a view that are looked at: enough for some to stay when its maker's are left out."""
GROWTH = 1.5
CHUNK = 64

Search = Callable[[NDArray[np.float32], int], Neighbors]
Brands = Callable[[Iterable[int]], Mapping[int, str]]
"""SKU ids to their brands; a SKU without a brand is "" or missing."""
_Item = TypeVar("_Item")


@dataclass(frozen=True, eq=False)
class Reference:
    """One reference of the catalogue: its SKU's id, and its picture, RGB uint8 (h, w, 3)."""

    sku: int
    image: Image


@dataclass(frozen=True, eq=False)
class Views:
    """References and views of them, embedded: they set thresholds, and what keeps a runtime's answers equal is seen on
    them.

    skus: int64 (r,), vectors: float32 (r, d), of the references. of: int64 (n,), the reference of each view, those of
    one together. crops: RGB uint8 (h, w, 3), n of them, crop_vectors: float32 (n, d), of the views.
    """

    skus: NDArray[np.int64]
    vectors: NDArray[np.float32]
    of: NDArray[np.int64]
    crops: list[Image]
    crop_vectors: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Trial:
    """Views of references and what a search finds for each, with the own SKU left in (known) or out (strangers)."""

    own: NDArray[np.int64]
    known: Neighbors
    strangers: Neighbors
    crops: Sequence[Image]


def choose_rows(rows: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    """At most 1,000 of the rows, drawn by seed, rising: the references to calibrate with."""
    drawn = np.random.default_rng(seed).permutation(rows)[:SAMPLE]
    return np.sort(drawn)


def draw_views(encoder: Encoder, references: Iterable[Reference], seed: int = 0) -> Views:
    """Views of at most 1,000 references, several each where there are few, fixed by seed.

    Raises:
        EncoderError: the model failed.
    """
    sample = list(islice(references, SAMPLE))
    each = min(MOST_VIEWS_EACH, max(1, -(-WANTED_VIEWS // max(len(sample), 1))))
    of = np.repeat(np.arange(len(sample)), each)
    crops = [shelf_view(sample[int(i)].image, seed * len(of) + v) for v, i in enumerate(of)]
    vectors, crop_vectors = (
        np.concatenate([np.zeros((0, encoder.dim), np.float32), *map(encoder.encode, _chunks(images))])
        for images in ([reference.image for reference in sample], crops)
    )
    return Views(np.array([r.sku for r in sample], np.int64), vectors, of, crops, crop_vectors)


def needs_recalibration(calibration: Calibration, references: int) -> bool:
    """True when the catalogue has grown by half since, as the best stranger's score rises with it; or when evidence is
    weighed in another way now."""
    return calibration.evidence != EVIDENCE or references >= GROWTH * max(calibration.references, 1)


def calibrate(
    index: SkuIndex, views: Views, verifier: Verifier, brands: Brands, false_known: float = 0.02
) -> Calibration:
    """Thresholds at which at most `false_known` of left-out products are given a SKU.

    A product is left out together with its brand, since what a catalogue lacks is mostly other makers' goods; the
    figure therefore does not cover a missing variant of a brand that is stocked.

    views: of a random sample of the references (see `choose_rows`). Fewer than 6 different packs say nothing of
    strangers: the defaults are returned. Most of its time goes into verifying each view twice.

    Raises:
        DatabaseError: the index cannot be searched.
    """
    trial = _search(index.search, views, brands)
    if trial is None:
        return default_calibration(index.count(), false_known)
    plain, left_out = fit_model(
        plain_features(trial.known), trial.known.skus >= 0, _column_of(trial.own, trial.known),
        plain_features(trial.strangers), trial.strangers.skus >= 0,
    )  # fmt: skip
    budget = false_known * len(trial.own)
    defaults = default_calibration(index.count(), false_known)
    calibration = replace(
        defaults,
        plain=replace(plain, accept=threshold(left_out.named(), budget)),
        views=len(trial.own),
    )
    return _with_verification(calibration, trial, verifier, budget)


def _with_verification(calibration: Calibration, trial: _Trial, verifier: Verifier, budget: float) -> Calibration:
    """Adds the model for verified products."""
    known, strangers = trial.known, trial.strangers
    seen = verifier.verify(trial.crops, known.rows)
    missed = verifier.verify(trial.crops, strangers.rows)
    rows = seen.verified & missed.verified
    if rows.sum() < LEAST_SKUS:
        return calibration
    model, left_out = fit_model(
        verified_features(known, seen)[rows], known.skus[rows] >= 0, _column_of(trial.own, known)[rows],
        verified_features(strangers, missed)[rows], strangers.skus[rows] >= 0,
    )  # fmt: skip
    accept = threshold(left_out.named(missed.small[rows]), budget * rows.mean())
    return replace(calibration, verified=replace(model, accept=accept))


def _search(search: Search, views: Views, brands: Brands) -> _Trial | None:
    """The views, searched; None when there are too few packs to speak of strangers."""
    if not len(views.skus):
        return None
    own, of = views.skus, views.of
    near, found = search(views.vectors, 1 + TWINS), search(views.crop_vectors, SEARCHED)
    column = _column_of(own[of], found)
    if not (column >= 0).any():
        return None
    level = np.quantile(np.take_along_axis(found.scores, column[:, None], axis=1)[column >= 0], TWIN_QUANTILE)
    twins = np.where(near.scores >= min(float(level), SAME_PACK), near.skus, NO_SKU)
    out = np.column_stack([own[of], twins[of]])
    strangers = _without(_without(found, out), _same_brand(own[of], found.skus, brands))
    kept = np.asarray((strangers.skus >= 0).any(axis=1))
    if len(np.unique(strangers.skus[kept, 0])) < 2 or len(np.unique(own[of][kept])) < LEAST_SKUS:
        return None
    own, known = own[of][kept], _take(found, kept)
    if not (_column_of(own, known) >= 0).any():
        return None
    return _Trial(own, known, _take(strangers, kept), [views.crops[i] for i in np.flatnonzero(kept)])


def _same_brand(own: NDArray[np.int64], skus: NDArray[np.int64], brands: Brands) -> NDArray[np.int64]:
    """The SKUs of each row that are of its own product's brand, -1 elsewhere, int64 as `skus`."""
    known = brands(int(sku) for sku in np.unique([*own, *skus.ravel()]) if sku >= 0)
    numbers = {brand: number for number, brand in enumerate(dict.fromkeys(known.values())) if brand}
    brand_of = np.vectorize(lambda sku: numbers.get(known.get(int(sku), ""), -1), otypes=[np.int64])
    mine = brand_of(own)[:, None]
    return np.where((mine >= 0) & (brand_of(skus) == mine), skus, NO_SKU)


def _without(neighbors: Neighbors, skus: NDArray[np.int64]) -> Neighbors:
    """The neighbours less the given SKUs of each row, the rest moved up."""
    gone = (neighbors.skus[:, :, None] == skus[:, None, :]).any(axis=2) | (neighbors.skus < 0)
    order = np.argsort(gone, axis=1, kind="stable")
    return Neighbors(
        np.take_along_axis(np.where(gone, np.float32(-np.inf), neighbors.scores), order, axis=1),
        np.take_along_axis(np.where(gone, NO_SKU, neighbors.skus), order, axis=1),
        np.take_along_axis(np.where(gone, NO_SKU, neighbors.rows), order, axis=1),
    )


def _take(neighbors: Neighbors, rows: NDArray[np.bool_]) -> Neighbors:
    columns = slice(CANDIDATES)
    return Neighbors(neighbors.scores[rows, columns], neighbors.skus[rows, columns], neighbors.rows[rows, columns])


def _column_of(own: NDArray[np.int64], neighbors: Neighbors) -> NDArray[np.int64]:
    hits = neighbors.skus == own[:, None]
    return np.where(hits.any(axis=1), hits.argmax(axis=1), -1)


def _chunks(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
