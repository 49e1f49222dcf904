"""Encoder over any transformers image model in a local folder, run by torch in batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recognition.devices import best_device
from recognition.embedding.fingerprint import fingerprint
from recognition.embedding.folder import open_folder
from recognition.embedding.preprocess import check_crops, to_batch
from recognition.embedding.processor_config import read_spec
from recognition.embedding.towers import ImageTower
from recognition.errors import EncoderError
from recognition.settings import EmbedSettings
from recognition.types import Image


class HuggingFaceEncoder:
    """Implements `Encoder`: preprocessing, forward pass and normalising, one batch after the other."""

    def __init__(self, path: Path, name: str, settings: EmbedSettings) -> None:
        """Loads a folder in Hugging Face layout (see folder.py). name: used unless recognition.json gives one.

        Weights are run in float32 on the CPU and in half precision on CUDA, whatever they are stored in.

        Raises:
            WeightsError: a file is missing, broken or refused.
        """
        folder = open_folder(path)
        self.name = folder.recipe.name or name
        self.spec = read_spec(path, settings.fit or folder.recipe.fit or "pad", folder.recipe.size)
        tower = ImageTower(folder, self.spec)
        self.dim = tower.dim
        self.fingerprint = fingerprint(folder, self.spec, self.dim)
        self._device = torch.device(best_device(settings.device))
        if self._device.type == "cuda":
            tower.model.half()
        self._tower = tower.to(self._device)
        self._batch_size = settings.batch_size

    def encode(self, crops: Sequence[Image]) -> NDArray[np.float32]:
        """Vectors (n, dim) float32 of norm 1, in order; (0, dim) for no crops. crops: RGB uint8 (h, w, 3), any sizes.

        A batch that does not fit into GPU memory is halved, for good.

        Raises:
            EncoderError: a crop is empty, or the model failed or gave no usable vector.
        """
        check_crops(crops)
        vectors = np.empty((len(crops), self.dim), np.float32)
        done = 0
        while done < len(crops):
            part = crops[done : done + self._batch_size]
            features = self._features(to_batch(part, self.spec))
            if features is None:
                self._batch_size = len(part) // 2
                continue
            vectors[done : done + len(part)] = _normalised(features, done)
            done += len(part)
        return vectors

    @torch.inference_mode()
    def _features(self, batch: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Features of a batch, or None when it must be halved."""
        try:
            features: NDArray[np.float32] = self._tower(torch.from_numpy(batch).to(self._device)).cpu().numpy()
            return features
        except torch.OutOfMemoryError as error:
            if len(batch) == 1:
                raise EncoderError(f"encoder {self.name}: no memory for one crop", "run with --device cpu") from error
        except RuntimeError as error:
            raise EncoderError(f"encoder {self.name}: {error}", "try --device cpu") from error
        torch.cuda.empty_cache()
        return None


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
