"""A network cut off in the middle, whose feature map is given out as it is: what stands where in a picture."""

from __future__ import annotations

from typing import Any

import torch

from recognition.embedding.folder import ModelFolder
from recognition.embedding.preprocess import PreprocessSpec
from recognition.embedding.towers import ImageTower


class PatchTower(ImageTower):
    """The first blocks of an EfficientNet: uint8 (n, h, w, 3) RGB -> float32 (n, rows * columns * channels), the
    vectors of the map's places, each of norm 1, row by row."""

    def __init__(self, folder: ModelFolder, spec: PreprocessSpec, blocks: int) -> None:
        """Loads the first `blocks` blocks in float32 on the CPU.

        Raises:
            WeightsError: as `ImageTower`.
        """
        self.blocks = blocks  # asked for while the tower is tried out
        super().__init__(folder, spec)

    def _run(self, pictures: torch.Tensor) -> Any:
        maps = self.model.embeddings(self._pixels(pictures))
        for block in self.model.encoder.blocks[: self.blocks]:
            maps = block(maps)
        return maps

    def _feature(self, output: Any) -> torch.Tensor:
        return torch.nn.functional.normalize(output.permute(0, 2, 3, 1).float(), dim=3).flatten(1)
