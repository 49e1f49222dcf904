"""A camera or live stream: always the newest frame, reconnected when lost, and never a call that blocks for ever."""

from __future__ import annotations

import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from recognition.errors import SourceError, UsageError
from recognition.sources.choice import Picker, ReadOptions
from recognition.sources.network import camera_opener
from recognition.sources.reader import Arrival, Opener, Reader, StreamStats, Tally, Wake
from recognition.sources.several import Item, one_by_one
from recognition.sources.urls import mask_secrets
from recognition.types import Failure, Frame, Gap

FIRST_DELAY_S, LAST_DELAY_S = 0.5, 30.0
"""Bounds of the time between two attempts to connect, seconds."""

MAX_STUCK = 3
"""Readers that may hang in a library at one time; no further connection is tried before one of them returns."""

_GRACE_S = 2.0  # that a library may take beyond its own time-out
_CLOSE_S = 0.3  # that closing waits for the reader


class LiveSource:
    """Frames of a camera as they are now: those nobody asked for in time are dropped and counted.

    `take` never blocks, and drives everything: it hands out the newest frame, gives up a reader that has given
    nothing for the time-outs, and connects again after a delay that doubles from 0.5 to 30 s, drawn between half
    of it and all of it. The delay starts anew once a connection has lasted longer than it. A frame that has been
    handed out is never older than the time since the reader got it, whatever the consumer does.

    Not for several threads at once, but for `close`, `stats` and `wake`.
    """

    def __init__(
        self,
        url: str,
        options: ReadOptions | None = None,
        opener: Opener | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """url: rtsp, http(s) and the like, or a device number. Connects when the first frame is asked for.

        opener, clock (never goes back), now (since 1970), draw (uniform): for tests.

        Raises:
            SourceError: no camera can be meant.
            UsageError: start or end is given, which only films have.
        """
        self.options = options or ReadOptions()
        if self.options.start or not math.isinf(self.options.end):
            raise UsageError(f"camera {mask_secrets(url)}: start and end are for films", "leave them out")
        self.source, self.live = mask_secrets(url), True
        self.wake = Wake()
        self._opener = opener or camera_opener(url, self.options)
        self._clock, self._now, self._draw = clock, now, draw
        self._tally, self._waiting = Tally(), deque[Item]()
        self._reader: Reader | None = None
        self._stuck: list[Reader] = []
        self._closed = self._given_up = False
        self._begun = self._last = math.nan  # of the connection; of the last frame, or of the first question
        self._delay, self._retry_at = 0.0, -math.inf
        self._gap: Gap | None = None
        self._size: tuple[int, ...] = ()
        self._reconnects, self._lag_s = 0, math.nan

    @property
    def ended(self) -> bool:
        """Whether nothing more will come: closed, or given up."""
        return self._closed or (self._given_up and not self._waiting)

    @property
    def stats(self) -> StreamStats:
        """Counts so far."""
        with self._tally.lock:
            tally = self._tally
            counts = (tally.read, tally.dropped, tally.skipped, tally.broken)
        return StreamStats(*counts, self._reconnects, sum(r.alive for r in list(self._stuck)), self._lag_s)

    def frames(self) -> Iterator[Frame | Failure]:
        """Frames, Gaps, and one Failure at the end if it is given up; waits for each. Closes when left."""
        return one_by_one(self)

    def take(self) -> Item | None:
        """The next item if there is one now.

        Raises:
            Exception: whatever the reader raised that is no SourceError: a fault of the program.
        """
        if not self._waiting and not self._closed and not self._given_up:
            self._step()
        return self._waiting.popleft() if self._waiting and not self._closed else None

    def close(self) -> None:
        """Ends the stream, from any thread, signal handler and state. A reader that hangs is left to its time-out."""
        again, self._closed = self._closed, True
        self.wake.set()
        reader = self._reader
        if reader is not None and not again:
            reader.stop(_CLOSE_S)

    def _step(self) -> None:
        now, reader = self._clock(), self._reader
        if math.isnan(self._last):
            self._last = now
        if reader is None:
            self._try_again(now)
            return
        ended = reader.ended  # before the last picture is taken
        if arrival := reader.take():
            self._hand_out(arrival)
        elif ended:
            self._lose(reader, now)
        elif now - reader.life > self._patience(reader):
            reader.error = SourceError(f"camera {self.source}: no frame for {now - reader.life:.0f} s")
            self._lose(reader, now)
        self._give_up(now)

    def _patience(self, reader: Reader) -> float:
        return self.options.read_s + _GRACE_S + (0 if reader.gave else self.options.open_s)

    def _try_again(self, now: float) -> None:
        self._stuck = [reader for reader in self._stuck if reader.alive]
        if now >= self._retry_at and len(self._stuck) < MAX_STUCK:
            self._begun, picker = now, Picker(self.options)
            self._reader = Reader(
                self._opener, lambda at: picker.takes(at - now), self._tally, self._clock, lambda: self.wake.set()
            )
            if self._closed:  # meanwhile
                self._reader.stop()
        self._give_up(now)

    def _hand_out(self, arrival: Arrival) -> None:
        image, at = arrival.shot.image(), self._epoch(arrival.received)
        if self._gap is not None:
            self._waiting.append(Gap(**{**vars(self._gap), "until": at}))
            self._reconnects += self._gap.frame > 0
            self._gap = None
        elif self._size and image.shape != self._size:
            words = "frame size changed from {1} x {0} to {3} x {2}".format(*self._size[:2], *image.shape[:2])
            self._waiting.append(Gap(self.source, arrival.number, "read", words, since=at, until=at))
        self._size, self._last = image.shape, arrival.received
        moment = datetime.fromtimestamp(at, UTC).astimezone().isoformat(timespec="milliseconds")
        self._waiting.append(Frame(self.source, arrival.number, image, moment, seconds=at))
        self._lag_s = self._clock() - arrival.received + arrival.shot.behind_s

    def _lose(self, reader: Reader, now: float) -> None:
        """Lets the connection go, opens the gap and sets the time of the next attempt."""
        error = reader.error
        reader.stop()
        self._reader = None
        if error is not None and not isinstance(error, SourceError):
            self.close()
            raise error
        if reader.alive:
            self._stuck.append(reader)
        why, hint = (error.message, error.hint) if error else ("the stream ended", "")
        if self._gap is None:
            self._gap = Gap(self.source, self._tally.read, "read", why, hint, self._epoch(self._last))
            self._waiting.append(self._gap)
        lasted = reader.gave and now - self._begun > self._delay
        self._delay = min(FIRST_DELAY_S * 2 if lasted or not self._delay else self._delay * 2, LAST_DELAY_S)
        self._retry_at = now + self._draw(self._delay / 2, self._delay)

    def _give_up(self, now: float) -> None:
        if not self.options.give_up_s or now - self._last < self.options.give_up_s or self._waiting:
            return
        why = self._gap.error if self._gap else f"camera {self.source}: no frame came"
        hint = "check the camera, or wait longer with --give-up"
        self._given_up = True
        if self._reader is not None:
            self._reader.stop()
        words = f"{why}; given up after {now - self._last:.0f} s without a frame"
        self._waiting.append(Failure(self.source, self._tally.read, "read", words, hint))

    def _epoch(self, moment: float) -> float:
        """A moment of the own clock in seconds since 1970; asked anew, for that clock may be set."""
        return self._now() - (self._clock() - moment)
