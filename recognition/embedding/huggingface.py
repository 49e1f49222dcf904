"""Encoder over any image model in a local folder: preprocessing, a runtime, and normalising."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recognition.embedding.fingerprint import fingerprint, model_key
from recognition.embedding.folder import open_folder
from recognition.embedding.preprocess import check_crops, to_batch
from recognition.embedding.processor_config import read_spec
from recognition.embedding.runtimes import BatchTooLargeError, Model, check_runtime, open_runtime
from recognition.errors import EncoderError
from recognition.settings import EmbedSettings
from recognition.types import Image

if TYPE_CHECKING:
    from recognition.embedding.towers import ImageTower


class HuggingFaceEncoder:
    """Implements `Encoder`: preprocessing, forward pass and normalising, one batch after the other."""

    def __init__(self, path: Path, name: str, settings: EmbedSettings, calibration: Sequence[Image] = ()) -> None:
        """Loads a folder in Hugging Face layout (see folder.py). name: used unless recognition.json gives one.

        calibration: RGB uint8 crops such as will be encoded, for the runtime `openvino-int8`.

        Raises:
            WeightsError: a file is missing, broken or refused. UsageError, EncoderError: as `open_runtime`.
        """
        check_runtime(settings.runtime)
        folder = open_folder(path)
        self.name = folder.recipe.name or name
        self.spec = spec = read_spec(path, settings.fit or folder.recipe.fit or "pad", folder.recipe.size)

        def load() -> ImageTower:
            from recognition.embedding.towers import ImageTower  # seconds, and not needed for a converted model

            return ImageTower(folder, spec)

        model = Model(self.name, model_key(folder, spec), spec.size, load)
        check_crops(calibration)
        self._runtime = open_runtime(settings.runtime, settings.device, model, to_batch(calibration, spec))
        self.runtime = self._runtime.name
        self.dim = self._runtime.dim
        self.fingerprint = fingerprint(model.key, self.dim)
        self._batch_size = settings.batch_size

    def encode(self, crops: Sequence[Image]) -> NDArray[np.float32]:
        """Vectors (n, dim) float32 of norm 1, in order; (0, dim) for no crops. crops: RGB uint8 (h, w, 3), any sizes.

        A batch that does not fit into memory is halved, for good.

        Raises:
            EncoderError: a crop is empty, or the model failed or gave no usable vector.
        """
        check_crops(crops)
        vectors = np.empty((len(crops), self.dim), np.float32)
        done = 0
        while done < len(crops):
            part = crops[done : done + self._batch_size]
            try:
                features = self._runtime.features(to_batch(part, self.spec))
            except BatchTooLargeError as error:
                if len(part) == 1:
                    raise EncoderError(
                        f"encoder {self.name}: no memory for one crop", "run with --device cpu"
                    ) from error
                self._batch_size = len(part) // 2
                continue
            vectors[done : done + len(part)] = _normalised(features, done)
            done += len(part)
        return vectors


def _normalised(features: NDArray[np.float32], first: int) -> NDArray[np.float32]:
    """Rows of norm 1. first: number of the first crop, for the message."""
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    bad = np.flatnonzero(~np.isfinite(norms) | (norms == 0))
    if bad.size:
        raise EncoderError(
            f"crop {first + bad[0]}: the encoder's vector is {'zero' if norms[bad[0]] == 0 else 'not finite'}",
            "half precision may overflow: try --device cpu; else the weights are broken",
        )
    return np.asarray(features / norms, np.float32)
