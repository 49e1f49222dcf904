"""Annotated video in pieces: Matroska, whose beginning can be read whatever becomes of its end."""

from __future__ import annotations

import errno
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from recognition.errors import OutputError
from recognition.outputs.files import writing
from recognition.outputs.live_folder import VIDEOS
from recognition.types import Image

_TICK = Fraction(1, 1000)  # Matroska counts in milliseconds
_CODECS = ("libx264", "mpeg4")  # the first that this build of the library has
_OPTIONS = {"preset": "veryfast", "crf": "26", "tune": "zerolatency"}  # of the first codec
_EVEN = 2


class VideoFiles:
    """The video of one source: a file is full after so many bytes or seconds, or when the picture's size changes.

    Files are video/NAME-TIME.mkv. Each cluster is written as soon as it is complete (a second), so that a kill costs no
    more than that.
    """

    def __init__(self, folder: Path, name: str, most_bytes: int, most_seconds: float) -> None:
        """Nothing is opened before the first picture. most_bytes: 0 for no limit.

        Raises:
            OutputError: the folder cannot be made.
        """
        self._folder, self._name = folder / VIDEOS, name
        self._most_bytes, self._most_seconds = most_bytes, most_seconds
        self._container: av.container.OutputContainer | None = None
        self._stream: av.VideoStream | None = None
        self._path, self._first, self._last, self._number = Path(), 0.0, -1, 0
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)

    def add(self, image: Image, seconds: float) -> None:
        """Adds a picture, BGR uint8 (h, w, 3), shown from `seconds` of the source's time on.

        Raises:
            OutputError: the disk is full or not writable; the files so far can be played.
        """
        image = _even(image)
        try:
            if self._container is not None and self._full(image, seconds):
                self.close()
            if self._container is None:
                self._open(image, seconds)
            assert self._container is not None and self._stream is not None
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            self._last = frame.pts = max(self._last + 1, round((seconds - self._first) * 1000))
            frame.time_base = _TICK
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (av.FFmpegError, OSError) as error:
            raise self._translated(error) from error

    def close(self) -> None:
        """Ends the file in hand.

        Raises:
            OutputError: the disk is full; the file can be played up to there.
        """
        container, self._container = self._container, None
        if container is None or self._stream is None:
            return
        try:
            for packet in self._stream.encode():
                container.mux(packet)
        except (av.FFmpegError, OSError) as error:
            raise self._translated(error) from error
        finally:
            self._end(container)

    def _end(self, container: av.container.OutputContainer) -> None:
        try:
            container.close()
        except (av.FFmpegError, OSError) as error:
            raise self._translated(error) from error

    def _open(self, image: Image, seconds: float) -> None:
        height, width = image.shape[:2]
        self._number += 1
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        self._path = self._folder / f"{self._name}-{stamp}-{self._number:04d}.mkv"
        options = {"cluster_time_limit": "1000", "flush_packets": "1"}
        self._container = av.open(str(self._path), "w", format="matroska", options=options)
        codec = next(name for name in _CODECS if name in av.codecs_available)
        stream = self._container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = _TICK
        stream.codec_context.options = _OPTIONS if codec == _CODECS[0] else {}
        stream.codec_context.gop_size = 25
        self._stream = stream
        self._size, self._first, self._last = (width, height), seconds, -1

    def _full(self, image: Image, seconds: float) -> bool:
        long = not 0 <= seconds - self._first < self._most_seconds
        large = 0 < self._most_bytes <= self._path.stat().st_size
        return long or large or self._size != (image.shape[1], image.shape[0])

    def _translated(self, error: Exception) -> OutputError:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        hint = "free some space, then go on with --resume" if full else "check the folder and its permissions"
        return OutputError(f"cannot write {self._path}: {getattr(error, 'strerror', None) or error}", hint)


def _even(image: Image) -> Image:
    """The picture with sides that the pixel format can hold."""
    height, width = image.shape[:2]
    if height % _EVEN or width % _EVEN:
        image = cv2.copyMakeBorder(image, 0, height % _EVEN, 0, width % _EVEN, cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(image)
