"""The small picture kept of each reference: a JPEG of at most 256 pixels."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as Pictures

from recognition.types import Image

MAX_SIDE = 256
QUALITY = 90


def encode_thumbnail(image: Image) -> bytes:
    """An RGB uint8 (h, w, 3) picture as JPEG, its longer side brought down to 256 pixels."""
    picture = Pictures.fromarray(image)
    picture.thumbnail((MAX_SIDE, MAX_SIDE), Pictures.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def decode_thumbnail(data: bytes) -> Image:
    """The picture as RGB uint8 (h, w, 3), read-only."""
    with Pictures.open(io.BytesIO(data)) as picture:
        image = np.array(picture.convert("RGB"))
    image.flags.writeable = False
    return image
