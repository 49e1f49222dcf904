"""An encoder that is loaded when the first crop comes: a build in which nothing changed only needs its fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from recognition.embedding.encoder import Encoder
from recognition.embedding.fingerprint import fingerprint, model_key
from recognition.embedding.folder import open_folder
from recognition.embedding.loading import encoder_folder
from recognition.embedding.processor_config import read_spec
from recognition.settings import EmbedSettings
from recognition.types import Image


class LazyEncoder:
    """Implements `Encoder`; its weights were read for the fingerprint, but no model was made of them."""

    def __init__(self, name: str, dim: int, digest: str, load: Callable[[], Encoder]) -> None:
        self.name, self.dim, self.fingerprint = name, dim, digest
        self._load = load
        self._loaded: Encoder | None = None

    def encode(self, crops: Sequence[Image]) -> NDArray[np.float32]:
        """As `Encoder`.

        Raises:
            WeightsError: the model cannot be loaded. EncoderError: it failed.
        """
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded.encode(crops)


def expected_encoder(
    settings: EmbedSettings, dim: int, digest: str, load: Callable[[EmbedSettings], Encoder]
) -> Encoder:
    """The encoder that the settings name; loaded only when needed if its fingerprint is the expected one.

    dim, digest: of the encoder that made the vectors of a database. load: what loads it.

    Raises:
        WeightsError: it is not there, broken, refused, or out of reach.
    """
    path, name = encoder_folder(settings.encoder)
    folder = open_folder(path)
    spec = read_spec(path, settings.fit or folder.recipe.fit or "pad", folder.recipe.size)
    if fingerprint(model_key(folder, spec), dim) != digest:
        return load(settings)
    return LazyEncoder(folder.recipe.name or name, dim, digest, lambda: load(settings))
