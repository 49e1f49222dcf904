"""`skus audit`: what in the catalogue will cost recognition, found before the shop does.

twins            two SKUs that the encoder cannot tell apart
shared picture   one picture under several SKUs
gtin             a GTIN that is wrong, stands under several SKUs, or is restricted to one shop
picture          a reference that cannot be read, is too small, nearly of one colour, or blurred
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, groupby
from operator import itemgetter
from pathlib import Path

import numpy as np

from recognition.errors import SourceError
from recognition.skus.database import SkuDatabase
from recognition.skus.gtin import suspicion
from recognition.skus.intake import find_image
from recognition.skus.known import portions
from recognition.skus.listing import Listed, Listing
from recognition.skus.pictures import load_packshot
from recognition.skus.thumbnails import decode_thumbnail
from recognition.sources.advice import photo_advice
from recognition.telling import Progress
from recognition.types import NO_SKU, Image

LEAST_SIDE = 64
"""Pixels of the shorter side of a trimmed packshot; the encoder is given less than it sees on a shelf below that."""
LEAST_CONTRAST = 6.0
"""Standard deviation of the grey levels: a picture below shows one colour and little else."""
BATCH = 512


@dataclass(frozen=True)
class Finding:
    """One thing found. kind: see above. sku, other: SKU texts, other "" where there is none. image: as the catalogue
    gives it. cosine: of twins, else NaN. detail: what is wrong, in words."""

    kind: str
    sku: str
    other: str
    image: str
    cosine: float
    detail: str


def audit(folder: Path, cosine: float, images: Path | None, progress: Progress | None = None) -> Iterator[Finding]:
    """Everything found, kind by kind.

    cosine: two references this near are twins. images: folder that image paths start from; without it thumbnails are
    looked at, where there are any. progress: references done, of all of them.

    Raises:
        DatabaseError: the database cannot be read.
    """
    with Listing(folder) as listing:
        yield from _gtins(listing)
        yield from _shared(listing)
        yield from _pictures(listing, images)
        shared = _shared_pairs(listing)
    with SkuDatabase.open(folder) as database:
        yield from _twins(database, cosine, shared, progress)


def _gtins(listing: Listing) -> Iterator[Finding]:
    for gtin, group in groupby(listing.gtins(), itemgetter(0)):
        skus = [sku for _, sku in group]
        if reason := suspicion(gtin):
            yield from (Finding("gtin", sku, "", "", np.nan, f"{gtin}: {reason}") for sku in skus)
        for other in skus[1:]:
            yield Finding("gtin", skus[0], other, "", np.nan, f"{gtin}: the same GTIN under both")


def _shared(listing: Listing) -> Iterator[Finding]:
    for _, group in groupby(listing.shared_pictures(), itemgetter(0)):
        skus = [sku for _, sku in group]
        for other in skus[1:]:
            yield Finding("shared picture", skus[0], other, "", np.nan, "the same picture under both")


def _shared_pairs(listing: Listing) -> set[frozenset[str]]:
    """Pairs of SKUs that share a picture: that they look alike is no news."""
    groups = groupby(listing.shared_pictures(), itemgetter(0))
    return {frozenset(pair) for _, group in groups for pair in combinations([sku for _, sku in group], 2)}


def _pictures(listing: Listing, images: Path | None) -> Iterator[Finding]:
    for listed in listing.references():
        try:
            image = _image(listing, listed, images)
            reason = "" if image is None else picture_fault(image)
        except SourceError as error:
            reason = error.message
        if reason:
            yield Finding("picture", listed.sku.sku, "", listed.image, np.nan, reason)


def _image(listing: Listing, listed: Listed, images: Path | None) -> Image | None:
    """The packshot, RGB uint8 (h, w, 3), or None when there is nothing to look at."""
    if images is not None and listed.image:
        return load_packshot(Path(find_image(str(images), listed.image)))
    data = listing.thumbnail(listed.row)
    return None if data is None else decode_thumbnail(data)


def picture_fault(image: Image) -> str:
    """Why an RGB uint8 (h, w, 3) packshot is a poor reference, or ""."""
    if min(image.shape[:2]) < LEAST_SIDE:
        return f"too small: {image.shape[1]} x {image.shape[0]} pixels"
    if float(image.mean(axis=2).std()) < LEAST_CONTRAST:
        return "nearly of one colour"
    return "blurred" if "blurred" in photo_advice(np.ascontiguousarray(image[:, :, ::-1])) else ""


def _twins(
    database: SkuDatabase, cosine: float, but: set[frozenset[str]], progress: Progress | None
) -> Iterator[Finding]:
    """Each pair once, with its largest cosine; of each reference the nearest other SKU is looked at."""
    rows = database.live_rows()
    best: dict[tuple[int, int], float] = {}
    done = 0
    for part in portions(rows.tolist(), BATCH):
        own = database.reference_skus(np.array(part, np.int64))
        found = database.search(database.vectors(np.array(part, np.int64)), 2)
        others = np.where(found.skus == own[:, None], -np.inf, found.scores)
        column = others.argmax(axis=1)
        scores, skus = others[np.arange(len(own)), column], found.skus[np.arange(len(own)), column]
        for a, b, score in zip(own.tolist(), skus.tolist(), scores.tolist(), strict=True):
            if b != NO_SKU and score >= cosine:
                pair = (min(a, b), max(a, b))
                best[pair] = max(score, best.get(pair, -1.0))
        done += len(part)
        if progress is not None:
            progress(done, len(rows))
    for pairs in portions(sorted(best, key=lambda pair: -best[pair])):
        texts = {number: sku.sku for number, sku in database.describe({n for pair in pairs for n in pair}).items()}
        for a, b in pairs:
            if frozenset((texts[a], texts[b])) not in but:
                yield Finding("twins", texts[a], texts[b], "", best[a, b], "the encoder cannot tell them apart")
