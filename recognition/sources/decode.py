"""A picture file becomes upright BGR pixels, or one sentence that says why not."""

from __future__ import annotations

import errno
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import cv2
import numpy as np
import pillow_heif
import simplejpeg
from PIL import Image as Pil
from PIL import UnidentifiedImageError

from recognition.errors import SourceError
from recognition.sources.colour import needs_profile, to_bgr
from recognition.sources.exif import captured_at, orientation, read_exif
from recognition.sources.inputs import not_a_file
from recognition.types import Image

MAX_PIXELS = 200_000_000
"""Default bound, pixels: the largest phone cameras make 200-megapixel photos."""

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIF")
_SEVERAL = {"TIFF": "several pages: first page used", "HEIF": "several pictures: main one used"}

pillow_heif.register_heif_opener()
# Pillow's own bound warns at 89 megapixels and refuses at 179, process-wide; `max_pixels` is checked here instead.
Pil.MAX_IMAGE_PIXELS = None
# Damaged EXIF costs no photo, and a warning without a file name helps nobody.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """image: BGR uint8 (h, w, 3), upright, sRGB. captured_at: ISO 8601 with offset, or "". notes: for the user."""

    image: Image
    captured_at: str = ""
    notes: tuple[str, ...] = ()


def read_image(path: str | Path, max_pixels: int = MAX_PIXELS) -> DecodedImage:
    """Reads JPEG, PNG, WebP, TIFF, BMP, GIF or HEIC, told apart by content and not by suffix.

    EXIF orientation is applied, colours become sRGB, alpha is laid on white. Of several frames or pages the
    first is taken, with a note. max_pixels: a picture with more (width x height) is refused before decoding.

    Raises:
        SourceError: missing, not readable, empty, not a picture, cut short or damaged, or too large.
    """
    name = str(path)
    with _opened(name) as file:
        try:
            with Pil.open(file, formats=_FORMATS) as picture:
                _check_size(picture, name, max_pixels)
                return _decoded(picture, file, name)
        except SourceError:
            raise
        except UnidentifiedImageError as error:
            kinds = "JPEG, PNG, WebP, TIFF, BMP, GIF or HEIC"
            raise SourceError(f"photo {name}: not a picture, or its beginning is damaged", f"give {kinds}") from error
        except MemoryError as error:
            raise SourceError(f"photo {name}: not enough memory to decode it", "make it smaller") from error
        except Exception as error:  # decoders fed with broken bytes raise nearly every kind there is
            hint = "copy it again from the camera, or take it again"
            raise SourceError(f"photo {name}: cut short or damaged ({_one_line(error)})", hint) from error


def _opened(name: str) -> IO[bytes]:
    """The file, not empty. A pipe or device is refused: opening one could wait for ever."""
    path = Path(name)
    try:
        if not name or not path.is_file():
            raise not_a_file(name)
        if path.stat().st_size == 0:
            raise SourceError(f"photo {name}: the file is empty", "copy it again from the camera")
        return path.open("rb")
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise SourceError(f"photo {name}: no permission to read it", "change its permissions") from error
        raise SourceError(f"photo {name}: cannot be read ({_one_line(error)})", "check the disk or drive") from error


def _check_size(picture: Pil.Image, name: str, max_pixels: int) -> None:
    width, height = picture.size
    if width * height > max_pixels:
        size = f"{width} x {height} pixels ({width * height / 1e6:.1f} megapixels)"
        raise SourceError(f"photo {name}: {size}, the bound is {max_pixels / 1e6:.1f}", "make it smaller first")


def _decoded(picture: Pil.Image, file: IO[bytes], name: str) -> DecodedImage:
    several = _several(picture)
    image, notes = _pixels(picture, file, name)
    # Read after the pixels: Pillow turns TIFF, and libheif HEIC, while decoding, and then takes the tag away.
    exif = read_exif(picture)
    return DecodedImage(_turned(image, orientation(exif)), captured_at(exif), several + notes)


def _several(picture: Pil.Image) -> tuple[str, ...]:
    """A note if the file holds more than is used. Phones put previews and depth into MPO: nothing worth a note."""
    if picture.format in ("JPEG", "MPO") or not getattr(picture, "is_animated", False):
        return ()
    return (_SEVERAL.get(str(picture.format), "animated: first frame used"),)


def _pixels(picture: Pil.Image, file: IO[bytes], name: str) -> tuple[Image, tuple[str, ...]]:
    """Pixels and notes. Plain JPEG goes through simplejpeg, twice as fast; what it refuses, Pillow decides."""
    if picture.format not in ("JPEG", "MPO") or picture.mode not in ("RGB", "L"):
        picture.load()
        return to_bgr(picture, name)
    profiled = needs_profile(picture)
    place = file.tell()
    file.seek(0)
    data = file.read()
    file.seek(place)
    try:
        pixels = simplejpeg.decode_jpeg(data, colorspace="RGB" if profiled else "BGR")
    except ValueError:
        picture.load()
        image, notes = to_bgr(picture, name)
        return image, (*notes, "damaged JPEG: parts may be missing")
    if not profiled:
        return pixels, ()
    decoded = Pil.fromarray(pixels).convert(picture.mode)
    decoded.info["icc_profile"] = picture.info["icc_profile"]
    return to_bgr(decoded, name)


def _turned(image: Image, how: int) -> Image:
    """The image after EXIF orientation `how` (1 to 8), contiguous."""
    if how in (5, 6, 7, 8):
        image = np.asarray(cv2.transpose(image), np.uint8)
    flips = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}
    return np.asarray(cv2.flip(image, flips[how]), np.uint8) if how in flips else image


def _one_line(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join((reason or type(error).__name__).split())
