from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recognition.errors import DatabaseDamagedError, DatabaseError, DatabaseLockedError
from recognition.skus import generations, index_choice, snapshot
from recognition.skus import writer as writer_module
from recognition.skus.database import SkuDatabase
from recognition.skus.records import ReferenceRecord
from recognition.skus.writer import DatabaseWriter

Writer = Callable[..., DatabaseWriter]
Records = Callable[..., list[ReferenceRecord]]
Unit = Callable[..., np.ndarray]


def test_nothing_to_add_changes_nothing(tmp_path: Path, open_writer: Writer, unit: Unit) -> None:
    with open_writer() as writer:
        writer.upsert_references([], unit(0))
        writer.remove_skus([])
        assert (writer.count(), writer.known_references(), writer.update_records([])) == (0, {}, set())


def test_a_second_writer_is_told_who_writes(tmp_path: Path, open_writer: Writer) -> None:
    with open_writer():
        with pytest.raises(DatabaseLockedError, match=f"process {os.getpid()} on .+ since 20"):
            open_writer()
        (tmp_path / "db" / "writer.json").unlink()
        with pytest.raises(DatabaseLockedError, match="another process"):
            open_writer()
    open_writer().close()


def test_a_writer_in_another_process_holds_the_lock_until_it_dies(tmp_path: Path, open_writer: Writer) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom recognition.skus.lock import writer_lock\n"
        "with writer_lock(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    (tmp_path / "db").mkdir()
    child = subprocess.Popen([sys.executable, "-c", script, tmp_path / "db"], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        with pytest.raises(DatabaseLockedError, match=f"process {child.pid} "):
            open_writer()
        child.kill()
        child.wait()
        open_writer().close()


def test_the_same_content_of_a_sku_is_replaced(
    tmp_path: Path, open_writer: Writer, records: Records, unit: Unit
) -> None:
    with open_writer() as writer:
        writer.upsert_references(records("A", "B"), unit(2))
        writer.upsert_references([replace(records("A")[0], image="new.jpg")], unit(1, seed=1))
        assert writer.known_references() == {("A", "hash0"): "new.jpg", ("B", "hash1"): ""}
    with SkuDatabase.open(tmp_path / "db") as database:
        assert database.live_rows().tolist() == [1, 2]


def test_a_reference_without_content_hash_takes_the_digest_of_its_vector(
    open_writer: Writer, records: Records, unit: Unit
) -> None:
    with open_writer() as writer:
        bare = [replace(record, content_hash="") for record in records("A", "A")]
        writer.upsert_references(bare, unit(2))
        writer.upsert_references(bare, unit(2))
        assert writer.count() == 2


def test_update_records_names_what_changed(open_writer: Writer, records: Records, unit: Unit) -> None:
    with open_writer() as writer:
        made = records("A", "B", "C")
        writer.upsert_references(made, unit(3))
        changed = [made[0], replace(made[1], sku=replace(made[1].sku, name="new")), replace(made[2], image="moved.jpg")]
        assert writer.update_records(changed) == {"B", "C"}
        assert writer.update_records(changed) == set()


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (np.zeros((1, 12), np.float32), "norm 1"),
        (np.full((1, 12), np.nan, np.float32), "norm 1"),
        (np.ones((1, 5), np.float32), "shape"),
        (np.ones((2, 12), np.float32), "shape"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(
    open_writer: Writer, records: Records, vectors: np.ndarray, words: str
) -> None:
    with open_writer() as writer, pytest.raises(DatabaseError, match=words):
        writer.upsert_references(records("A"), vectors)


def test_one_reference_twice_in_a_call_is_refused(open_writer: Writer, records: Records, unit: Unit) -> None:
    with open_writer() as writer:
        with pytest.raises(DatabaseError, match="same content"):
            writer.upsert_references(records("A") * 2, unit(2))
        assert writer.count() == 0


def test_bytes_that_were_never_committed_are_ignored_and_cut(
    tmp_path: Path, open_writer: Writer, records: Records, unit: Unit
) -> None:
    path = tmp_path / "db" / "vectors-1.f16"
    with open_writer() as writer:
        writer.upsert_references(records("A", "B"), unit(2))
    with path.open("ab") as file:
        file.write(b"x" * 1000)
    with SkuDatabase.open(tmp_path / "db") as database:
        database.verify()
        assert database.search(unit(2), 3).rows[:, 0].tolist() == [0, 1]
    with open_writer() as writer:
        writer.upsert_references(records("C"), unit(3)[2:])
    assert path.stat().st_size == 3 * 12 * 2
    with SkuDatabase.open(tmp_path / "db") as database:
        assert database.search(unit(3), 1).rows[:, 0].tolist() == [0, 1, 2]


def test_a_failure_in_the_middle_leaves_the_old_state(
    open_writer: Writer, records: Records, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_writer() as writer:
        writer.upsert_references(records("A"), unit(1))
        with monkeypatch.context() as patched:
            patched.setattr(writer_module, "append_blocks", lambda *_: (_ for _ in ()).throw(OSError(28, "disk full")))
            with pytest.raises(DatabaseError, match="disk full"):
                writer.upsert_references(records("A", "B"), unit(2))
        assert writer.known_references() == {("A", "hash0"): ""}


def test_files_of_no_generation_are_deleted_at_the_next_write(tmp_path: Path, open_writer: Writer) -> None:
    open_writer().close()
    for name in ("vectors-7.f16", "index-3.faiss"):
        (tmp_path / "db" / name).touch()
    open_writer().close()
    assert {path.suffix for path in (tmp_path / "db").iterdir()} <= {".sqlite", ".json", ".lock"}


@pytest.fixture
def small_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index pays from 200 references on."""
    monkeypatch.setattr(index_choice, "EXACT_BELOW", 200)
    monkeypatch.setattr(index_choice, "cells_for", lambda rows: 4)


@pytest.mark.usefixtures("small_index")
def test_an_index_is_published_and_replaced(tmp_path: Path, open_writer: Writer, records: Records, unit: Unit) -> None:
    folder = tmp_path / "db"
    with open_writer() as writer:
        writer.upsert_references(records(*(f"S{n}" for n in range(250))), unit(250))
        assert writer.index_is_due()
        writer.build_index()
        assert not writer.index_is_due()
        with SkuDatabase.open(folder) as old:
            writer.remove_skus(f"S{n}" for n in range(0, 40))
            writer.build_index()
            assert [path.name for path in folder.glob("index-*")] == ["index-3.faiss"]
            assert old.search(unit(40), 1).rows[:, 0].tolist() == list(range(40)), "its mapped file outlives its name"
            assert old.info().generation == 2
            old.refresh()
            assert (old.search(unit(40), 1).rows[:, 0] >= 40).all()
            info = old.info()
            assert (info.index, info.generation, info.indexed, info.references) == ("ivf-sq8", 3, 250, 210)
        writer.remove_skus(f"S{n}" for n in range(100))
        writer.build_index()
    with SkuDatabase.open(folder) as database:
        assert database.info().index == "exact" and not list(folder.glob("index-*"))


@pytest.mark.usefixtures("small_index")
def test_a_broken_index_is_found_and_made_anew(
    tmp_path: Path, open_writer: Writer, records: Records, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "db"
    for module in (generations, snapshot):
        monkeypatch.setattr(module, "HEAD_BYTES", 100)
    with open_writer() as writer:
        writer.upsert_references(records(*(f"S{n}" for n in range(250))), unit(250))
        writer.build_index()
    path = folder / "index-2.faiss"
    good = path.read_bytes()
    path.write_bytes(good[:-100] + bytes([good[-100] ^ 1]) + good[-99:])
    with SkuDatabase.open(folder) as database, pytest.raises(DatabaseDamagedError, match=r"index-2\.faiss"):
        database.verify()
    for harm in (lambda: path.write_bytes(bytes([good[0] ^ 1]) + good[1:]), lambda: path.write_bytes(b""), path.unlink):
        harm()
        with pytest.raises(DatabaseDamagedError, match=r"index-2\.faiss") as told:
            SkuDatabase.open(folder)
        assert "made anew" in told.value.hint
    with open_writer() as writer:
        assert writer.index_is_due()
        writer.build_index()
    with SkuDatabase.open(folder) as database:
        database.verify()


def test_the_lock_note_is_json(tmp_path: Path, open_writer: Writer) -> None:
    with open_writer():
        assert set(json.loads((tmp_path / "db" / "writer.json").read_text())) == {"pid", "host", "since"}
