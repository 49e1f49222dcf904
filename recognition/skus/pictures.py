"""A reference's picture: how its content is known again, and how it is made ready for the encoder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.errors import SourceError
from recognition.skus.packshot import VERSION, trim_border
from recognition.types import Image


def content_hash(path: Path) -> str:
    """Digest of a picture file and of how packshots are cut.

    Raises:
        SourceError: the file cannot be read.
    """
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16, person=VERSION).hexdigest()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}", "check the file and its rights") from error


def vector_hash(vector: NDArray[np.floating]) -> str:
    """Digest of a vector without a picture (dim,), as it is stored."""
    return hashlib.blake2b(vector.astype("<f2").tobytes(), digest_size=16).hexdigest()


def load_packshot(path: Path) -> Image:
    """The picture as it is embedded: RGB uint8 (h, w, 3) without its white border.

    Raises:
        SourceError: it cannot be read as a picture.
    """
    # Only now: decoding loads OpenCV, which adding ready vectors does not need.
    from recognition.sources.decode import read_image

    return trim_border(np.ascontiguousarray(read_image(path).image[:, :, ::-1]))
