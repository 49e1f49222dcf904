"""YOLO behind the Detector seam: batches of tiles through an ultralytics model, without its predict() wrapper."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recognition.detection.safe_ultralytics import load_yolo, non_max_suppression
from recognition.detection.scale import detect_by_size, floor_score
from recognition.detection.tiling import STRIDE, TILE
from recognition.devices import best_device
from recognition.errors import DetectorError
from recognition.settings import DetectSettings
from recognition.types import Detections, Image

_log = logging.getLogger(__name__)
_BATCH_PIXELS = 2 * TILE * TILE  # about 300 MB beside the weights (100 bytes a pixel, measured)
_GREY = 114  # what the model saw beside pictures when it was trained


class YoloDetector:
    """Finds products with an ultralytics detector. Of a model with several classes each counts as a product.

    Raises:
        WeightsError: the file is missing, broken, no detector, or would run code. UsageError: no such device.
    """

    def __init__(self, path: Path, settings: DetectSettings) -> None:
        """Loads the weights onto the device."""
        self.name = path.stem
        self._settings = settings
        self._device = torch.device(best_device(settings.device))
        self._dtype = torch.float16 if self._device.type == "cuda" else torch.float32
        model = load_yolo(path)
        self._head = model.model[-1]
        self._head.max_det = settings.max_boxes  # heads without NMS cut at 300 inside the model
        self._model = model.to(self._device, self._dtype, memory_format=torch.channels_last)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Products of each image, best score first. images: BGR uint8 (h, w, 3), any sizes.

        A warning is logged for an image with settings.max_boxes products: there may be more.

        Raises:
            DetectorError: the model failed; the message names the cause.
        """
        results = detect_by_size(images, self._find, self._settings)
        for result in results:
            if len(result) >= self._settings.max_boxes:
                _log.warning("an image reached the cap of %d boxes: there may be more products", len(result))
        return results

    def _find(self, tiles: Sequence[Image]) -> list[Detections]:
        try:
            return [found for batch in _batches(tiles) for found in self._forward(batch)]
        except RuntimeError as error:
            raise DetectorError(
                f"detector {self.name} failed on {self._device}: {error}", "try --device cpu, or smaller photos"
            ) from error

    @torch.inference_mode()
    def _forward(self, batch: list[Image]) -> list[Detections]:
        pixels = torch.from_numpy(_stack(batch)).to(self._device)
        pixels = pixels.permute(0, 3, 1, 2).flip(1).to(self._dtype, memory_format=torch.channels_last) / 255
        found = non_max_suppression(
            self._model(pixels),
            conf_thres=floor_score(self._settings),
            iou_thres=self._settings.iou,
            agnostic=True,
            max_det=self._settings.max_boxes,
            max_time_img=3600,  # else boxes are left out in silence on a slow machine
            nc=self._head.nc,
            end2end=self._head.end2end,
        )
        return [_detections(rows.float().cpu().numpy(), tile) for rows, tile in zip(found, batch, strict=True)]


def _batches(tiles: Sequence[Image]) -> Iterator[list[Image]]:
    """Runs of tiles whose padded pixels stay within the bound; at least one tile each."""
    batch: list[Image] = []
    for tile in tiles:
        if batch and np.prod(_room([*batch, tile])) > _BATCH_PIXELS:
            yield batch
            batch = []
        batch.append(tile)
    if batch:
        yield batch


def _room(batch: Sequence[Image]) -> tuple[int, int, int]:
    """Tiles, height and width of the smallest stack that holds them all, sides multiples of the model's stride."""
    height, width = (-(-max(tile.shape[axis] for tile in batch) // STRIDE) * STRIDE for axis in (0, 1))
    return len(batch), height, width


def _stack(batch: Sequence[Image]) -> NDArray[np.uint8]:
    """Tiles as one BGR uint8 array (n, height, width, 3), each in the upper left corner, grey beside it."""
    stack = np.full((*_room(batch), 3), _GREY, np.uint8)
    for place, tile in zip(stack, batch, strict=True):
        place[: tile.shape[0], : tile.shape[1]] = tile
    return stack


def _detections(rows: NDArray[np.float32], tile: Image) -> Detections:
    """Boxes from rows of x_min, y_min, x_max, y_max, score, class, cut to the tile."""
    boxes = rows[:, :4].clip(0, [tile.shape[1], tile.shape[0]] * 2).astype(np.float32)
    return Detections(boxes, rows[:, 4].astype(np.float32))
