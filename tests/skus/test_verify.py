from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from recognition.errors import DatabaseDamagedError, DatabaseError
from recognition.skus.database import SkuDatabase
from recognition.skus.schema import connect_reader
from recognition.skus.tables import DIGESTED, FORMAT

KEPT = Path(__file__).parents[1] / "data" / f"sku-db-format-{FORMAT}"
FLIPS = 150


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(KEPT, tmp_path / "db")
    return tmp_path / "db"


def check(folder: Path) -> None:
    with SkuDatabase.open(folder) as database:
        database.verify()


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "catalog.sqlite")) as db, db:
        db.execute(statement)


@pytest.mark.parametrize(
    ("statement", "words", "way_out"),
    [
        ("UPDATE sku SET name = 'other' WHERE sku = 'C'", "SKU C", "skus build"),
        ("UPDATE sku SET width_mm = 62.5 WHERE sku = 'C'", "SKU C", "skus build"),
        ("UPDATE reference SET image = 'x.png' WHERE row = 2", "row 2, image x.png", "skus build"),
        ("UPDATE reference SET hash = 'x' WHERE row = 2", "row 2", "skus build"),
        ("UPDATE thumbnail SET picture = x'00'", "thumbnail of row 0", "restore"),
        ("UPDATE live SET calibration = 'other'", "live generation", "restore"),
        ("UPDATE live SET nprobe = 9", "live generation", "restore"),
        ("UPDATE block SET crc = crc + 1", "belong to", "restore"),
        ("DELETE FROM reference WHERE row = 2", "agree", "restore"),
        ("DELETE FROM dead", "agree", "restore"),
        ("UPDATE sku SET id = 99 WHERE sku = 'F'", "SKU that is gone", "restore"),
    ],
)
def test_what_does_not_agree_is_named_with_a_way_out(folder: Path, statement: str, words: str, way_out: str) -> None:
    check(folder)
    change(folder, statement)
    with pytest.raises(DatabaseDamagedError, match=words) as told:
        check(folder)
    assert way_out in told.value.hint


@pytest.mark.parametrize(("name", "way_out"), [("vectors-1.f16", "restore"), ("index-2.faiss", "skus compact")])
def test_a_missing_file_is_named_with_a_way_out(folder: Path, name: str, way_out: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DatabaseDamagedError, match=name) as told:
        check(folder)
    assert way_out in told.value.hint


def everything(folder: Path) -> list[list[object]]:
    """All that the catalogue says, and the vectors that count."""
    with closing(connect_reader(folder)) as db:
        tables = [db.execute(f"SELECT * FROM {table}").fetchall() for table in (*DIGESTED, "block", "dead")]
    return [*tables, [path.read_bytes() for path in sorted(folder.glob("*-*.f*"))]]


def test_a_flipped_bit_anywhere_is_found_or_changes_nothing(folder: Path) -> None:
    dice, before = random.Random(), everything(folder)
    found = 0
    for path in (folder / "vectors-1.f16", folder / "index-2.faiss", folder / "catalog.sqlite"):
        data = path.read_bytes()
        for _ in range(FLIPS // 3):
            place, bit = dice.randrange(len(data)), 1 << dice.randrange(8)
            path.write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
            try:
                check(folder)
                # SQLite's pages have free space, and counters of its own.
                assert everything(folder) == before, (path.name, place, bit)
            except DatabaseError:
                found += 1
        path.write_bytes(data)
    assert found > FLIPS // 2
    check(folder)
