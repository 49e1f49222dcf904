"""What goes into the SKU database, and what it says of itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from recognition.types import Sku


@dataclass(frozen=True)
class ReferenceRecord:
    """One reference of a SKU, before its vector. `sku.id` is ignored: the database numbers SKUs itself.

    image: path as the catalogue gives it, or "" for a vector without a picture. content_hash: of the picture;
    "" takes the digest of the vector. SKU and content hash together identify a reference.
    """

    sku: Sku
    image: str = ""
    content_hash: str = ""


@dataclass(frozen=True)
class DatabaseInfo:
    """What a database holds. index: `exact`, `ivf-sq8` or `ivf-sq4`; indexed: rows that it covers, the rest is searched
    exactly.

    nprobe, recall, recall_at_10: cells visited per query, and recall@1 and @10 against exact search, as measured when
    the index was built (0 without an index). views: `apart` or `averaged`. calibrated: thresholds are present.
    generation: rises with every published index.
    """

    skus: int
    references: int
    encoder: str
    dim: int
    fingerprint: str
    index: str
    indexed: int
    nprobe: int
    recall: float
    recall_at_10: float
    views: str
    calibrated: bool
    generation: int
    format: int

    def as_dict(self) -> dict[str, str | int | float | bool]:
        """The fields by name, ready for JSON."""
        return asdict(self)
