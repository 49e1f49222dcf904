"""Films and network cameras opened with PyAV (FFmpeg): pictures in order, each with its time, converted when wanted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path

import av
import av.error
import numpy as np
from av.codec.context import Flags
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from recognition.errors import SourceError, UsageError
from recognition.sources.choice import ReadOptions, parse_time
from recognition.sources.decode import MAX_PIXELS
from recognition.sources.lag import StreamLag
from recognition.sources.urls import is_url, mask_secrets, scheme
from recognition.types import Image

_STILLS = ("image2", "_pipe")  # FFmpeg's readers of single pictures
_EPOCHS = (1904, 1970)  # years that a camera without a clock writes


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture that has been decoded and not yet converted.

    number: of the picture in its film or connection, from 0. seconds: its time since that began. behind_s: how much
    later than the camera's clock says it came, as far as that is known. image: converts it to BGR uint8 (h, w, 3),
    upright.
    """

    number: int
    seconds: float
    image: Callable[[], Image]
    behind_s: float = 0.0


class Lost(Enum):
    """A picture that came and is not shown. BROKEN: could not be decoded. STALE: came too late."""

    BROKEN = "broken"
    STALE = "stale"


class Video:
    """An open film or camera: its first stream of moving pictures. Not for several threads at once."""

    def __init__(self, container: InputContainer, stream: VideoStream, name: str) -> None:
        self._container, self._stream, self._name = container, stream, name
        self._unit = float(stream.time_base or 0) or math.nan
        self._zero = float(stream.start_time or 0)
        stream.codec_context.flags |= Flags.output_corrupt  # else it hides them, and numbers would shift
        self.last_s = 0.0

    def close(self) -> None:
        """Lets go of the file or connection."""
        self._container.close()

    @property
    def length_s(self) -> float:
        """Seconds that the file says it holds, NaN when it does not."""
        stream, stated = self._stream, self._container.duration
        if stream.duration:
            return float(stream.duration * self._unit)
        with suppress(UsageError):
            return parse_time(stream.metadata.get("DURATION", ""))  # Matroska
        alone = len(self._container.streams) == 1 and stated and self._container.format.name != "mpegts"
        return float(stated or 0) / 1e6 if alone else math.nan

    @property
    def created(self) -> datetime | None:
        """When the film began, as far as it says."""
        tags = self._container.metadata
        for tag in ("com.apple.quicktime.creationdate", "creation_time"):
            with suppress(ValueError):
                moment = datetime.fromisoformat(tags.get(tag, ""))
                if moment.tzinfo is not None and moment.year not in _EPOCHS:
                    return moment
        return None

    def shots(self, start: float = 0.0) -> Iterator[Shot | Lost]:
        """Every picture from `start` (seconds) on. What stands before is passed by without decoding it.

        Raises:
            SourceError: the file cannot be read on; `last_s` is where it ended.
        """
        number, floor, packets = self._packets_from(start)
        for packet in packets:
            for frame in self._decoded(packet):
                seconds = math.nan if frame is None else self._seconds(frame.pts)
                if seconds < floor:
                    continue
                if not math.isnan(seconds):
                    self.last_s = seconds + (frame.duration if frame and frame.duration else 0) * self._unit
                yield Lost.BROKEN if frame is None else self._shot(frame, number, seconds)
                number += 1

    def live_shots(self, stopped: Callable[[], bool], lag: StreamLag, timed: bool) -> Iterator[Shot | Lost]:
        """Pictures as they come. Too late ones are skipped up to the next key picture; the decoder never sees them.

        stopped: asked for each packet. timed: the times in the stream are the camera's clock.

        Raises:
            SourceError: the connection broke, gave nothing for the time-out, or ended.
        """
        number, skipping = 0, False
        for packet in self._packets():
            if stopped():
                return
            behind = lag.behind(self._seconds(packet.dts), time.monotonic()) if timed else 0.0
            skipping = lag.too_late(behind) or (skipping and not packet.is_keyframe)
            if skipping:
                yield Lost.STALE
                continue
            for frame in self._decoded(packet):
                yield Lost.BROKEN if frame is None else self._shot(frame, number, math.nan, behind)
                number += 1
        raise SourceError(f"{self._name}: the stream ended")

    def _shot(self, frame: VideoFrame, number: int, seconds: float, behind_s: float = 0.0) -> Shot:
        rate = float(self._stream.average_rate or self._stream.guessed_rate or 25)
        return Shot(number, number / rate if math.isnan(seconds) else seconds, lambda: _image(frame), behind_s)

    def _seconds(self, pts: int | None) -> float:
        return math.nan if pts is None else (pts - self._zero) * self._unit

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        try:
            yield from self._container.demux(self._stream)
        except av.error.FFmpegError as error:
            raise _translated(error, self._name) from error

    def _packets_from(self, start: float) -> tuple[int, float, Iterator[Packet[VideoStream]]]:
        """Number and time of the last key picture at or before `start`, and the packets from it on.

        Pictures are shown in another order than they are stored, but none is stored after the time it is shown at:
        once a packet is due later than `start`, all that come before the key picture have been seen.
        """
        packets, passed, floor = self._packets(), 0, -math.inf
        held: list[Packet[VideoStream]] = []
        for packet in packets if start > 0 else ():
            seconds = self._seconds(packet.pts)
            if packet.is_keyframe and seconds <= start:
                passed, held, floor = passed + len(held), [], seconds
            if not packet.is_discard:
                held.append(packet)
            if math.isnan(seconds) or not packet.size or self._seconds(packet.dts) > start:
                break
        before = sum(self._seconds(packet.pts) < floor for packet in held)
        return passed + before, floor, _chained(held, packets)

    def _decoded(self, packet: Packet[VideoStream]) -> Iterator[VideoFrame | None]:
        """The pictures a packet completes; None for one that cannot be decoded."""
        try:
            frames = packet.decode()
        except av.error.FFmpegError:  # counted by who asked: a camera's damaged picture is no reason to stop
            yield None
            return
        for frame in frames:
            yield None if frame.is_corrupt else frame


