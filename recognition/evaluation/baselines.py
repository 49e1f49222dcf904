"""What an encoder has to beat: a colour histogram, SIFT with RANSAC alone, and the same network untrained."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recognition.embedding.encoder import Encoder
from recognition.embedding.folder import HUB_FILES, open_folder, read_json
from recognition.embedding.loading import encoder_folder, load_encoder
from recognition.errors import WeightsError
from recognition.evaluation.asking import Method, read_crop
from recognition.evaluation.labelled import LabelledCrop
from recognition.matching.verify import LARGEST_ZOOM, LEAST_SIDE_PX, WORKING_SIDE, Features, extract, locate
from recognition.parallel import thread_pool
from recognition.settings import EmbedSettings
from recognition.skus.packshot import trim_border
from recognition.types import Image

BINS = (12, 4, 4)
"""Of hue, saturation and value: hue says which colour, the other two are what light changes most."""
RECIPE = "recognition.json"


class HistogramEncoder:
    """Implements `Encoder`: the colours of a picture and nothing of where they are.

    A histogram of 12 x 4 x 4 bins of HSV, its square roots as the vector: the cosine of two is then their
    Bhattacharyya coefficient, and every vector has norm 1.
    """

    name = "HSV histogram, 12 x 4 x 4 bins"
    dim = math.prod(BINS)
    fingerprint = "histogram-hsv-12-4-4"

    def encode(self, crops: Sequence[Image]) -> NDArray[np.float32]:
        """Vectors (n, 192) float32 of norm 1. crops: RGB uint8 (h, w, 3)."""
        vectors = np.zeros((len(crops), self.dim), np.float32)
        for vector, crop in zip(vectors, crops, strict=True):
            pixels = np.asarray(Pictures.fromarray(crop).convert("HSV"), np.int64).reshape(-1, 3)
            hue, saturation, value = (pixels * BINS // 256).T
            counts = np.bincount((hue * BINS[1] + saturation) * BINS[2] + value, minlength=self.dim)
            vector[:] = np.sqrt(counts / counts.sum())
        return vectors


def sift(references: Sequence[LabelledCrop]) -> Method:
    """SIFT and RANSAC alone: every crop is laid over every reference, and the number of inliers is the score.

    Features, ratio test and transform are those of verification; see matching/verify.py for their sources.

    Raises:
        SourceError: a reference cannot be read.
    """
    known = [_features(trim_border(read_crop(reference))) for reference in references]

    def inliers(crop: Image) -> list[int]:
        features = _features(crop)
        return [locate(features, reference)[0] for reference in known]

    def score(crops: Sequence[Image]) -> NDArray[np.float32]:
        with thread_pool(os.cpu_count() or 1) as pool:
            return np.array(list(pool.map(inliers, crops)), np.float32).reshape(len(crops), len(known))

    return Method("sift", "", score, None)


def _features(image: Image) -> Features:
    """At verification's working size: 256 pixels, enlarged fourfold at most. Too small a picture has none."""
    if min(image.shape[:2]) < LEAST_SIDE_PX:
        return Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    zoom = min(WORKING_SIDE / max(image.shape[:2]), LARGEST_ZOOM)
    size = max(2, round(image.shape[1] * zoom)), max(2, round(image.shape[0] * zoom))
    return extract(np.array(Pictures.fromarray(image).resize(size, Pictures.Resampling.BICUBIC)))


def untrained(settings: EmbedSettings, seed: int = 0) -> Encoder:
    """The encoder that the settings name with all its weights drawn anew: what the architecture alone is worth.

    Raises:
        WeightsError: as `load_encoder`, or its weights cannot be read.
    """
    path, name = encoder_folder(settings.encoder)
    folder = open_folder(path)
    with tempfile.TemporaryDirectory() as place:
        for file in (path / known for known in HUB_FILES if known.endswith(".json")):
            if file.is_file():
                shutil.copy(file, place)
        recipe = read_json(path / RECIPE) if (path / RECIPE).is_file() else {}
        called = {"name": f"{recipe.get('name') or name}, untrained"}
        (Path(place) / RECIPE).write_text(json.dumps(recipe | called), encoding="utf-8")
        for file in [*folder.weights, *([folder.head] if folder.head else [])]:
            _draw_weights(file, Path(place) / file.name, np.random.default_rng(seed).standard_normal)
        return load_encoder(replace(settings, encoder=place))


def _draw_weights(source: Path, target: Path, normal: Callable[[tuple[int, ...]], NDArray[np.float64]]) -> None:
    """Writes random weights of the same names and shapes: He et al. 2015 for layers, 1 and 0 for normalisation."""
    try:
        tensors = load_file(source)
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        raise WeightsError(f"encoder file {source}: {error}", "give a folder with safetensors weights") from error
    for name, old in tensors.items():
        if not np.issubdtype(old.dtype, np.floating):
            continue
        if old.ndim > 1:
            tensors[name] = (normal(old.shape) * math.sqrt(2 / math.prod(old.shape[1:]))).astype(np.float32)
        else:
            centre = name.endswith(("bias", "mean"))
            tensors[name] = np.full(old.shape, 0 if centre else 1, np.float32)
    # transformers refuses a file that does not say which library's layout it has.
    save_file(tensors, target, metadata={"format": "pt"})
