from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from recognition.errors import OutputError, UsageError
from recognition.outputs import tables
from recognition.outputs.writer import RunSummary, RunWriter, picture_name
from recognition.settings import DetectSettings, OutputSettings, Settings
from recognition.types import Failure

PLAIN = Settings(output=OutputSettings(pictures=False))
MADE_WITH = {"database": "d1"}
TABLES = {"products.csv", "planogram.csv", "photos.csv", "failures.csv"}
OURS = {*TABLES, "run.json", ".journal.jsonl"}


def create(out: Path, mode: str = "new", settings: Settings = PLAIN, **made_with: str) -> RunWriter:
    return RunWriter.create(out, mode, settings, MADE_WITH | made_with)


def finish(writer: RunWriter, code: int = 0) -> None:
    writer.close(RunSummary(code, {"recognition": "1.0"}))


def sources(out: Path) -> list[str]:
    return [row.source for row in tables.read_products(out / "products.csv")]


def names(out: Path) -> set[str]:
    return {path.name for path in out.iterdir()}


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file can grow beyond `size` bytes: what a full disk does, in the middle of a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_run_without_photos(tmp_path: Path):
    finish(create(tmp_path / "a" / "out"), 1)
    out = tmp_path / "a" / "out"
    assert names(out) == OURS
    assert tables.read_products(out / "products.csv") == tables.read_planogram(out / "planogram.csv") == []
    assert (out / "failures.csv").read_bytes() == b"source,frame,stage,error,hint\r\n"
    assert json.loads((out / "run.json").read_text())["state"] == "failed"


def test_a_photo_without_products(tmp_path: Path, make_empty):
    writer = create(tmp_path)
    writer.write(make_empty())
    finish(writer)
    assert sources(tmp_path) == []
    assert (tmp_path / "photos.csv").read_text().splitlines()[1].startswith("nothing.jpg,120,90,")


@pytest.mark.parametrize(("code", "state"), [(0, "done"), (1, "failed"), (3, "partly failed"), (130, "interrupted")])
def test_run_json(tmp_path: Path, make_result, code: int, state: str):
    writer = create(tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["state"] == "running"
    writer.write(make_result("a.jpg"))
    writer.write(make_result("b.jpg"))
    writer.fail(Failure("c.jpg", 0, "read", "empty"))
    finish(writer, code)
    run = json.loads((tmp_path / "run.json").read_text())
    assert (run["state"], run["exit_code"], run["versions"]) == (state, code, {"recognition": "1.0"})
    assert run["settings"]["output"] == {"pictures": False, "blur_faces": False}
    assert run["counts"] == {
        "photos": 2, "products": 6, "recognized": 2, "ambiguous": 2, "unknown": 2, "empty": 2, "failures": 1,
    }  # fmt: skip
    assert run["seconds"]["match"] == 1.0 and "write" in run["seconds"]


@pytest.mark.parametrize("held", ["notes.txt", "pictures/mine.jpg", "products.csv"])
def test_new_refuses_a_folder_that_holds_something(tmp_path: Path, held: str):
    path = tmp_path / held
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(UsageError, match="holds something") as caught:
        create(tmp_path)
    assert caught.value.exit_code == 2 and "--overwrite" in caught.value.hint
    assert path.read_text() == "mine"


def test_a_file_is_no_folder(tmp_path: Path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        create(tmp_path / "out", "overwrite")


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="cannot write"):
        create(tmp_path / "file" / "out")


def test_overwrite_removes_only_what_a_run_made(tmp_path: Path, make_result, monkeypatch):
    settings = Settings()
    monkeypatch.setattr("recognition.outputs.pictures.annotate", lambda result: result.frame.image)
    writer = create(tmp_path, settings=settings)
    writer.write(make_result("a.jpg"))
    finish(writer)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "pictures" / "mine.jpg").write_text("mine")
    assert {picture_name("a.jpg"), "mine.jpg"} == names(tmp_path / "pictures")
    finish(create(tmp_path, "overwrite"))
    assert names(tmp_path) == {*OURS, "pictures", "notes.txt"} and names(tmp_path / "pictures") == {"mine.jpg"}
    assert sources(tmp_path) == []


def test_overwrite_refuses_a_table_that_no_run_made(tmp_path: Path):
    (tmp_path / "products.csv").write_text("mine")
    with pytest.raises(UsageError, match=r"products\.csv was not written by a run"):
        create(tmp_path, "overwrite")
    assert (tmp_path / "products.csv").read_text() == "mine"


def test_resume_goes_on(tmp_path: Path, make_result):
    writer = create(tmp_path, "resume")
    writer.write(make_result("a\udcff.jpg"))
    for name in TABLES:
        with (tmp_path / name).open("ab") as file:
            file.write(b"half a r")
    with (tmp_path / ".journal.jsonl").open("ab") as file:
        file.write(b'{"done": {"source": "b')
    writer = create(tmp_path, "resume")
    assert writer.done("a\udcff.jpg") and not writer.done("b.jpg")
    assert sources(tmp_path) == ["a\\udcff.jpg"] * 3  # cut before anything new is written
    writer.write(make_result("b.jpg"))
    finish(writer)
    assert sources(tmp_path) == ["a\\udcff.jpg"] * 3 + ["b.jpg"] * 3
    assert json.loads((tmp_path / "run.json").read_text())["counts"]["photos"] == 2


