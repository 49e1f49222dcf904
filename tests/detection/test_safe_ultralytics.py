from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch

from recognition.detection import safe_ultralytics
from recognition.detection.safe_ultralytics import load_yolo
from recognition.errors import WeightsError


class Hostile:
    """Creates a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("key", ["model", "train_args"])
def test_a_hostile_pickle_does_not_run(tmp_path: Path, legacy: bool, key: str) -> None:
    mark, path = tmp_path / "it-ran", tmp_path / "hostile.pt"
    torch.save({key: Hostile(mark)}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match=r"hostile\.pt"):
        load_yolo(path)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists(), "the file was harmless, so the test proved nothing"


def test_a_bare_hostile_pickle_does_not_run(tmp_path: Path) -> None:
    mark, path = tmp_path / "it-ran", tmp_path / "hostile.pt"
    path.write_bytes(pickle.dumps(Hostile(mark)))
    with pytest.raises(WeightsError, match=r"hostile\.pt"):
        load_yolo(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.pt", b""), ("text.pt", b"no weights"), ("zip.pt", b"PK\x03\x04broken"), ("a.onnx", b"x")],
)
def test_a_broken_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        load_yolo(tmp_path / name)


@pytest.mark.parametrize("saved", [{}, {"model": {}}, {"weight": torch.zeros(3)}, {"model": torch.nn.Linear(2, 2)}])
def test_a_torch_file_that_is_no_detector_is_refused(tmp_path: Path, saved: dict[str, object]) -> None:
    torch.save(saved, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match=r"other\.pt"):
        load_yolo(tmp_path / "other.pt")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        load_yolo(tmp_path / "gone.pt")


def test_our_config_folder_falls_back_when_the_cache_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert safe_ultralytics._config_dir() == tmp_path / "recognition" / "ultralytics"
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert safe_ultralytics._config_dir().is_dir()


def test_ultralytics_imported_first_without_the_switch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = safe_ultralytics._tasks()
    monkeypatch.setattr(tasks, "SAFE_LOAD", False)  # what ultralytics read from the environment when it was imported
    safe_ultralytics._tasks.cache_clear()
    with pytest.raises(WeightsError, match="would run code"):
        safe_ultralytics._tasks()


def test_pillow_is_left_as_it_was() -> None:
    from PIL import Image

    safe_ultralytics._tasks()
    assert Image.open.__module__ == "PIL.Image"
