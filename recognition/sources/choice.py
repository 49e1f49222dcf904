"""Which frames of a film or camera are taken, and how long a camera is waited for."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from recognition.errors import UsageError

_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_EXACT = 0.0006  # seconds; Matroska rounds times to milliseconds, and 1/30 s must not be missed for that


@dataclass(frozen=True)
class ReadOptions:
    """every: the first frame of the range and each `every`-th after it. fps: at most so many frames a second, 0 = all.

    start, end: seconds since the film began; frames with start <= time < end. frame_rate: frames per second of a
    folder of frames. transport: `tcp` or `udp`, of RTSP. open_s, read_s: seconds without an answer, or without a
    frame, after which a connection counts as lost. give_up_s: seconds without a frame after which a camera is
    given up, 0 = never. max_lag_s: frames that come later than this behind the camera's clock are dropped unread.

    Raises:
        UsageError: a value makes no sense, or both every and fps are given.
    """

    every: int = 1
    fps: float = 0.0
    start: float = 0.0
    end: float = math.inf
    frame_rate: float = 25.0
    transport: str = "tcp"
    open_s: float = 10.0
    read_s: float = 10.0
    give_up_s: float = 0.0
    max_lag_s: float = 1.0

    def __post_init__(self) -> None:
        wrong = {
            f"every {self.every}: wanted 1 or more": self.every < 1,
            f"fps {self.fps:g}: wanted 0 or more": not 0 <= self.fps < math.inf,
            "every and fps exclude each other": self.every > 1 and self.fps > 0,
            f"start {self.start:g}: wanted 0 or more seconds": not 0 <= self.start < math.inf,
            f"end {self.end:g}: wanted more than start {self.start:g}": not self.end > self.start,
            f"frame rate {self.frame_rate:g}: wanted more than 0": not 0 < self.frame_rate < math.inf,
            f"transport {self.transport}: wanted tcp or udp": self.transport not in ("tcp", "udp"),
            "time-outs: wanted more than 0 seconds": not (0 < self.open_s < math.inf and 0 < self.read_s < math.inf),
            f"give up after {self.give_up_s:g} s: wanted 0 (never) or more": not 0 <= self.give_up_s < math.inf,
            f"lag {self.max_lag_s:g}: wanted more than 0 seconds": not 0 < self.max_lag_s < math.inf,
        }
        for message, holds in wrong.items():
            if holds:
                raise UsageError(message, "see docs/streaming.md")


class Picker:
    """Says of one frame after the other whether it is taken. It is asked in the order of time, once per frame.

    With fps F, the first frame at or after each of start, start + 1/F, start + 2/F, ... is taken, none twice: a film
    with fewer frames than that is taken whole.
    """

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._seen = -1
        self._tick = -1  # the last tick of 1/fps seconds that had its frame

    def takes(self, seconds: float) -> bool:
        """seconds: time of the frame since the stream began; those outside the range are not counted by `every`."""
        options = self._options
        if seconds < options.start - _EXACT or seconds >= options.end - _EXACT:
            return False
        self._seen += 1
        if not options.fps:
            return self._seen % options.every == 0
        tick = math.floor((seconds - options.start + _EXACT) * options.fps)
        due = tick > self._tick
        self._tick = max(tick, self._tick)
        return due

    def ended(self, seconds: float) -> bool:
        """Whether no later frame can be taken."""
        return seconds >= self._options.end - _EXACT


def parse_time(text: str) -> float:
    """Seconds of `90`, `90.5`, `1:30` or `01:02:03.5`.

    Raises:
        UsageError: it is none of these, or its minutes or seconds are 60 or more beside a larger unit.
    """
    found = _CLOCK.fullmatch(text.strip())
    if found:
        hours, minutes, seconds = (float(part or 0) for part in found.groups())
        inside = (found[2] is None or seconds < 60) and (found[1] is None or minutes < 60)
        if inside:
            return hours * 3600 + minutes * 60 + seconds
    raise UsageError(f"{text} is no time", "write seconds (90.5), 1:30 or 01:02:03")
