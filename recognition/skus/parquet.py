"""Parquet tables, read and written in parts; the one user of polars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import polars
from polars.exceptions import PolarsError
from polars.io.plugins import register_io_source

from recognition.errors import CatalogError
from recognition.skus.catalog import check_columns
from recognition.skus.intake import REQUIRED, known_column, take_all
from recognition.skus.staging import Catalog

PART_ROWS = 20_000
NUMBERS = ("sku", "gtin")
"""Columns of digits, which tables like to keep as numbers."""
_HINT = "columns sku and image are required; others are optional"


def read_parquet(path: Path, images: Path | None) -> Catalog:
    """Reads a catalogue in Parquet; columns and image paths as in a catalogue CSV, `line` counts rows from 1.

    Raises:
        CatalogError: the file is no Parquet table, or lacks a required column.
    """
    names = [known_column(name) for name in column_names(path)]
    check_columns(path, names, REQUIRED, _HINT)
    rows = read_rows(path, dict(zip(names, column_names(path), strict=True)))
    return take_all(Catalog(path, "row"), images if images is not None else path.parent, enumerate(rows, 1))


def column_names(path: Path) -> list[str]:
    """The columns that hold one value a row; lists, structures and bytes are left out.

    Raises:
        CatalogError: the file is no Parquet table.
    """
    return [name for name, kind in _schema(path).items() if not kind.is_nested() and kind != polars.Binary]


def row_count(path: Path) -> int:
    """Number of rows."""
    with _Reporting(path):
        return int(polars.scan_parquet(path, glob=False).select(polars.len()).collect().item())


def read_rows(path: Path, columns: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Each row as text, our name of a column to its cell. columns: our name to the file's."""
    kinds = _schema(path)
    wanted = [_text(source, kinds[source], ours).alias(ours) for ours, source in columns.items()]
    with _Reporting(path):
        scan = polars.scan_parquet(path, glob=False).select(wanted)
        for part in scan.collect_batches(chunk_size=PART_ROWS, maintain_order=True):
            yield from part.iter_rows(named=True)


def write_rows(path: Path, columns: Mapping[str, bool], rows: Iterable[Sequence[object]]) -> None:
    """Writes a table in parts. columns: name to whether it holds numbers (float64), else text.

    Raises:
        OSError: the disk is full. CatalogError: it cannot be written for another reason.
    """
    schema = {name: polars.Float64() if number else polars.String() for name, number in columns.items()}

    def parts(*_: object) -> Iterator[polars.DataFrame]:
        part: list[Sequence[object]] = []
        for row in rows:
            part.append(row)
            if len(part) == PART_ROWS:
                yield polars.DataFrame(part, schema, orient="row")
                part = []
        yield polars.DataFrame(part, schema, orient="row")

    with _Reporting(path):
        register_io_source(parts, schema=schema).sink_parquet(path, row_group_size=PART_ROWS * 5)


def _text(name: str, kind: polars.DataType, ours: str) -> polars.Expr:
    """The column as trimmed text, "" where there is no value."""
    column = polars.col(name)
    if ours in NUMBERS and kind.is_float():  # a column of integers with gaps becomes float in pandas
        column = column.cast(polars.Int64, strict=False)
    text = column.cast(polars.String).str.strip_chars()
    if ours == "gtin" and kind.is_numeric():  # a number has lost its leading zeros
        text = text.str.zfill(14)
    return text.fill_null("")


def _schema(path: Path) -> dict[str, polars.DataType]:
    with _Reporting(path):
        return dict(polars.scan_parquet(path, glob=False).collect_schema())


class _Reporting:
    """Translates what polars raises."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Raises CatalogError in place of polars' errors."""
        if isinstance(error, FileNotFoundError):
            raise CatalogError(f"{self._path}: no such file", "give the path of a Parquet file") from error
        if isinstance(error, PolarsError):
            reason = str(error).splitlines()[0]
            raise CatalogError(f"{self._path}: not a Parquet file that can be read: {reason}", _HINT) from error
