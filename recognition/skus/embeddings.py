"""Ready vectors: parts of npy with a Parquet table beside each, as clip-retrieval (rom1504) writes them.

    FOLDER/img_emb/img_emb_0.npy          float16 or float32 (n, dim), norm 1
    FOLDER/metadata/metadata_0.parquet    n rows, in the same order

Parts are numbered; 0, 00 and 000 are the same number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.errors import CatalogError
from recognition.skus.catalog import check_columns
from recognition.skus.intake import HASH, KNOWN, known_column, take_all
from recognition.skus.parquet import column_names, read_rows, row_count
from recognition.skus.staging import Catalog

VECTORS, TABLES = "img_emb", "metadata"
PICTURE_COLUMN = "image_path"
"""What clip-retrieval calls the path of a picture."""
_LAYOUT = "it wants img_emb/img_emb_0.npy with metadata/metadata_0.parquet beside it, and further parts alike"
_COLUMN_HINT = "say which column holds the SKU: recognize.py skus import FOLDER --column sku=NAME"


def holds_vectors(folder: Path) -> bool:
    """Whether the folder looks like one of ready vectors."""
    return (folder / VECTORS).is_dir()


class Parts:
    """The vectors of a folder, mapped; rows count from 1 over all parts."""

    def __init__(self, folder: Path) -> None:
        """Opens every part.

        Raises:
            CatalogError: there is none, one lacks its table, or they do not agree.
        """
        self._files = _numbered(folder / VECTORS, "npy")
        tables = _numbered(folder / TABLES, "parquet")
        if not self._files or self._files.keys() != tables.keys():
            raise CatalogError(f"{folder}: its vectors and tables are not the same parts", _LAYOUT)
        self.tables = [tables[number] for number in sorted(tables)]
        self._parts = [(self._files[number], _mapped(self._files[number])) for number in sorted(tables)]
        for (path, part), table in zip(self._parts, self.tables, strict=True):
            if (rows := row_count(table)) != len(part):
                raise CatalogError(f"{path}: {len(part)} vectors, but {rows} rows in {table}", "export both again")
        dims = {part.shape[1]: path for path, part in self._parts}
        if len(dims) > 1:
            raise CatalogError(f"{folder}: its parts have {' and '.join(map(str, dims))} numbers a vector", _LAYOUT)
        (self.dim,) = dims
        self._ends = np.cumsum([len(part) for _, part in self._parts])

    def take(self, lines: Sequence[int]) -> NDArray[np.float32]:
        """The vectors float32 (n, dim) of some rows, by their number from 1.

        Raises:
            CatalogError: one has not norm 1.
        """
        places = np.array(lines, np.int64) - 1
        out = np.empty((len(places), self.dim), np.float32)
        of = np.searchsorted(self._ends, places, side="right")
        for number in np.unique(of).tolist():
            path, part = self._parts[number]
            mine = np.flatnonzero(of == number)
            rows = places[mine] - (self._ends[number] - len(part))
            out[mine] = part[rows]
            wrong = ~(np.abs(np.einsum("nd,nd->n", out[mine], out[mine]) - 1) < 0.01)
            if wrong.any():
                error = f"{path}: vector {rows[wrong.argmax()]} (from 0) has not norm 1"
                raise CatalogError(error, "divide each by its norm; were they made by this kind of encoder?")
        return out


def read_embeddings(folder: Path, columns: Mapping[str, str] | None = None) -> Catalog:
    """Reads ready vectors; `line` counts rows from 1 over all parts. columns: our name to the table's, above defaults.

    Raises:
        CatalogError: parts are missing, broken or do not agree, or there is no column of SKUs.
    """
    parts = Parts(folder)
    return take_all(Catalog(folder, "row", parts), folder, enumerate(_rows(parts.tables, columns or {}), 1))


def _rows(tables: Sequence[Path], columns: Mapping[str, str]) -> Iterator[dict[str, str]]:
    for table in tables:
        yield from read_rows(table, _mapping(table, columns))


def _mapping(table: Path, columns: Mapping[str, str]) -> dict[str, str]:
    """Our column names to the table's."""
    names = column_names(table)
    missing = [source for source in columns.values() if source not in names]
    if missing:
        raise CatalogError(f"{table}: no column {missing[0]} (columns: {', '.join(names)})", "see --column")
    given = {**{known_column(name): name for name in names if name not in columns.values()}, **columns}
    if "image" not in given and PICTURE_COLUMN in given:
        given["image"] = given.pop(PICTURE_COLUMN)
    check_columns(table, list(given), ("sku",), _COLUMN_HINT)
    return given


def check_mapping(columns: Mapping[str, str]) -> None:
    """Refuses a mapping to a column that is none of ours.

    Raises:
        CatalogError: that is the case.
    """
    unknown = [name for name in columns if name not in (*KNOWN, HASH)]
    if unknown:
        raise CatalogError(f"--column {unknown[0]}: no such column", f"ours are {', '.join(KNOWN)}")


def _numbered(folder: Path, suffix: str) -> dict[int, Path]:
    pattern = re.compile(rf"{folder.name}_(\d+)\.{suffix}")
    found = ((pattern.fullmatch(path.name), path) for path in folder.glob(f"*.{suffix}"))
    return {int(match[1]): path for match, path in found if match}


def _mapped(path: Path) -> NDArray[np.floating]:
    try:
        vectors: NDArray[np.floating] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CatalogError(f"{path}: not an npy file that can be read: {error}", _LAYOUT) from error
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        wanted = f"{path}: wanted float vectors (n, dim), got {vectors.dtype} of shape {vectors.shape}"
        raise CatalogError(wanted, _LAYOUT)
    return vectors
