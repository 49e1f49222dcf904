"""The database as files that others read: the catalogue as CSV or Parquet, the vectors as clip-retrieval has them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from recognition.errors import CatalogError
from recognition.skus.csv_text import guard
from recognition.skus.embeddings import TABLES, VECTORS
from recognition.skus.intake import HASH, KNOWN, SIZES
from recognition.skus.known import portions
from recognition.skus.listing import Listed, Listing
from recognition.skus.parquet import write_rows
from recognition.skus.probes import read_probes, save_probes
from recognition.skus.source import PARQUET_SUFFIXES
from recognition.telling import Progress

PART = 1_000_000
"""Rows of a part, as clip-retrieval writes them."""
_MAPPED = 8192
Row = tuple[str | float | None, ...]


def export_catalog(folder: Path, out: Path, progress: Progress | None = None) -> int:
    """Writes the catalogue, one row per reference, as Parquet or CSV by the suffix; the number of references.

    Columns as `read_source` reads them. The file appears when it is whole.

    Raises:
        CatalogError: the suffix is another, or the file cannot be written. DatabaseError: the database cannot be read.
    """
    if out.suffix.lower() not in (".csv", *PARQUET_SUFFIXES):
        raise CatalogError(f"{out}: neither .csv nor .parquet", "end the name so, or give a folder with --vectors")
    with Listing(folder) as listing:
        columns = (*KNOWN, *listing.attributes())
        rows = (_row(listed, columns) for listed in _told(listing, progress))
        part = out.with_name(f".{out.name}.part")
        try:
            if out.suffix.lower() == ".csv":
                _write_csv(part, columns, rows)
            else:
                write_rows(part, {name: name in SIZES for name in columns}, rows)
            part.replace(out)
        except OSError as error:
            raise CatalogError(f"{out}: {error.strerror or error}", "check the folder and its free space") from error
        finally:
            part.unlink(missing_ok=True)
        return len(listing)


def export_vectors(folder: Path, out: Path, progress: Progress | None = None) -> int:
    """Writes vectors float16, metadata and probes into a new folder, in parts of a million; the number of references.

    Rows without the dead ones; column `content_hash` says which picture a vector is of, so that what is imported again
    is known again.

    Raises:
        CatalogError: the folder holds parts already, or cannot be written. DatabaseError: the database cannot be read.
    """
    if (out / VECTORS).exists() or (out / TABLES).exists():
        raise CatalogError(f"{out}: it holds vectors already", "give another folder, or delete that one")
    with Listing(folder) as listing:
        columns = (*KNOWN, HASH, *listing.attributes())
        total, references = len(listing), _told(listing, progress)
        try:
            (out / VECTORS).mkdir(parents=True)
            (out / TABLES).mkdir()
            if len(probes := read_probes(folder, listing.live.fingerprint)[0]):
                save_probes(out, probes)
            for number in range(max(1, -(-total // PART))):
                _write_part(listing, out, number, columns, islice(references, PART))
        except OSError as error:
            raise CatalogError(f"{out}: {error.strerror or error}", "check the folder and its free space") from error
        return total


def _write_part(listing: Listing, out: Path, number: int, columns: Sequence[str], part: Iterator[Listed]) -> None:
    """The vectors are written as the table asks for its rows: neither is ever whole in memory."""
    shape = (min(PART, len(listing) - number * PART), listing.live.dim)
    vectors = out / VECTORS / f"{VECTORS}_{number}.npy"
    kinds = {name: name in SIZES for name in columns}
    table = out / TABLES / f"{TABLES}_{number}.parquet"
    if not shape[0]:  # nothing can be mapped from an empty file
        np.save(vectors, np.zeros(shape, np.float16))
        write_rows(table, kinds, ())
        return
    target = np.lib.format.open_memmap(vectors, "w+", np.float16, shape)

    def rows() -> Iterator[Row]:
        first = 0
        for some in portions(part, _MAPPED):
            target[first : first + len(some)] = listing.vectors[[listed.row for listed in some]]
            first += len(some)
            yield from (_row(listed, columns) for listed in some)

    write_rows(table, kinds, rows())
    target.flush()


def _told(listing: Listing, progress: Progress | None) -> Iterator[Listed]:
    total = len(listing)
    for done, listed in enumerate(listing.references(), 1):
        yield listed
        if progress is not None:
            progress(done, total)


def _row(listed: Listed, columns: Sequence[str]) -> Row:
    """The cells of a reference; an attribute that bears a known column's name cannot be there."""
    sku = listed.sku
    own = {"sku": sku.sku, "image": listed.image, HASH: listed.content_hash}
    return tuple(own[c] if c in own else getattr(sku, c) if c in KNOWN else sku.attributes.get(c, "") for c in columns)


def _write_csv(path: Path, columns: Sequence[str], rows: Iterator[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([guard(name) for name in columns])
        table.writerows([guard(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
