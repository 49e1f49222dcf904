"""Any pixel format a picture file can hold becomes sRGB, opaque, 8 bits."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image as Pil
from PIL import ImageCms

from recognition.errors import SourceError
from recognition.types import Image

_PROFILE_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}


def to_bgr(picture: Pil.Image, name: str) -> tuple[Image, tuple[str, ...]]:
    """BGR uint8 (h, w, 3) of a loaded picture, and notes on what could not be honoured.

    16-bit grey is scaled, an embedded colour profile is applied unless it is sRGB already, and what is
    transparent shows white.

    Raises:
        SourceError: the pixels are of a kind that has no brightness scale (32-bit, floating point), or Lab.
    """
    alpha = _alpha(picture)
    base = _base(picture, name)
    rgb, notes = _to_srgb(base, picture.info.get("icc_profile"))
    if alpha is not None:
        rgb = Pil.composite(rgb, Pil.new("RGB", rgb.size, "white"), alpha)
    return cv2.cvtColor(np.asarray(rgb), cv2.COLOR_RGB2BGR).astype(np.uint8, copy=False), notes


def needs_profile(picture: Pil.Image) -> bool:
    """Whether a colour profile is embedded that is not sRGB, so that colours must be converted."""
    embedded: bytes = picture.info.get("icc_profile") or b""
    return embedded != b"" and not _is_srgb(embedded)


def _is_srgb(embedded: bytes) -> bool:
    try:
        return "srgb" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(embedded))).lower()
    except (ImageCms.PyCMSError, OSError):
        return False


def _alpha(picture: Pil.Image) -> Pil.Image | None:
    if not picture.has_transparency_data or picture.mode.startswith("I"):
        return None
    return picture.convert("RGBA").getchannel("A")


def _base(picture: Pil.Image, name: str) -> Pil.Image:
    """The picture as RGB, L or CMYK, without alpha."""
    mode = picture.mode
    if mode.startswith("I;16"):
        # 65535 / 257 = 255; Pillow's own conversion would clip at 255.
        return Pil.fromarray(np.rint(np.asarray(picture) / np.float32(257)).astype(np.uint8))
    if mode in ("I", "F", "LAB"):
        raise SourceError(f"photo {name}: pixels of kind {mode} are not supported", "save it with 8 or 16 bits, RGB")
    if mode in _PROFILE_SPACES:
        return picture
    return picture.convert("L" if mode in ("1", "LA") else "RGB")


def _to_srgb(base: Pil.Image, embedded: bytes | None) -> tuple[Pil.Image, tuple[str, ...]]:
    """`base` as sRGB. A profile made for another kind of pixels (RGB on a grey picture) says nothing and is skipped."""
    if embedded and not _is_srgb(embedded):
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
            if profile.profile.xcolor_space.strip() == _PROFILE_SPACES[base.mode]:
                return _converted(base, profile), ()
        except (ImageCms.PyCMSError, OSError):
            return base.convert("RGB"), ("damaged colour profile: ignored",)
    return base.convert("RGB"), ()


def _converted(base: Pil.Image, profile: ImageCms.ImageCmsProfile) -> Pil.Image:
    converted = ImageCms.profileToProfile(base, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    if converted is None:
        raise ImageCms.PyCMSError("no conversion")
    return converted
