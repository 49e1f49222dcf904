"""What the user knows of the photos: store, planogram and time, from a CSV file (`--meta photos.csv`)."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from recognition.errors import UsageError


@dataclass(frozen=True)
class PhotoMeta:
    """One row of the file. source: path or file name of a photo. captured_at: ISO 8601 with offset, or ""."""

    source: str
    store_id: str = ""
    planogram_id: str = ""
    captured_at: str = ""


def read_meta(path: str | Path) -> dict[str, PhotoMeta]:
    """Rows of a CSV file by their `source`; UTF-8 with or without BOM, separated by `,` or `;`.

    Columns: `source`, and any of `store_id`, `planogram_id`, `captured_at`; others are ignored. A `'` that
    guards a value against being run as a formula is removed.

    Raises:
        UsageError: the file cannot be read, lacks a column, or a row is wrong; the message names file and line.
    """
    reader = csv.reader(io.StringIO(text := _text(path), newline=""), delimiter=_delimiter(text), strict=True)
    rows: dict[str, PhotoMeta] = {}
    try:
        columns = _columns(path, next(reader, []))
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            row = _row(f"{path}, line {reader.line_num}", columns, cells)
            if row.source in rows:
                raise UsageError(f"{path}, line {reader.line_num}: {row.source} stands here twice", "keep one row")
            rows[row.source] = row
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: {error}", "check the quotes of this line") from error
    return rows


def match_meta(meta: Mapping[str, PhotoMeta], sources: Iterable[str]) -> dict[str, PhotoMeta]:
    """The row of each source that has one: by path as found, else by file name where that is unique on both sides."""
    wanted = list(sources)
    by_path = {Path(row.source): row for row in meta.values()}
    by_name = {Path(row.source).name: row for row in meta.values()}
    named = Counter(Path(source).name for source in wanted)
    listed = Counter(Path(source).name for source in meta)
    matched: dict[str, PhotoMeta] = {}
    for source in wanted:
        name = Path(source).name
        unique = by_name.get(name) if named[name] == listed[name] == 1 else None
        if row := by_path.get(Path(source), unique):
            matched[source] = row
    return matched


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})", "check the path") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}, line {line}: not UTF-8", "save the file as CSV UTF-8") from error


def _delimiter(text: str) -> str:
    header = text.split("\n", 1)[0]
    return ";" if header.count(";") > header.count(",") else ","


def _columns(path: str | Path, header: list[str]) -> list[str]:
    columns = [name.strip().lower() for name in header]
    known = Counter(name for name in columns if name in PhotoMeta.__dataclass_fields__)
    if known["source"] != 1 or len(known) < 2 or max(known.values()) > 1:
        wanted = "source, and store_id, planogram_id or captured_at, each once"
        raise UsageError(f"{path}, line 1: columns are {', '.join(columns) or 'missing'}", f"wanted {wanted}")
    return columns


def _row(place: str, columns: list[str], cells: list[str]) -> PhotoMeta:
    if len(cells) != len(columns):
        raise UsageError(f"{place}: {len(cells)} cells, the header has {len(columns)}", "quote cells that hold commas")
    values = dict(zip(columns, map(_unguarded, cells), strict=True))
    if not values["source"]:
        raise UsageError(f"{place}: no source", "name the photo")
    return PhotoMeta(
        values["source"],
        values.get("store_id", ""),
        values.get("planogram_id", ""),
        _moment(place, values.get("captured_at", "")),
    )


def _unguarded(cell: str) -> str:
    value = cell[1:] if cell[:1] == "'" and cell[1:2] in tuple("=+-@\t\r") else cell
    return value.strip(" ")


def _moment(place: str, value: str) -> str:
    if not value:
        return ""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise UsageError(f"{place}: captured_at {value} is no time", "write 2026-05-31T08:30:00+02:00") from error
    if moment.tzinfo is None:
        raise UsageError(f"{place}: captured_at {value} has no offset", "write 2026-05-31T08:30:00+02:00")
    return moment.isoformat()
