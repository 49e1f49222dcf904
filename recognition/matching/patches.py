"""Do the patches of a reference come back in a crop, wherever they lie in it?

Keypoints are few on small, blurred or plain packs, and then none agree. The feature map of a network says something of
every patch. Each patch of the reference seeks the most alike one of the crop; the mean of these cosines is the finding:
late interaction (MaxSim of ColBERT, Khattab and Zaharia 2020; between pictures DN4, Li et al. 2019). Of the starter's
layers the end of its tenth block, with patches 16 pixels apart, told look-alikes apart best; it serves beside every
encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recognition.embedding.fingerprint import model_key
from recognition.embedding.folder import open_folder
from recognition.embedding.preprocess import to_batch
from recognition.embedding.processor_config import read_spec
from recognition.embedding.runtimes import AUTO, Model, open_runtime
from recognition.types import Image
from recognition.weights import STARTER_ENCODER, weights_dir

if TYPE_CHECKING:
    from recognition.embedding.towers import ImageTower

BLOCKS, STRIDE = 10, 16
BATCH = 32

Patches = NDArray[np.float32]
"""Vectors of a picture's patches, (m, d), norm 1."""


class PatchNetwork:
    """Pictures to patches. Not for several threads at once."""

    def __init__(self, device: str) -> None:
        """Opens the network. device: as in the settings.

        Raises:
            WeightsError: the weights that ship are missing or broken. EncoderError: the network cannot be run.
        """
        path = weights_dir() / STARTER_ENCODER
        folder = replace(open_folder(path), head=None)
        self._spec = read_spec(path, "pad", folder.recipe.size)

        def load() -> ImageTower:
            from recognition.embedding.patch_tower import PatchTower  # torch: seconds, and mostly not needed

            return PatchTower(folder, self._spec, BLOCKS)

        key = f"{model_key(folder, self._spec)}-{BLOCKS}"
        self._runtime = open_runtime(AUTO, device, Model("patches", key, self._spec.size, load))
        self._grid = self._spec.size[0] // STRIDE

    def patches(self, images: Sequence[Image]) -> list[Patches]:
        """The patches of each picture, at most 100; what only fills the input up to a square is none.

        images: RGB uint8 (h, w, 3), any sizes.

        Raises:
            EncoderError: the network failed.
        """
        found: list[Patches] = []
        for start in range(0, len(images), BATCH):
            part = images[start : start + BATCH]
            maps = self._runtime.features(to_batch(part, self._spec)).reshape(len(part), self._grid**2, -1)
            found += [own[self._shown(image)] for own, image in zip(maps, part, strict=True)]
        return found

    def _shown(self, image: Image) -> NDArray[np.bool_]:
        """Which patches show the picture, by their middles; of a very narrow one those in the middle."""
        side = max(image.shape[:2])
        height, width = (max(length, 1.01 * side / self._grid) for length in image.shape[:2])
        middles = np.abs((np.arange(self._grid) + 0.5) / self._grid - 0.5) * 2 * side
        return np.asarray((middles[:, None] <= height) & (middles <= width)).ravel()


@cache
def patch_network(device: str) -> PatchNetwork:
    """The network of this process on a device. Raises as `PatchNetwork`."""
    return PatchNetwork(device)


def found_again(crop: Patches, reference: Patches) -> float:
    """How well the reference's patches are found in the crop: mean of their best cosines, at most 1."""
    return float((reference @ crop.T).max(axis=1).mean())
