from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recognition.errors import (
    DatabaseDamagedError,
    DatabaseError,
    DatabaseMissingError,
    DatabaseVersionError,
    EncoderMismatchError,
)
from recognition.skus.database import SkuDatabase
from recognition.skus.index import SkuIndex
from recognition.skus.records import ReferenceRecord
from recognition.skus.thumbnails import encode_thumbnail
from recognition.skus.writer import DatabaseWriter
from recognition.types import Sku

Writer = Callable[..., DatabaseWriter]
Records = Callable[..., list[ReferenceRecord]]
Unit = Callable[..., np.ndarray]


@pytest.fixture
def folder(tmp_path: Path, open_writer: Writer, records: Records, unit: Unit) -> Path:
    """Four SKUs, one reference each; A is red."""
    with open_writer() as writer:
        made = records("A", "B", "C", "D", brand="Acme", gtin="04006381333931")
        made[0] = replace(made[0], sku=replace(made[0].sku, attributes={"colour": "red"}))
        writer.upsert_references(
            made, unit(4), [encode_thumbnail(np.full((30, 20, 3), 90, np.uint8)), None, None, None]
        )
    return tmp_path / "db"


def names(database: SkuDatabase, skus: np.ndarray) -> list[str]:
    known = database.describe(skus.tolist())
    return [known[sku].sku if sku >= 0 else "-" for sku in skus.tolist()]


def test_an_empty_database_finds_nothing(tmp_path: Path, open_writer: Writer, unit: Unit) -> None:
    open_writer().close()
    with SkuDatabase.open(tmp_path / "db") as database:
        found = database.search(unit(2), 3)
        assert (found.skus == -1).all() and (found.rows == -1).all() and np.isneginf(found.scores).all()
        assert (database.count(), database.info().skus, len(database.live_rows())) == (0, 0, 0)
        assert database.search(unit(1), 3, {"brand": ["Acme"]}).skus.tolist() == [[-1, -1, -1]]
        database.verify()


def test_no_queries_get_no_answers(folder: Path, unit: Unit) -> None:
    with SkuDatabase.open(folder) as database:
        assert database.search(unit(0), 3).scores.shape == (0, 3)


def test_a_missing_or_never_finished_database_names_the_command(tmp_path: Path) -> None:
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(DatabaseMissingError, match=r"skus build"):
            SkuDatabase.open(folder)
        (tmp_path / "catalog.sqlite").touch()


def test_search_describe_and_info(folder: Path, unit: Unit) -> None:
    with SkuDatabase.open(folder) as database:
        index: SkuIndex = database
        found = index.search(unit(4), 2)
        assert names(database, found.skus[:, 0]) == ["A", "B", "C", "D"]
        assert np.allclose(found.scores[:, 0], 1, atol=1e-3) and (found.scores <= 1).all()
        assert np.allclose(database.vectors(found.rows[:, 0]), unit(4), atol=1e-3)
        assert database.reference_skus(found.rows[:, 1]).tolist() == found.skus[:, 1].tolist()
        sku = database.describe([int(found.skus[0, 0]), 999])[int(found.skus[0, 0])]
        assert (sku.brand, sku.gtin, sku.attributes) == ("Acme", "04006381333931", {"colour": "red"})
        info = database.info().as_dict()
        assert (info["skus"], info["references"], info["encoder"], info["dim"]) == (4, 4, "tiny", 12)
        assert (info["index"], info["calibrated"]) == ("exact", False)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, "ABCD"),
        ({"brand": ["Acme", "Other"]}, "ABCD"),
        ({"sku": ["B", "D"]}, "BD"),
        ({"gtin": ["4006381333931"]}, "ABCD"),
        ({"colour": ["red"]}, "A"),
        ({"sku": ["B"], "colour": ["red"]}, ""),
        ({"no such field": ["x"]}, ""),
        ({"brand": []}, ""),
    ],
)
def test_filters(folder: Path, unit: Unit, where: dict[str, list[str]], expected: str) -> None:
    with SkuDatabase.open(folder) as database:
        found = database.search(unit(1), 4, where)
        assert sorted(names(database, found.skus[0])) == sorted(expected.ljust(4, "-"))


