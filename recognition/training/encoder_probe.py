"""Held-out recall: can an encoder match products that it never saw in training?"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition.embedding.encoder import Encoder
from recognition.training.augment import Rgb
from recognition.training.contrast import SAME_PHOTO
from recognition.training.crops import StoredCrop
from recognition.training.material import Product
from recognition.training.views import two_pictures, two_views

VIEWS = 2


@dataclass(frozen=True, eq=False)
class Probe:
    """references: one picture a product; queries: unseen views; owner: int64 (queries,), the product of each.

    All pictures are RGB uint8 of any size.
    """

    references: tuple[Rgb, ...]
    queries: tuple[Rgb, ...]
    owner: NDArray[np.int64]

    def recall(self, encoder: Encoder) -> float:
        """The share of queries whose own reference is the nearest of all: recall@1, 0 to 1."""
        scores = encoder.encode(self.queries) @ encoder.encode(self.references).T
        return float((scores.argmax(axis=1) == self.owner).mean())


def make_probe(products: Sequence[Product], backgrounds: Sequence[StoredCrop], size: int, seed: int) -> Probe:
    """Two views of each held-out product: of another photo of it where there is one, else of its reference.

    size: side of the input, pixels. backgrounds: what views of packs in the hand stand before.
    """
    references, queries = [], []
    for number, product in enumerate(products):
        rng = random.Random(f"probe/{seed}/{number}")
        references.append(product.first.tight())
        for _ in range(VIEWS):
            _, other = two_pictures(product, rng)
            queries.append(two_views(product.first, other, rng.choice(backgrounds), size, rng)[1])
    return Probe(tuple(references), tuple(queries), np.repeat(np.arange(len(products)), VIEWS))


def distinct(products: Sequence[Product], likeness: NDArray[np.float32]) -> list[Product]:
    """Products less those that may be further facings of an earlier one in the same photo.

    likeness: unit vectors (products, d) of the encoder before training.
    """
    kept: list[int] = []
    for row, product in enumerate(products):
        rivals = [i for i in kept if products[i].group == product.group and not product.named]
        if not rivals or float((likeness[rivals] @ likeness[row]).max()) <= SAME_PHOTO:
            kept.append(row)
    return [products[row] for row in kept]
