"""A tiny database of each format version is kept in tests/data: each can be used, or is refused with a way out."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from recognition.errors import DatabaseDamagedError, DatabaseVersionError
from recognition.skus.compact import compact
from recognition.skus.database import SkuDatabase
from recognition.skus.listing import Listing
from recognition.skus.tables import FORMAT, READABLE, row_digest
from recognition.skus.writer import DatabaseWriter

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def kept(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    shutil.copytree(DATA / f"sku-db-format-{request.param}", tmp_path / "db")
    return tmp_path / "db"


def columns(folder: Path) -> dict[str, list[tuple[str, str]]]:
    with closing(sqlite3.connect(folder / "catalog.sqlite")) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: sorted((c[1], c[2]) for c in db.execute(f"PRAGMA table_info({name})")) for name in tables}


def test_every_format_has_its_database() -> None:
    assert sorted(path.name for path in DATA.glob("sku-db-format-*")) == [
        f"sku-db-format-{number}" for number in range(1, FORMAT + 1)
    ]


@pytest.mark.parametrize("kept", range(1, FORMAT + 1), indirect=True)
def test_a_writer_brings_every_format_up_to_date(kept: Path, tmp_path: Path) -> None:
    DatabaseWriter(kept, "tiny", 12, "f" * 32).close()
    with SkuDatabase.open(kept) as database, Listing(kept) as listing:
        database.verify()
        found = database.search(np.eye(12, dtype=np.float32)[:7], 1)
        known = database.describe(found.skus[:, 0].tolist())
        assert [known[sku].sku for sku in found.skus[:, 0].tolist()][::2] == ["A", "C", "E", "A"]
        assert database.info().format == FORMAT and database.info().views == "apart"
        assert database.info().index == "ivf-sq8" and database.calibration == '{"threshold": 0.5}'
        assert [(one.sku.sku, one.image, one.content_hash) for one in listing.references()] == [
            *((sku, f"{sku}.png", f"hash{sku}") for sku in "ACDEF"), ("A", "A2.png", "hashA2"),
        ]  # fmt: skip
        first = next(iter(listing.references())).sku
        assert (first.name, first.width_mm, first.attributes) == ("Name A é", 62, {"colour": "red"})
        image = database.reference_image(0)
        assert image is not None and image.shape == (8, 8, 3)
    DatabaseWriter(tmp_path / "new", "tiny", 12, "f" * 32).close()
    assert columns(kept) == columns(tmp_path / "new")


@pytest.mark.parametrize("kept", [1], indirect=True)
def test_a_reader_of_an_old_format_is_told_how_to_bring_it_up_to_date(kept: Path) -> None:
    before = (kept / "catalog.sqlite").read_bytes()
    with pytest.raises(DatabaseVersionError, match=r"format 1, .+ skus compact --db"):
        SkuDatabase.open(kept)
    assert (kept / "catalog.sqlite").read_bytes() == before
    report = compact(kept, rewrite=True)
    assert (report.references, report.dropped, report.indexed) == (6, 1, 0)
    with SkuDatabase.open(kept) as database:
        database.verify()


@pytest.mark.parametrize("kept", [FORMAT], indirect=True)
def test_a_format_of_the_future_is_refused(kept: Path) -> None:
    with closing(sqlite3.connect(kept / "catalog.sqlite")) as db:
        db.execute(f"PRAGMA user_version = {FORMAT + 1}")
    for use in (SkuDatabase.open, compact):
        with pytest.raises(DatabaseVersionError, match="update the program"):
            use(kept)


@pytest.mark.parametrize("kept", [1], indirect=True)
def test_an_upgrade_that_fails_leaves_the_old_format(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> int:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr("recognition.skus.tables.row_digest", fails)
        with pytest.raises(DatabaseDamagedError):
            DatabaseWriter(kept, "tiny", 12, "f" * 32)
    with pytest.raises(DatabaseVersionError, match="format 1"):
        SkuDatabase.open(kept)
    DatabaseWriter(kept, "tiny", 12, "f" * 32).close()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((), (), True),
        ((62,), (62.0,), True),
        (("a", "b"), ("ab", ""), False),
        ((None,), ("",), False),
        ((b"x",), (b"y",), False),
        ((b"x", 1), (b"x", 2), False),
        (("é",), ("e",), False),
    ],
)
def test_row_digest(one: tuple[str, ...], other: tuple[str, ...], same: bool) -> None:
    assert (row_digest(*one) == row_digest(*other)) == same


@pytest.mark.parametrize("number", range(READABLE, FORMAT + 1))
def test_a_reader_says_which_format_it_reads(tmp_path: Path, number: int) -> None:
    shutil.copytree(DATA / f"sku-db-format-{number}", tmp_path / "db")
    with SkuDatabase.open(tmp_path / "db") as database:
        assert database.info().format == number
