"""The mean of encoders."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from recognition.errors import UsageError, WeightsError
from recognition.training.soup import average_encoders

STARTER = Path(__file__).parents[2] / "weights" / "starter-encoder"


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
