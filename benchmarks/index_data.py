"""What benchmarks/index.py is measured on: unit vectors in families of look-alikes, the same at every run.

2,000 super-clusters hold 50,000 families of 64 vectors at 3.2 million; fewer rows have as many fewer of both. A
family's centre has cosine 0.7 to its super-cluster's, a variant 0.92 to its family's, a query 0.86 to the row it is a
view of. Rows are drawn block by block, so that any number of them needs little memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recognition.skus.records import ReferenceRecord
from recognition.types import Sku

BLOCK_ROWS = 20_000
FAMILY, FAMILIES = 64, 25
NEAR_SUPER, NEAR_FAMILY, NEAR_SOURCE = 0.7, 0.92, 0.86
FILTERS = {"1 %": ("brand", 100), "0.1 %": ("category", 1000)}
"""Share that one value of a field lets through, the field, and how many values it has."""

Vectors = NDArray[np.float32]


def family_centres(rows: int, dim: int) -> Vectors:
    """Centres of the families that `rows` rows belong to, float32 (families, dim)."""
    rng = np.random.default_rng(0)
    families = -(-rows // FAMILY)
    supers = _unit(rng.standard_normal((-(-families // FAMILIES), dim), np.float32))
    return near(supers[np.arange(families) % len(supers)], NEAR_SUPER, rng)


def blocks(rows: int, dim: int, first: int = 0) -> Iterator[tuple[int, Vectors]]:
    """Rows from `first` on, `rows` of them, in blocks of at most BLOCK_ROWS: (number of its first row, vectors)."""
    centres = family_centres(first + rows, dim)
    for start in range(first, first + rows, BLOCK_ROWS):
        numbers = np.arange(start, min(start + BLOCK_ROWS, first + rows))
        yield start, near(centres[numbers % len(centres)], NEAR_FAMILY, np.random.default_rng([1, start]))


def queries_of(sources: Vectors, seed: int = 2) -> Vectors:
    """A view of each source (n, dim)."""
    return near(sources, NEAR_SOURCE, np.random.default_rng([2, seed]))


def record_of(number: int) -> ReferenceRecord:
    """A synthetic SKU with one reference; brand and category are spread over the families."""
    fields = {field: f"{field}{value_of(number, values)}" for field, values in FILTERS.values()}
    return ReferenceRecord(Sku(-1, f"S{number}", **fields), "", f"{number:x}")


def value_of(number: int | NDArray[np.int64], values: int) -> int | NDArray[np.int64]:
    """Which of so many values a row has in a field, from 0: a hash of its number."""
    return number * 2_654_435_761 % 2**32 * values // 2**32


def near(centres: Vectors, cosine: float, rng: np.random.Generator) -> Vectors:
    """A unit vector at that cosine to each centre (n, dim), in a random direction."""
    noise = rng.standard_normal(centres.shape, np.float32)
    noise -= np.einsum("nd,nd->n", noise, centres)[:, None] * centres
    return _unit(cosine * centres + np.float32(np.sqrt(1 - cosine**2)) * _unit(noise))


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
