"""Films made on the spot: frame i of a film shows the number i."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE = (64, 48)  # width, height, pixels
_BITS = 8


def numbered(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """BGR picture: eight fields, black or white, side by side: the bits of `number`, highest first."""
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    for bit in range(_BITS):
        if number >> (_BITS - 1 - bit) & 1:
            image[:, bit * width // _BITS : (bit + 1) * width // _BITS] = 255
    return image


def number_of(image: np.ndarray) -> int:
    """The number that a picture of `numbered` shows, after whatever compression."""
    middle = image[image.shape[0] // 2, :, 1]
    columns = [(2 * bit + 1) * len(middle) // (2 * _BITS) for bit in range(_BITS)]
    return int("".join(str(int(middle[column] > 127)) for column in columns), 2)


def write_film(
    path: Path,
    count: int = 25,
    rate: int = 25,
    times: Sequence[float] = (),
    size: tuple[int, int] = SIZE,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    created: str = "",
    gop: int = 10,
    codec_options: dict[str, str] | None = None,
) -> Path:
    """Writes a film in the format of its suffix. times: seconds of each frame, instead of a steady `rate`."""
    with av.open(str(path), "w", options=options or {}) as film:
        if created:
            film.metadata["creation_time"] = created
        stream = film.add_stream(codec, rate=rate, options=codec_options or {})
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.gop_size = gop
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(numbered(number, size), format="bgr24")
            frame.time_base = Fraction(1, 1000)
            frame.pts = round(1000 * (times[number] if times else number / rate))
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return path
