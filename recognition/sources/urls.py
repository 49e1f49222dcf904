"""Addresses of cameras: told apart from paths, and written without their secrets."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_USER = re.compile(r"(?<=://)(?P<user>[^/?#:@\s'\"]*):(?P<secret>[^\s'\"]*)@")
_KEYS = "pass|passwd|password|pwd|token|access_token|auth|key|api_?key|secret|sig|signature|psw"
_QUERY = re.compile(rf"(?P<key>[?&;](?:{_KEYS})=)[^&;#\s'\"]*", re.IGNORECASE)
_MASK = "***"


def is_url(source: str) -> bool:
    """Whether a source is an address (`rtsp://...`) and not a path or a device number."""
    return _SCHEME.match(source) is not None


def scheme(url: str) -> str:
    """The part before `://`, in small letters."""
    return url.split("://", 1)[0].lower()


def url_suffix(url: str) -> str:
    """The suffix of the address's path, in small letters (`.mp4`), or ""."""
    return PurePosixPath(urlsplit(url).path).suffix.lower()


def mask_secrets(text: str) -> str:
    """The text with `***` for every password in an address and every secret of its query; user names stay.

    A password may hold `/`, `?`, `#` or `@` though it should not: then all up to the last `@` is hidden.
    """
    return _QUERY.sub(rf"\g<key>{_MASK}", _USER.sub(rf"\g<user>:{_MASK}@", text))
