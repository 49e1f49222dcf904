"""Words as vectors in the space of an encoder's pictures, for encoders that have a text tower."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recognition.devices import best_device
from recognition.embedding.folder import open_folder
from recognition.embedding.loading import encoder_folder
from recognition.embedding.text_tower import load_text_tower
from recognition.errors import EncoderError, WeightsError
from recognition.settings import EmbedSettings


class TextEncoder:
    """Embeds texts. The cosine of a text and a picture says how well they fit, for ranking; it is far below that of
    two pictures of one product, so a database's thresholds do not apply."""

    def __init__(self, path: Path, name: str, settings: EmbedSettings) -> None:
        """Loads the text half of a folder. name: used unless recognition.json gives one.

        Raises:
            WeightsError: the model has no text tower, a head or pooling takes its pictures elsewhere, or a file is
                missing, broken or refused.
        """
        folder = open_folder(path)
        self.name = folder.recipe.name or name
        if folder.head is not None or folder.recipe.pooling != "model":
            moved = "head.safetensors" if folder.head is not None else f"pooling {folder.recipe.pooling}"
            hint = "take the encoder without it, such as --encoder siglip"
            raise WeightsError(f"encoder {path}: {moved} takes pictures into a space that has no words", hint)
        tower = load_text_tower(folder)
        self.dim = tower.dim
        self._device = torch.device(best_device(settings.device))
        self._tower = tower.to(self._device)
        self._batch_size = settings.batch_size

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (n, dim) float32 of norm 1, in order; (0, dim) for no texts. A text too long is cut at its end.

        Raises:
            EncoderError: the model failed or gave no usable vector.
        """
        vectors = np.empty((len(texts), self.dim), np.float32)
        for first in range(0, len(texts), self._batch_size):
            part = texts[first : first + self._batch_size]
            try:
                features = self._tower(self._tower.tokenise(part).to(self._device)).cpu().numpy()
            except RuntimeError as error:
                raise EncoderError(f"encoder {self.name}: {error}", "try --device cpu") from error
            norms = np.linalg.norm(features, axis=1, keepdims=True)
            if not (np.isfinite(norms) & (norms > 0)).all():
                raise EncoderError(
                    f"encoder {self.name}: a text's vector is zero or not finite", "the weights are broken"
                )
            vectors[first : first + len(part)] = features / norms
        return vectors


def load_text_encoder(settings: EmbedSettings) -> TextEncoder:
    """The text side of the encoder that the settings name; its vectors compare with those of `load_encoder`.

    Raises:
        WeightsError: it has no text tower, is not there, broken, refused, or out of reach.
    """
    path, name = encoder_folder(settings.encoder)
    return TextEncoder(path, name, settings)