def open_film(path: str, options: ReadOptions) -> Video:
    """Opens a film: a file, or the URL of one.

    Raises:
        SourceError: it cannot be reached or is no film.
    """
    # FFmpeg would take a name with a colon for an address.
    address = path if is_url(path) else f"file:{Path(path)}"
    return _opened(address, f"film {mask_secrets(path)}", {}, options, "AUTO")


def open_network(url: str, options: ReadOptions) -> Video:
    """Connects to a camera or live stream; RTSP uses options.transport.

    Raises:
        SourceError: there is no answer within options.open_s, or no stream of pictures.
    """
    # Measured over RTSP: the first picture after 0.4 s, against 1.2 s of counting frames first. `nobuffer` would
    # throw the first key picture away.
    more = {"fpsprobesize": "0"}
    if scheme(url) in ("rtsp", "rtsps"):
        more |= {"rtsp_transport": options.transport, "timeout": str(round(options.read_s * 1e6))}
        more |= {"allowed_media_types": "video"}
    # Threads per picture would each hold one back.
    return _opened(url, f"camera {mask_secrets(url)}", more, options, "SLICE")


def _opened(address: str, name: str, more: dict[str, str], options: ReadOptions, threads: str) -> Video:
    try:
        container = av.open(address, "r", options=more, timeout=(options.open_s, options.read_s))
    except av.error.FFmpegError as error:
        raise _translated(error, name) from error
    try:
        stream = _moving(container, name)
        stream.thread_type = threads
        return Video(container, stream, name)
    except BaseException:
        container.close()
        raise


def _moving(container: InputContainer, name: str) -> VideoStream:
    if container.format.name.endswith(_STILLS):
        raise SourceError(f"{name}: a photo, not a film", "use `run` for photos, or name their folder")
    for stream in container.streams.video:
        context = stream.codec_context
        if context is None or stream.disposition & stream.disposition.attached_pic:
            continue
        if context.width * context.height > MAX_PIXELS:
            raise SourceError(f"{name}: {context.width} x {context.height} pixels are too many", "make it smaller")
        return stream
    raise SourceError(f"{name}: holds no moving pictures that can be decoded", "give a film of H.264, HEVC, AV1, ...")


def _image(frame: VideoFrame) -> Image:
    pixels = frame.to_ndarray(format="bgr24")
    turned = np.rot90(pixels, round(frame.rotation / 90) % 4)
    return np.ascontiguousarray(turned, np.uint8)


def _chained(held: list[Packet[VideoStream]], rest: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    while held:
        yield held.pop(0)
    yield from rest


def _translated(error: av.error.FFmpegError, name: str) -> SourceError:
    # Its own text names the address with the password, and a traceback would show it.
    error.args = tuple(mask_secrets(part) if isinstance(part, str) else part for part in error.args)
    match error:
        case av.error.ExitError():
            return SourceError(f"{name}: no answer in time", "check the network and that it is switched on")
        case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
            return SourceError(f"{name}: access refused", "check user name and password")
        case av.error.HTTPNotFoundError():
            return SourceError(f"{name}: there is no such stream", "check the path of the address")
        case av.error.InvalidDataError():
            hint = "give MP4, MOV, MKV, AVI, WebM, ..., and copy it again if it played before"
            return SourceError(f"{name}: not a film, or cut short or damaged", hint)
    reason = mask_secrets(error.strerror or type(error).__name__)
    return SourceError(f"{name}: cannot be read ({reason})", "check the address, the network and the disk")
