"""Whose a folder of training is."""

import json
from pathlib import Path
from typing import Any

import pytest

from recognition.errors import OutputError, UsageError
from recognition.training.claim import claim

MADE = ("model.pt", "parts")


def ask(folder: Path, overwrite: bool = False, **options: Any) -> None:
    claim(folder / "request.json", options, MADE, overwrite)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a command with epochs=4 has made, and a file that somebody laid beside it."""
    folder = tmp_path / "runs/first"
    ask(folder, epochs=4)
    (folder / "parts").mkdir()
    for name in ("model.pt", "parts/one", "notes.txt"):
        (folder / name).write_text("here")
    return folder


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_same_command_goes_on_whoever_wrote_its_options(folder: Path) -> None:
    ask(folder, epochs=4)
    (folder / "request.json").write_text('{"epochs":4}')  # as an earlier version may have laid it out
    ask(folder, epochs=4)
    assert left(folder) == {"request.json", "model.pt", "parts", "notes.txt"}


@pytest.mark.parametrize("record", ['{"epochs": 9}', "torn", ""])
def test_another_command_is_refused_and_nothing_is_lost(folder: Path, record: str) -> None:
    (folder / "request.json").write_text(record)
    with pytest.raises(UsageError, match="another command") as refused:
        ask(folder, epochs=4)
    assert "--overwrite" in str(refused.value.hint)
    assert left(folder) == {"request.json", "model.pt", "parts", "notes.txt"}


@pytest.mark.parametrize("epochs", [4, 9])
def test_overwrite_begins_anew_and_removes_only_what_such_a_command_makes(folder: Path, epochs: int) -> None:
    ask(folder, overwrite=True, epochs=epochs)
    assert left(folder) == {"request.json", "notes.txt"}
    assert json.loads((folder / "request.json").read_text()) == {"epochs": epochs}


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_no_training_made_is_left_alone(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "holiday.jpg").write_text("here")
    with pytest.raises(UsageError, match="no training made"):
        ask(tmp_path, overwrite)
    with pytest.raises(UsageError, match="not a folder"):
        ask(tmp_path / "holiday.jpg", overwrite)
    assert left(tmp_path) == {"holiday.jpg"}


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        ask(tmp_path / "file/below")