def test_queries_of_another_size_are_refused(folder: Path, unit: Unit) -> None:
    with SkuDatabase.open(folder) as database, pytest.raises(DatabaseError, match=r"\(n, 12\)"):
        database.search(unit(1, dim=5), 1)


def test_thumbnails(folder: Path) -> None:
    with SkuDatabase.open(folder) as database:
        image = database.reference_image(0)
        assert image is not None and image.shape == (30, 20, 3)
        assert database.reference_image(0) is image
        assert database.reference_image(1) is None


def test_calibration_is_kept(folder: Path) -> None:
    with SkuDatabase.open(folder) as database, SkuDatabase.open(folder) as other:
        assert database.calibration is None
        database.set_calibration('{"threshold": 0.5}')
        assert database.calibration == '{"threshold": 0.5}' and database.info().calibrated
        assert other.calibration is None
        assert other.refresh() and not other.refresh()
        assert other.calibration == '{"threshold": 0.5}'


def test_upsert_and_remove_by_id(folder: Path, unit: Unit) -> None:
    with SkuDatabase.open(folder) as database:
        ids = database.reference_skus(np.arange(4))
        database.upsert(ids[[0, 0, 1]], unit(3, seed=5))
        assert (database.count(), database.info().skus) == (5, 4)
        assert database.search(unit(3, seed=5), 1).skus[:, 0].tolist() == ids[[0, 0, 1]].tolist()
        database.remove(np.array([ids[0], 999]))
        assert (database.count(), database.info().skus) == (3, 3)
        assert database.describe([int(ids[0])])[int(ids[0])].sku == "A", "what was found before can still be named"
        with pytest.raises(DatabaseError, match="999"):
            database.upsert(np.array([999]), unit(1))


def test_another_encoder_is_refused(folder: Path, open_writer: Writer) -> None:
    with SkuDatabase.open(folder) as database:
        database.check_encoder("f" * 32, "tiny")
        with pytest.raises(EncoderMismatchError, match="other"):
            database.check_encoder("0" * 32, "other")
    with pytest.raises(EncoderMismatchError):
        open_writer(fingerprint="0" * 32)
    open_writer().close()


def sql(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / "catalog.sqlite") as db:
        db.execute(statement)
    db.close()


@pytest.mark.parametrize("statement", ["PRAGMA user_version = 99", "PRAGMA application_id = 1"])
def test_a_format_from_elsewhere_is_refused(folder: Path, open_writer: Writer, statement: str) -> None:
    sql(folder, statement)
    with pytest.raises(DatabaseVersionError):
        SkuDatabase.open(folder)
    with pytest.raises(DatabaseVersionError):
        open_writer()


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_damage_is_found_and_named(folder: Path, unit: Unit) -> None:
    with SkuDatabase.open(folder) as database:
        database.verify()
        flip(folder / "vectors-1.f16", 30)
        with pytest.raises(DatabaseDamagedError, match=r"vectors-1\.f16"):
            database.verify()
        flip(folder / "vectors-1.f16", 30)
        database.verify()
        sql(folder, "DELETE FROM reference WHERE row = 2")
        with pytest.raises(DatabaseDamagedError, match="agree"):
            database.verify()


def test_a_shortened_or_missing_vector_file_is_noticed_at_once(
    folder: Path, open_writer: Writer, records: Records, unit: Unit
) -> None:
    vectors = folder / "vectors-1.f16"
    for harm in (lambda: os.truncate(vectors, 40), vectors.unlink):
        harm()
        with pytest.raises(DatabaseDamagedError, match=r"vectors-1\.f16") as told:
            SkuDatabase.open(folder)
        assert told.value.hint
        with open_writer() as writer, pytest.raises(DatabaseDamagedError):
            writer.upsert_references(records("E"), unit(1))


