"""The third seam: anything that finds the nearest SKUs of a vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recognition.types import Neighbors

Where = Mapping[str, Sequence[str]]
"""A filter: field (`sku`, `gtin`, `brand`, `category`, or an attribute) to the values allowed; fields are ANDed."""


class SkuIndex(Protocol):
    """Searches references and keeps them. SKU ids are stable; rows are the index's own and may change."""

    def search(self, queries: NDArray[np.float32], k: int, where: Where | None = None) -> Neighbors:
        """The k nearest distinct SKUs of each query (n, dim), best reference of each, best first.

        Raises:
            DatabaseError: the queries have another dim, or the stored data cannot be read.
        """
        ...

    def upsert(self, skus: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Sets the references of SKUs: `vectors[i]` (dim,), norm 1, belongs to `skus[i]`; their former ones go."""
        ...

    def remove(self, skus: NDArray[np.int64]) -> None:
        """Removes SKUs and all their references; unknown ids are ignored."""
        ...

    def count(self) -> int:
        """Number of live references."""
        ...
