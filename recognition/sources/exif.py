"""What a photo's EXIF block says: how it is to be turned, and when it was taken."""

from __future__ import annotations

from datetime import UTC, datetime, time

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base


def read_exif(picture: Image.Image) -> Image.Exif:
    """The EXIF block; an empty one if there is none or it is damaged, for that must not cost the photo."""
    try:
        return picture.getexif()
    except Exception:  # Pillow lets whatever its parser trips over through
        return Image.Exif()


def orientation(exif: Image.Exif) -> int:
    """EXIF orientation 1 to 8; 1 (upright) when missing or nonsense."""
    value = exif.get(Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def captured_at(exif: Image.Exif) -> str:
    """When the photo was taken, ISO 8601 with offset, or "" when the instant is not known.

    DateTimeOriginal with OffsetTimeOriginal; else the GPS date and time, which are UTC. A camera's local time
    without an offset is no instant: the offset of this machine would be a guess, so such a photo gets "".
    """
    try:
        return _original(exif) or _gps(exif)
    except Exception:  # as above: damaged directories and numbers raise anything
        return ""


def _original(exif: Image.Exif) -> str:
    tags = exif.get_ifd(IFD.Exif)
    when, offset = _text(tags.get(Base.DateTimeOriginal)), _text(tags.get(Base.OffsetTimeOriginal))
    try:
        return datetime.strptime(f"{when}{offset}", "%Y:%m:%d %H:%M:%S%z").isoformat()
    except ValueError:
        return ""


def _gps(exif: Image.Exif) -> str:
    tags = exif.get_ifd(IFD.GPSInfo)
    if GPS.GPSDateStamp not in tags or GPS.GPSTimeStamp not in tags:
        return ""
    day = datetime.strptime(_text(tags[GPS.GPSDateStamp]), "%Y:%m:%d").date()
    hour, minute, second = (int(part) for part in tags[GPS.GPSTimeStamp])
    return datetime.combine(day, time(hour, minute, second), UTC).isoformat()


def _text(value: object) -> str:
    return str(value or "").strip("\0 ")