def test_resume_tries_failed_photos_again(tmp_path: Path, make_result):
    writer = create(tmp_path)
    writer.write(make_result("a.jpg"))
    writer.fail(Failure("a.jpg", 0, "verify", "went on without it"))
    writer.fail(Failure("b.jpg", 0, "read", "empty"))
    finish(writer, 3)
    writer = create(tmp_path, "resume")
    assert not writer.done("b.jpg")
    writer.write(make_result("b.jpg"))
    finish(writer)
    assert [row.split(",")[0] for row in (tmp_path / "failures.csv").read_text().splitlines()] == ["source", "a.jpg"]
    assert json.loads((tmp_path / "run.json").read_text())["counts"]["failures"] == 1


def test_resume_may_change_the_device_and_nothing_else(tmp_path: Path):
    finish(create(tmp_path))
    finish(create(tmp_path, "resume", replace(PLAIN, detect=DetectSettings(device="cuda"))))
    with pytest.raises(UsageError, match=r"detect\.conf was 0\.4, now 0\.5"):
        create(tmp_path, "resume", replace(PLAIN, detect=DetectSettings(conf=0.5)))
    with pytest.raises(UsageError, match="database was 'd1', now 'd2'"):
        create(tmp_path, "resume", database="d2")


@pytest.mark.parametrize(
    ("break_it", "error"),
    [
        (lambda out: (out / ".journal.jsonl").unlink(), "holds no run"),
        (lambda out: (out / ".journal.jsonl").write_bytes(b"no json\n"), "is damaged"),
        (lambda out: (out / ".journal.jsonl").write_bytes(b""), "is damaged"),
        (lambda out: (out / ".journal.jsonl").write_bytes(b'{"format": 9, "origin": {}}\n'), "another release"),
        (lambda out: (out / "products.csv").write_bytes(b"opened and saved"), "holds 16 bytes"),
    ],
)
def test_resume_refuses_what_it_cannot_trust(tmp_path: Path, make_result, break_it, error: str):
    writer = create(tmp_path)
    writer.write(make_result())
    finish(writer)
    break_it(tmp_path)
    with pytest.raises((UsageError, OutputError), match=error):
        create(tmp_path, "resume")


def test_a_full_disk_is_said_and_what_was_finished_stays(tmp_path: Path, make_result):
    writer = create(tmp_path)
    writer.write(make_result("a.jpg"))
    size = (tmp_path / "products.csv").stat().st_size
    with disk_of(size + 20), pytest.raises(OutputError, match=r"cannot write .*products\.csv") as caught:
        writer.write(make_result("b.jpg"))
    assert "--resume" in caught.value.hint and not writer.done("b.jpg")
    assert (tmp_path / "products.csv").stat().st_size == size + 20
    writer.write(make_result("c.jpg"))
    assert sources(tmp_path) == ["a.jpg"] * 3 + ["c.jpg"] * 3
    with disk_of(10), pytest.raises(OutputError, match="cannot write"):
        writer.close(RunSummary(1, {}))
    assert json.loads((tmp_path / "run.json").read_text())["state"] == "running"


@pytest.mark.parametrize(
    ("source", "readable"),
    [
        ("", ""),
        ("shelf.jpg", "shelf"),
        ("photos/aisle 1/shelf.JPG", "aisle_1_shelf"),
        ("../x/Käse=1.png", "x_Käse_1"),
        ("a\udcff.jpg", "a"),
        ("/=.jpg", ""),
        ("長い" * 100 + ".jpg", "長い" * 30),
    ],
)
def test_picture_names_can_be_read(source: str, readable: str):
    stem, digest = picture_name(source).removesuffix(".jpg").rsplit("-", 1)
    assert stem == readable and len(digest) == 12 and len(picture_name(source).encode()) < 240


def test_equal_file_names_never_collide():
    found = ["a/x/s.jpg", "b/x/s.jpg", "a_x/s.jpg", "x_s.jpg", "x/s.jpg", "x/s.png", "./x/s.jpg", "x/S.jpg"]
    assert len({picture_name(source).lower() for source in found}) == len(found)


def test_pictures_are_written(tmp_path: Path, make_result):
    writer = create(tmp_path, settings=Settings())
    writer.write(make_result("x/a.jpg"))
    writer.write(make_result("y/a.jpg"))
    finish(writer)
    pictures = sorted((tmp_path / "pictures").iterdir())
    assert len(pictures) == 2 and all(path.read_bytes().startswith(b"\xff\xd8") for path in pictures)
