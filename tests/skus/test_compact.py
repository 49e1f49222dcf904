from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

from recognition.errors import DatabaseDamagedError, DatabaseError, DatabaseLockedError, DatabaseMissingError
from recognition.skus import compact as compact_module
from recognition.skus import index_choice
from recognition.skus.compact import CompactReport, compact
from recognition.skus.database import SkuDatabase
from recognition.skus.records import ReferenceRecord
from recognition.skus.thumbnails import encode_thumbnail
from recognition.skus.writer import DatabaseWriter

Writer = Callable[..., DatabaseWriter]
Records = Callable[..., list[ReferenceRecord]]
Unit = Callable[..., np.ndarray]
COUNT = 300


@pytest.fixture
def folder(tmp_path: Path, open_writer: Writer, records: Records, unit: Unit, monkeypatch: pytest.MonkeyPatch) -> Path:
    """300 SKUs with a thumbnail each: 200 in the index, 100 in the tail; 80 of the first and 20 of the last removed."""
    monkeypatch.setattr(index_choice, "EXACT_BELOW", 100)
    monkeypatch.setattr(index_choice, "cells_for", lambda rows: 4)
    monkeypatch.setattr(compact_module, "PART_ROWS", 64)
    made, vectors = records(*(f"S{n}" for n in range(COUNT))), unit(COUNT)
    pictures = [encode_thumbnail(np.full((8, 8, 3), n % 256, np.uint8)) for n in range(COUNT)]
    with open_writer() as writer:
        writer.upsert_references(made[:200], vectors[:200], pictures[:200])
        writer.build_index()
        writer.upsert_references(made[200:], vectors[200:], pictures[200:])
        writer.remove_skus(f"S{n}" for n in (*range(80), *range(280, 300)))
    return tmp_path / "db"


def check(database: SkuDatabase, unit: Unit) -> None:
    """S80 to S279 are found, each with its own picture; nothing else is there."""
    database.verify()
    found = database.search(unit(COUNT), 1)
    known = {number: sku.sku for number, sku in database.describe(found.skus[:, 0].tolist()).items()}
    assert [known[number] for number in found.skus[80:280, 0].tolist()] == [f"S{n}" for n in range(80, 280)]
    assert (found.scores[:80] < 0.999).all() and database.count() == 200
    for n in range(80, 280, 37):
        image = database.reference_image(int(found.rows[n, 0]))
        assert image is not None and abs(int(image[0, 0, 0]) - n % 256) < 4


@pytest.mark.parametrize("rewrite", [False, True])
def test_an_empty_database(tmp_path: Path, open_writer: Writer, rewrite: bool) -> None:
    with pytest.raises(DatabaseMissingError):
        compact(tmp_path / "db", rewrite)
    open_writer().close()
    assert compact(tmp_path / "db", rewrite) == CompactReport(0, 0, 0, 2)


def test_the_tail_and_removed_rows_go_into_a_new_index(folder: Path, unit: Unit) -> None:
    assert compact(folder) == CompactReport(references=200, dropped=0, indexed=300, generation=3)
    assert sorted(path.name for path in folder.glob("*-*.f*")) == ["index-3.faiss", "vectors-1.f16"]
    with SkuDatabase.open(folder) as database:
        check(database, unit)


def test_rewriting_drops_dead_rows(folder: Path, unit: Unit, open_writer: Writer, records: Records) -> None:
    steps: list[tuple[int, int]] = []
    report = compact(folder, rewrite=True, progress=lambda *step: steps.append(step))
    assert report == CompactReport(references=200, dropped=100, indexed=200, generation=3)
    assert steps == [(64, 400), (128, 400), (192, 400), (200, 400), (400, 400)]
    assert sorted(path.name for path in folder.glob("*-*.f*")) == ["index-3.faiss", "vectors-3.f16"]
    assert (folder / "vectors-3.f16").stat().st_size == 200 * 12 * 2
    with SkuDatabase.open(folder) as database:
        check(database, unit)
    with open_writer() as writer:
        writer.upsert_references(records("S0"), unit(1))
    with SkuDatabase.open(folder) as database:
        assert database.search(unit(1), 1).rows.tolist() == [[200]]


@pytest.mark.parametrize("rewrite", [False, True])
def test_readers_go_on_with_what_they_have(folder: Path, unit: Unit, rewrite: bool) -> None:
    with SkuDatabase.open(folder) as reader:
        before = reader.search(unit(COUNT), 3)
        compact(folder, rewrite)
        after = reader.search(unit(COUNT), 3)
        assert np.array_equal(before.rows, after.rows) and np.array_equal(before.skus, after.skus)
        assert (reader.reference_image(80) is None) == rewrite, (
            "rows have other numbers now: no picture, not a wrong one"
        )
        assert reader.refresh()
        check(reader, unit)
        assert np.array_equal(reader.search(unit(COUNT)[80:280], 1).skus, before.skus[80:280, :1])


def test_readers_search_all_the_while(folder: Path, unit: Unit) -> None:
    wrong: list[object] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            with SkuDatabase.open(folder) as reader:
                found = reader.search(unit(COUNT)[80:280], 1)
                if len(np.unique(found.skus)) != 200 or (found.scores < 0.99).any():
                    wrong.append(found)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for rewrite in (True, False) * 4:
            compact(folder, rewrite)
    finally:
        stop.set()
        thread.join()
    assert not wrong


def test_an_index_that_goes_as_it_is_opened(folder: Path, unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that finds the old index gone between its look at it and FAISS's takes the new one."""
    read_index, opened = faiss.read_index, []

    def read(path: str, *flags: int) -> object:
        opened.append(Path(path).name)
        if len(opened) == 1:
            compact(folder)
        return read_index(path, *flags)

    monkeypatch.setattr(faiss, "read_index", read)
    with SkuDatabase.open(folder) as reader:
        check(reader, unit)
    assert opened[0] == "index-2.faiss" and opened[-1] == "index-3.faiss"


def test_compacting_waits_for_no_writer(folder: Path, open_writer: Writer) -> None:
    with open_writer(), pytest.raises(DatabaseLockedError):
        compact(folder)


def test_a_lost_index_is_made_anew(folder: Path, unit: Unit) -> None:
    (folder / "index-2.faiss").unlink()
    with pytest.raises(DatabaseDamagedError, match="skus compact"):
        SkuDatabase.open(folder)
    compact(folder)
    with SkuDatabase.open(folder) as database:
        check(database, unit)


def test_damaged_vectors_are_not_given_a_new_check_sum(folder: Path) -> None:
    path = folder / "vectors-1.f16"
    data = bytearray(path.read_bytes())
    data[150 * 24] ^= 1
    path.write_bytes(data)
    with pytest.raises(DatabaseDamagedError, match=r"vectors-1\.f16"):
        compact(folder, rewrite=True)
    assert [path.name for path in folder.glob("vectors-*")] == ["vectors-1.f16"]


def test_a_failure_leaves_the_old_state(folder: Path, unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(compact_module, "move_rows", lambda *_: (_ for _ in ()).throw(OSError(28, "disk full")))
        with pytest.raises(DatabaseError, match="disk full"):
            compact(folder, rewrite=True)
    with SkuDatabase.open(folder) as database:
        assert database.info().generation == 2
        check(database, unit)
    compact(folder)
    assert sorted(path.name for path in folder.glob("*-*.f*")) == ["index-3.faiss", "vectors-1.f16"]
