"""Batches for metric learning: each product once as in a catalogue, once as a camera sees it."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.embedding.preprocess import PreprocessSpec, to_batch
from recognition.training.augment import Rgb, hand_view, reference_view, shelf_view
from recognition.training.crops import StoredCrop
from recognition.training.material import Product, Source

IN_HAND = 0.3
REAL_VIEW_RATE = 0.7
"""How often the view of a product with photos begins with one of them, and not with its reference."""
PARTNER_RATE = 0.5
"""How often a facing is paired with a confirmed other facing of its product, where there is one."""
WHITE = 243


@dataclass(frozen=True, eq=False)
class Batch:
    """references, views: uint8 RGB (n, h, w, 3); row i of both shows product number rows[i], int64 (n,)."""

    references: NDArray[np.uint8]
    views: NDArray[np.uint8]
    rows: NDArray[np.int64]


class Batches:
    """Draws batch number `step`; the same step gives the same batch, in any order and from any thread.

    partners: other facings of the same product, by the number of a product (see `encoder_pairs`); products are numbered
    through all sources.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        partners: Mapping[int, Sequence[int]],
        size: int,
        spec: PreprocessSpec,
        seed: int,
    ) -> None:
        """size: pairs in a batch, divided among the sources; spec: how pictures are fitted into the input."""
        self._spec, self._seed = spec, seed
        self._products = [product for source in sources for product in source.products]
        shares = np.array([source.share for source in sources], float)
        self._counts = np.maximum(1, np.round(size * shares / shares.sum())).astype(int).tolist()
        self._pools = []
        first = 0
        for source in sources:
            self._pools.append(_Pool(source, first))
            first += len(source.products)
        self._partners = partners

    def draw(self, step: int) -> Batch:
        """The batch of a step; each product stands in it once."""
        rng = random.Random(f"{self._seed}/{step}")
        rows = [row for pool, n in zip(self._pools, self._counts, strict=True) for row in pool.draw(n, rng)]
        pairs = [self._pair(row, rng) for row in rows]
        references, views = ([pair[side] for pair in pairs] for side in (0, 1))
        return Batch(to_batch(references, self._spec), to_batch(views, self._spec), np.array(rows, np.int64))

    def _pair(self, row: int, rng: random.Random) -> tuple[Rgb, Rgb]:
        reference, other = two_pictures(self._products[row], rng)
        if row in self._partners and rng.random() < PARTNER_RATE:
            other = self._products[rng.choice(self._partners[row])].first
        background = self._products[rng.randrange(len(self._products))].first
        return two_views(reference, other, background, self._spec.size[0], rng)


def two_pictures(product: Product, rng: random.Random) -> tuple[StoredCrop, StoredCrop]:
    """A picture that serves as reference, and one that a camera's view is made of: a photo if there is one."""
    reference = rng.choice(product.clean or product.seen)
    real = [crop for crop in product.seen if crop is not reference]
    return reference, rng.choice(real) if real and rng.random() < REAL_VIEW_RATE else reference


def two_views(
    reference: StoredCrop, other: StoredCrop, background: StoredCrop, size: int, rng: random.Random
) -> tuple[Rgb, Rgb]:
    """A product as in a catalogue, and as a camera sees it: two RGB pictures of any size.

    background: shows behind packs on white and behind packs in the hand; size: of the latter's pictures, pixels.
    """
    clean = reference_view(reference.image(), reference.box, rng)
    behind, image = background.image(), other.image()
    if not other.box[:2].any() and (other.box[2:] == image.shape[1::-1]).all():  # nothing but the product
        image = _before(image, behind)
    if rng.random() < IN_HAND:
        return clean, hand_view(image, other.box, behind, size, rng)
    return clean, shelf_view(image, other.box, rng)


def _before(image: Rgb, background: Rgb) -> Rgb:
    """A pack on white before a background: the white that touches the border is replaced."""
    height, width = image.shape[:2]
    white = (image.min(axis=2) > WHITE).astype(np.uint8)
    padded = cv2.copyMakeBorder(white, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(padded, None, (0, 0), 2)
    outside = padded[1:-1, 1:-1] == 2
    return np.where(outside[..., None], cv2.resize(background, (width, height)), image)


class _Pool:
    """The products of a source by group. Products of one group, which are the hard negatives, are drawn together."""

    def __init__(self, source: Source, first: int) -> None:
        self._at_once = source.at_once
        groups: dict[str, list[int]] = defaultdict(list)
        for row, product in enumerate(source.products, first):
            groups[product.group].append(row)
        self._group = [groups[product.group] for product in source.products]

    def draw(self, count: int, rng: random.Random) -> list[int]:
        """At most `count` products, each once; a group comes up as often as its size asks for."""
        rows: dict[int, None] = {}
        for _ in range(count):
            group = self._group[rng.randrange(len(self._group))]
            rows.update(dict.fromkeys(rng.sample(group, min(self._at_once, len(group)))))
            if len(rows) >= count:
                break
        return list(rows)[:count]
