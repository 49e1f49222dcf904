"""What stands behind a camera's address or number, opened and read picture by picture."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from recognition.errors import SourceError
from recognition.sources.av_video import Lost, Shot, open_network
from recognition.sources.choice import ReadOptions
from recognition.sources.lag import StreamLag
from recognition.sources.reader import Opener
from recognition.sources.urls import is_url, mask_secrets, scheme
from recognition.types import Image

SCHEMES = frozenset({"rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "srt", "udp", "rtp", "tcp"})
"""Addresses that a camera may have."""

_CLOCKED = ("rtsp", "rtsps")  # whose times are the camera's; MJPEG over HTTP has none, HLS comes in lumps


def device_number(source: str) -> int | None:
    """The number of a camera on this machine: `0`, `/dev/video0`; None for anything else."""
    digits = source.removeprefix("/dev/video")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 4 else None


def camera_opener(url: str, options: ReadOptions) -> Opener:
    """How that camera is opened.

    Raises:
        SourceError: it is neither an address nor a number.
    """
    number = device_number(url)
    if number is not None:
        return lambda stopped: _device_shots(number, stopped)
    if is_url(url) and scheme(url) in SCHEMES:
        return lambda stopped: _network_shots(url, options, stopped)
    raise SourceError(f"camera {mask_secrets(url)}: no such kind", f"give a number, or {', '.join(sorted(SCHEMES))}")


def _network_shots(url: str, options: ReadOptions, stopped: Callable[[], bool]) -> Iterator[Shot | Lost]:
    video = open_network(url, options)
    try:
        yield from video.live_shots(stopped, StreamLag(options.max_lag_s), scheme(url) in _CLOCKED)
    finally:
        video.close()


def _device_shots(number: int, stopped: Callable[[], bool]) -> Iterator[Shot | Lost]:
    linux, hint = sys.platform == "linux", "check the number, the cable, and that no other program uses it"
    if linux and not Path(f"/dev/video{number}").exists():  # cv2 would write to stderr
        raise SourceError(f"camera {number}: there is none", hint)
    capture = cv2.VideoCapture(number, cv2.CAP_V4L2 if linux else cv2.CAP_ANY)
    try:
        if not capture.isOpened():
            raise SourceError(f"camera {number}: cannot be opened", hint)
        taken = 0
        while not stopped():
            came, image = capture.read()
            if not came:
                raise SourceError(f"camera {number}: gave no frame", "check the cable")
            yield Shot(taken, float("nan"), _held(np.asarray(image, np.uint8)))
            taken += 1
    finally:
        capture.release()


def _held(image: Image) -> Callable[[], Image]:
    return lambda: image
