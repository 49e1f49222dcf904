"""The mean of encoders, and of detectors."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from recognition.detection.safe_ultralytics import load_yolo, training_model
from recognition.errors import UsageError, WeightsError
from recognition.training.detector_fit import write_detector
from recognition.training.soup import average_detectors, average_encoders

STARTER = Path(__file__).parents[2] / "weights" / "starter-encoder"
DETECTOR = STARTER.parent / "starter-detector.pt"


def changed(folder: Path, by: float) -> Path:
    """The starter with `by` added to its head."""
    shutil.copytree(STARTER, folder)
    head = load_file(folder / "head.safetensors")
    save_file(
        {name: (value + np.float16(by)).astype(np.float16) for name, value in head.items()}, folder / "head.safetensors"
    )
    return folder


def test_the_mean_lies_between(tmp_path: Path) -> None:
    from recognition.embedding.loading import load_encoder
    from recognition.settings import EmbedSettings

    average_encoders([STARTER, changed(tmp_path / "a", 0.25), changed(tmp_path / "b", 0.5)], tmp_path / "mean")
    head, start = (load_file(folder / "head.safetensors") for folder in (tmp_path / "mean", STARTER))
    assert np.allclose(head["weight"].astype(float), start["weight"].astype(float) + 0.25, atol=2e-3)
    tower, same = (load_file(folder / "model.safetensors") for folder in (tmp_path / "mean", STARTER))
    assert all(np.array_equal(tower[name], same[name].astype(tower[name].dtype)) for name in same)
    assert load_encoder(EmbedSettings(encoder=str(tmp_path / "mean"), device="cpu")).dim == 256


def test_one_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two or more"):
        average_encoders([STARTER], tmp_path / "mean")


def test_a_folder_that_is_there_is_kept(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there already"):
        average_encoders([STARTER, STARTER], tmp_path)


def test_no_encoder(tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        average_encoders([STARTER, tmp_path / "nothing"], tmp_path / "mean")


@pytest.mark.parametrize("fault", ["without head", "other shape", "cut short"])
def test_other_networks_are_refused_and_nothing_is_written(tmp_path: Path, fault: str) -> None:
    other = changed(tmp_path / "other", 0.0)
    head = other / "head.safetensors"
    if fault == "without head":
        head.unlink()
    elif fault == "other shape":
        save_file({"weight": np.zeros((8, 1280), np.float16), "bias": np.zeros(8, np.float16)}, head)
    else:
        head.write_bytes(head.read_bytes()[:100])
    with pytest.raises(UsageError):
        average_encoders([STARTER, other], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


def test_the_mean_of_detectors_is_a_detector_between_them(tmp_path: Path) -> None:
    other = load_yolo(DETECTOR, fuse=False)
    state = {name: value * 1.1 if value.is_floating_point() else value for name, value in other.state_dict().items()}
    other.load_state_dict(state)
    write_detector(other, tmp_path / "other.pt")
    average_detectors([DETECTOR, tmp_path / "other.pt", tmp_path / "other.pt"], tmp_path / "mean.pt")
    start, mean = (load_yolo(path, fuse=False).state_dict() for path in (DETECTOR, tmp_path / "mean.pt"))
    name = "model.0.conv.weight"
    assert np.allclose(mean[name].numpy(), start[name].numpy() * (1 + 0.2 / 3), rtol=3e-3, atol=1e-5)
    counter = "model.0.bn.num_batches_tracked"
    assert mean[counter] == start[counter]


def test_detectors_of_other_networks_are_refused(tmp_path: Path) -> None:
    write_detector(training_model("yolov8n.yaml").model, tmp_path / "other.pt")  # it knows 80 classes
    with pytest.raises(UsageError, match="another network"):
        average_detectors([DETECTOR, tmp_path / "other.pt"], tmp_path / "mean.pt")
    with pytest.raises(WeightsError):
        average_detectors([DETECTOR, tmp_path / "nothing.pt"], tmp_path / "mean.pt")
    assert not (tmp_path / "mean.pt").exists()
