from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from recognition.detection import yolo
from recognition.detection.yolo import YoloDetector
from recognition.errors import DetectorError, UsageError
from recognition.settings import DetectSettings


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny YOLOv8 with random weights whose scores are about 0.5 everywhere."""
    from recognition.detection.safe_ultralytics import _tasks

    tasks = _tasks()
    torch.manual_seed(0)
    config = tasks.yaml_model_load("yolov8n.yaml")
    config["scales"] = {"n": [0.33, 0.0625, 256]}
    model = tasks.DetectionModel(config, nc=1, verbose=False)
    for branch in model.model[-1].cv3:
        torch.nn.init.zeros_(branch[-1].bias)
    path = tmp_path_factory.mktemp("weights") / "tiny.pt"
    torch.save({"model": model.half(), "train_args": {}}, path)
    return path


def picture(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_detects_in_images_of_any_size(weights: Path) -> None:
    detector = YoloDetector(weights, DetectSettings(conf=0.0, device="cpu"))
    assert detector.name == "tiny"
    assert detector.detect([]) == []
    images = [picture(1, 120, 90), picture(2, 1, 1), picture(3, 64, 200)]
    for image, found in zip(images, detector.detect(images), strict=True):
        height, width = image.shape[:2]
        assert (found.xyxy >= 0).all() and (found.xyxy <= [width, height, width, height]).all()
        assert (np.diff(found.scores) <= 0).all()


def test_an_image_gives_the_same_alone_and_among_others(weights: Path) -> None:
    detector = YoloDetector(weights, DetectSettings(conf=0.3, device="cpu"))
    image = picture(1, 160, 128)
    (alone,) = detector.detect([image])
    among = detector.detect([image, picture(2, 160, 128), picture(3, 160, 128)])[0]
    assert len(alone) and len(alone) == len(among)
    assert among.xyxy == pytest.approx(alone.xyxy, abs=0.01)


def test_more_than_300_boxes_and_a_warning_at_the_cap(weights: Path, caplog: pytest.LogCaptureFixture) -> None:
    image = picture(1, 320, 320)
    with caplog.at_level(logging.WARNING):
        (many,) = YoloDetector(weights, DetectSettings(conf=0.0, iou=1.0, device="cpu")).detect([image])
    assert len(many) > 300 and not caplog.records
    (few,) = YoloDetector(weights, DetectSettings(conf=0.0, iou=1.0, max_boxes=7, device="cpu")).detect([image])
    assert len(few) == 7
    assert "cap of 7" in caplog.text


def test_a_failing_model_and_a_missing_device_are_named(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="cuda:99"):
        YoloDetector(weights, DetectSettings(device="cuda:99"))
    detector = YoloDetector(weights, DetectSettings(device="cpu"))

    def out_of_memory(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(detector, "_model", out_of_memory)
    with pytest.raises(DetectorError, match="tiny failed on cpu: out of memory"):
        detector.detect([picture(1, 64, 64)])


def test_batches_stay_within_the_bound_and_keep_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yolo, "_BATCH_PIXELS", 2 * 64 * 64)
    tiles = [np.full((side, 40, 3), i, np.uint8) for i, side in enumerate((64, 60, 33, 64, 65))]
    batches = list(yolo._batches(tiles))
    assert [[tile[0, 0, 0] for tile in batch] for batch in batches] == [[0, 1], [2, 3], [4]]
    stack = yolo._stack(batches[0])
    assert stack.shape == (2, 64, 64, 3)
    assert (stack[1, :60, :40] == 1).all() and (stack[1, 60:] == 114).all() and (stack[1, :, 40:] == 114).all()
