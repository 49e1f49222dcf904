"""What a stream shows while it runs: labelled pictures to a video, a page or a window, at a bounded rate."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from recognition.outputs.annotate import annotate
from recognition.outputs.faces import FaceBlur
from recognition.outputs.live_page import LivePage
from recognition.outputs.live_video import VideoFiles
from recognition.outputs.live_windows import LiveWindows
from recognition.settings import StreamSettings
from recognition.types import FrameResult, Image

_QUALITY = 85
_READABLE_PX, _LARGEST = 1280, 3.0  # longest side that a small frame is enlarged to, at most so many times
_TICK_S = 0.001  # frames' times are no exact multiples: a fifth of a second may be a little less
_STRIP = 1.08  # height with the legend, times that of the frame
_RESTS = 2.0  # times as long as drawing took, a camera's next picture waits: recognition goes before pictures


@dataclass(frozen=True)
class PictureWishes:
    """video: save annotated video. window: show a window. page: port of the local page, or None."""

    video: bool = False
    window: bool = False
    page: int | None = None

    def __bool__(self) -> bool:
        return self.video or self.window or self.page is not None


class LivePictures:
    """Draws each source's shelf on its latest frame, at most `settings.picture_fps` times a second of its own time."""

    def __init__(self, wishes: PictureWishes, out: Path, sources: Sequence[str], settings: StreamSettings) -> None:
        """Opens the page, and makes sure that a window can be shown.

        Raises:
            UsageError: there is no display. OutputError: the page or the video cannot be opened.
        """
        self._windows = LiveWindows() if wishes.window else None
        self._settings, self._sources = settings, list(sources)
        self._faces = [FaceBlur() for _ in sources]
        self._shown, self._rests_until = [float("-inf")] * len(sources), [0.0] * len(sources)
        self.page = LivePage(wishes.page, sources) if wishes.page is not None else None
        most = round(settings.video_mb * 1_000_000)
        names = [f"{number}-{_name(source)}" for number, source in enumerate(sources)] if wishes.video else []
        self._videos = [VideoFiles(out, name, most, settings.video_minutes * 60) for name in names]

    def due(self, number: int, seconds: float, live: bool) -> bool:
        """Whether the next picture of a source is due at this time of its own. live: do not fall behind for it."""
        resting = live and time.perf_counter() < self._rests_until[number]
        return not resting and not 0 <= seconds - self._shown[number] < 1 / self._settings.picture_fps - _TICK_S

    def add(self, number: int, result: FrameResult) -> None:
        """Draws, saves and shows a picture of a source.

        Raises:
            OutputError: the disk is full or not writable.
        """
        begun, self._shown[number] = time.perf_counter(), result.frame.seconds
        if self._settings.blur_faces:
            image = self._faces[number].blur(result.frame.image, result.frame.seconds)
            result = replace(result, frame=replace(result.frame, image=image))
        image = _framed(annotate(result), result.frame.image)
        if self._videos:
            self._videos[number].add(image, result.frame.seconds)
        if self.page is not None:
            self.page.show(number, cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes())
        if self._windows is not None:
            self._windows.show(self._sources[number], image)
        self._rests_until[number] = time.perf_counter() + _RESTS * (time.perf_counter() - begun)

    def close(self) -> None:
        """Ends videos, page and windows.

        Raises:
            OutputError: the disk is full; the videos can be played up to there.
        """
        with ExitStack() as stack:
            for video in self._videos:
                stack.callback(video.close)
            if self.page is not None:
                stack.callback(self.page.close)
            if self._windows is not None:
                stack.callback(self._windows.close)


def _framed(drawn: Image, frame: Image) -> Image:
    """A labelled picture at a size that depends on the frame's alone: `annotate` enlarges as the products need."""
    height, width = frame.shape[:2]
    scale = max(1.0, min(_LARGEST, _READABLE_PX / max(height, width)))
    wide, high = round(width * scale), round(height * scale * _STRIP)
    fit = min(wide / drawn.shape[1], high / drawn.shape[0])
    size = max(1, round(drawn.shape[1] * fit)), max(1, round(drawn.shape[0] * fit))
    whole = np.zeros((high, wide, 3), np.uint8)
    whole[: size[1], : size[0]] = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
    return whole


def _name(source: str) -> str:
    """A source as part of a file name; a camera's path and parameters may hold secrets and stay out."""
    words = re.sub(r"^\w+://(?:[^/@]*@)?", "", source).split("?")[0]
    return re.sub(r"[^\w-]+", "_", Path(words).stem or words).strip("_")[:40] or "source"
