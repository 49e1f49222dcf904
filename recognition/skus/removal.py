"""`skus remove`: SKUs go with all their references."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from recognition.skus.known import Known
from recognition.skus.listing import Listing
from recognition.skus.names import living_skus
from recognition.skus.writer import DatabaseWriter


@dataclass(frozen=True)
class RemovalReport:
    """removed: number of SKUs that went. unknown: names that are no SKU or GTIN in the database, in order."""

    removed: int
    unknown: tuple[str, ...]


def remove_skus(folder: Path, names: Iterable[str], on_commit: Callable[[int], None] | None = None) -> RemovalReport:
    """Removes SKUs with all their references; a name that is no SKU is taken for a GTIN. Searches see it at once.

    on_commit: references left, called when the removal is durable.

    Raises:
        DatabaseError: there is no database, or another process is writing.
    """
    with Listing(folder) as listing:
        live = listing.live
    with DatabaseWriter(folder, live.encoder, live.dim, live.fingerprint) as writer, Known(folder) as known:
        texts, unknown = living_skus(known, names)
        if texts:
            writer.remove_skus(texts)
            if on_commit is not None:
                on_commit(writer.count())
    return RemovalReport(len(texts), tuple(unknown))
