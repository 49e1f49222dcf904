"""The model in torch: float32 on the CPU, half precision on a GPU."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from recognition.embedding.runtimes import TORCH, BatchTooLargeError, Model
from recognition.errors import EncoderError


class TorchRuntime:
    """Implements `Runtime`. Bytes go to the GPU through pinned memory; normalising happens there."""

    name = TORCH
    exact = True

    def __init__(self, model: Model, device: str) -> None:
        """Loads the model. device: as torch calls it. CUDA takes float16, the CPU always float32: bfloat16 is several
        times slower on most.

        Raises:
            WeightsError: the model cannot be loaded.
        """
        tower = model.load()
        self.dim = tower.dim
        self._name, self._device = model.name, torch.device(device)
        if self._device.type == "cuda":
            tower.model.half()
        self.tower = tower.to(self._device)
        self._staging = torch.empty((0, *model.size, 3), dtype=torch.uint8)

    @torch.inference_mode()
    def features(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Runtime`.

        Raises:
            EncoderError: the model failed. BatchTooLargeError: there is no memory for the batch.
        """
        try:
            features: NDArray[np.float32] = self.tower(self._on_device(batch)).cpu().numpy()
            return features
        except torch.OutOfMemoryError as error:
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
            raise BatchTooLargeError(f"encoder {self._name}: no memory for {len(batch)} crops") from error
        except RuntimeError as error:
            raise EncoderError(f"encoder {self._name}: {error}", "try --device cpu") from error

    def _on_device(self, batch: NDArray[np.uint8]) -> torch.Tensor:
        pictures = torch.from_numpy(batch)
        if self._device.type != "cuda":
            return pictures.to(self._device)
        if len(self._staging) < len(batch):
            self._staging = torch.empty(batch.shape, dtype=torch.uint8, pin_memory=True)
        staged = self._staging[: len(batch)].copy_(pictures)
        # The copy is done before the staging memory is used again: features() waits for its answer.
        return staged.to(self._device, non_blocking=True)
