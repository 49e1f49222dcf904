"""From the path that a user gives to a catalogue: CSV, Parquet, a folder named by SKU, or ready vectors."""

from __future__ import annotations

from pathlib import Path

from recognition.skus.catalog import read_catalog
from recognition.skus.folders import read_folder
from recognition.skus.staging import Catalog

PARQUET_SUFFIXES = (".parquet", ".pq")


def read_source(path: Path, images: Path | None = None) -> Catalog:
    """Reads what the path turns out to be; a file that is no Parquet table is taken for a CSV.

    images: folder that the paths in a CSV or Parquet table start from; default: the file's folder.

    Raises:
        CatalogError: it cannot be read, or holds nothing of the kind.
    """
    # Only now: a CSV needs no polars.
    if path.is_dir():
        from recognition.skus.embeddings import holds_vectors, read_embeddings

        return read_embeddings(path) if holds_vectors(path) else read_folder(path)
    if path.suffix.lower() in PARQUET_SUFFIXES:
        from recognition.skus.parquet import read_parquet

        return read_parquet(path, images)
    return read_catalog(path, images)