def test_a_catalogue_that_is_no_sqlite_file_is_damaged(folder: Path) -> None:
    (folder / "catalog.sqlite").write_bytes(b"no database at all" * 300)
    with pytest.raises(DatabaseDamagedError):
        SkuDatabase.open(folder)


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_that_cannot_be_written_is_read_without_a_trace(
    folder: Path, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = listing(folder)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with SkuDatabase.open(folder) as database:
        assert database.search(unit(4), 1).rows[:, 0].tolist() == [0, 1, 2, 3]
        assert not database.refresh()
        assert listing(folder) == before


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 KiB of its own."""
    place = tmp_path / "tmpfs"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting is not possible here")
    yield place
    # Lazily: readers that the test still refers to have mapped files.
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_read_only_mount(tmpfs: Path, folder: Path, unit: Unit) -> None:
    shutil.copytree(folder, tmpfs / "db")
    subprocess.run(["mount", "-o", "remount,ro", tmpfs], check=True)
    with SkuDatabase.open(tmpfs / "db") as database:
        assert database.search(unit(4), 1).rows[:, 0].tolist() == [0, 1, 2, 3]
        with pytest.raises(DatabaseError, match=r"db"):
            database.set_calibration("x")


@pytest.mark.parametrize("with_shm", [True, False])
def test_a_read_only_copy_of_a_killed_writer(
    tmpfs: Path, tmp_path: Path, open_writer: Writer, records: Records, unit: Unit, with_shm: bool
) -> None:
    with open_writer() as writer:
        writer.upsert_references(records("A"), unit(1))
        shutil.copytree(tmp_path / "db", tmpfs / "db")
    assert (tmpfs / "db" / "catalog.sqlite-wal").stat().st_size
    if not with_shm:
        (tmpfs / "db" / "catalog.sqlite-shm").unlink()
    subprocess.run(["mount", "-o", "remount,ro", tmpfs], check=True)
    if with_shm:
        with SkuDatabase.open(tmpfs / "db") as database:
            assert database.count() == 1
    else:
        with pytest.raises(DatabaseError, match=r"-wal.+skus compact"):
            SkuDatabase.open(tmpfs / "db")


def test_a_full_disk_leaves_the_old_state(tmpfs: Path, records: Records, unit: Unit) -> None:
    with DatabaseWriter(tmpfs / "db", "tiny", 12, "f") as writer:
        writer.upsert_references(records("A"), unit(1))
        with pytest.raises(DatabaseError, match="space"):
            writer.upsert_references(records(*(f"S{n}" for n in range(30_000))), unit(30_000))
        writer.upsert_references(records("B"), unit(2)[1:])
    with SkuDatabase.open(tmpfs / "db") as database:
        assert names(database, database.search(unit(2), 1).skus[:, 0]) == ["A", "B"]
        database.verify()


def test_two_readers_go_on_while_a_writer_changes(
    folder: Path, open_writer: Writer, records: Records, unit: Unit
) -> None:
    with SkuDatabase.open(folder) as one, SkuDatabase.open(folder) as two, open_writer() as writer:
        writer.remove_skus(["A"])
        writer.upsert_references(records("E"), unit(1, seed=9))
        assert names(one, one.search(unit(1), 1).skus[0]) == ["A"], "a reader stays with its commit"
        assert two.refresh()
        assert names(two, two.search(unit(1), 1).skus[0]) != ["A"]
        assert names(two, two.search(unit(1, seed=9), 1).skus[0]) == ["E"]
        one.refresh()
        assert np.array_equal(one.search(unit(3), 4).skus, two.search(unit(3), 4).skus)


def test_a_sku_that_comes_back_keeps_its_id(folder: Path, open_writer: Writer, unit: Unit) -> None:
    with SkuDatabase.open(folder) as database, open_writer() as writer:
        before = {sku.sku: sku.id for sku in database.describe(range(10)).values()}
        writer.remove_skus(["A"])
        writer.upsert_references([ReferenceRecord(Sku(-1, "A"))], unit(1, seed=3))
        database.refresh()
        assert int(database.search(unit(1, seed=3), 1).skus[0, 0]) == before["A"]
