"""Batches for contrastive training: each product once as in a catalogue, once as a camera sees it."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.skus.packshot import trim_border
from recognition.training.augment import Rgb, hand_view, reference_view, shelf_view
from recognition.training.crops import StoredCrop, decode_jpeg

CROPS, PACKS, PACKSHOTS = 44, 20, 4
PER_PHOTO = 4
"""Products drawn from one photo at a time: neighbours on a shelf are the hard negatives."""
IN_HAND = 0.3
TWIN_RATE = 0.4
TWIN_LIKENESS = 0.88
WHITE = 243


@dataclass(frozen=True, eq=False)
class Batch:
    """references, views: uint8 RGB (n, size, size, 3); crop: index of each row's crop, or -1 - index of its pack."""

    references: NDArray[np.uint8]
    views: NDArray[np.uint8]
    product: NDArray[np.int64]


class Batches:
    """Draws batch number `step`; the same step gives the same batch.

    families: pictures of packs on white, look-alikes together (one brand a family); packshots: single ones.
    likeness: unit vectors (crops, d) of the untrained network, which find other facings of a product in its photo.
    """

    def __init__(
        self,
        crops: Sequence[StoredCrop],
        families: Sequence[Sequence[Path]],
        packshots: Sequence[Path],
        likeness: NDArray[np.float32],
        seed: int,
    ) -> None:
        """Reads the pack pictures once; they stay as files in memory."""
        self._crops, self._seed = crops, seed
        self._packs = [path.read_bytes() for family in (*families, packshots) for path in family]
        sizes = np.cumsum([0, *map(len, families), len(packshots)])
        groups = [range(a, b) for a, b in pairwise(sizes.tolist())]
        self._families, self._packshots = groups[:-1], groups[-1]
        self._by_photo: dict[int, list[int]] = defaultdict(list)
        for row, crop in enumerate(crops):
            self._by_photo[crop.photo].append(row)
        self._twins = _twins(self._by_photo, likeness)

    def draw(self, step: int, size: int) -> Batch:
        """The batch of a step, pictures of `size` x `size`."""
        rng = random.Random(f"{self._seed}/{step}")
        crops = CROPS if self._families else CROPS + PACKS
        rows = [self._crop_pair(row, size, rng) for row in self._neighbours(crops, rng)]
        packs = [i for _ in range(3) for i in self._some_of_a_family(rng)] if self._families else []
        packs += rng.sample(self._packshots, min(PACKSHOTS, len(self._packshots)))
        rows += [self._pack_pair(pack, size, rng) for pack in dict.fromkeys(packs)]
        references, views, products = zip(*rows, strict=True)
        return Batch(np.stack(references), np.stack(views), np.array(products, np.int64))

    def _neighbours(self, count: int, rng: random.Random) -> list[int]:
        rows: list[int] = []
        while len(rows) < count:
            same = self._by_photo[self._crops[rng.randrange(len(self._crops))].photo]
            rows += rng.sample(same, min(PER_PHOTO, len(same)))
        return list(dict.fromkeys(rows))

    def _some_of_a_family(self, rng: random.Random) -> list[int]:
        family = self._families[rng.randrange(len(self._families))]
        return rng.sample(family, min(PACKS // 3 + 1, len(family)))

    def _crop_pair(self, row: int, size: int, rng: random.Random) -> tuple[Rgb, Rgb, int]:
        crop = other = self._crops[row]
        if row in self._twins and rng.random() < TWIN_RATE:
            other = self._crops[rng.choice(self._twins[row])]
        reference = reference_view(crop.image(), crop.box, size, rng)
        return reference, self._seen(other.image(), other.box, size, rng), row

    def _pack_pair(self, pack: int, size: int, rng: random.Random) -> tuple[Rgb, Rgb, int]:
        image = trim_border(decode_jpeg(self._packs[pack]))
        box = np.array([0, 0, image.shape[1], image.shape[0]], np.float32)
        on_shelf = _before(image, self._background(rng))
        return reference_view(image, box, size, rng), self._seen(on_shelf, box, size, rng), -1 - pack

    def _seen(self, image: Rgb, box: NDArray[np.float32], size: int, rng: random.Random) -> Rgb:
        if rng.random() < IN_HAND:
            return hand_view(image, box, self._background(rng), size, rng)
        return shelf_view(image, box, size, rng)

    def _background(self, rng: random.Random) -> Rgb:
        return self._crops[rng.randrange(len(self._crops))].image()


def _twins(by_photo: dict[int, list[int]], likeness: NDArray[np.float32]) -> dict[int, list[int]]:
    twins = {}
    for rows in by_photo.values():
        same = likeness[rows] @ likeness[rows].T > TWIN_LIKENESS
        np.fill_diagonal(same, False)
        twins.update({row: [rows[j] for j in np.flatnonzero(same[i])] for i, row in enumerate(rows) if same[i].any()})
    return twins


def _before(image: Rgb, background: Rgb) -> Rgb:
    """A pack on white before a background: the white that touches the border is replaced."""
    height, width = image.shape[:2]
    white = (image.min(axis=2) > WHITE).astype(np.uint8)
    padded = cv2.copyMakeBorder(white, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(padded, None, (0, 0), 2)
    outside = padded[1:-1, 1:-1] == 2
    return np.where(outside[..., None], cv2.resize(background, (width, height)), image)
