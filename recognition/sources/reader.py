"""One connection to a camera, read by one thread that keeps only the newest picture."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from recognition.sources.av_video import Lost, Shot

Opener = Callable[[Callable[[], bool]], Iterator[Shot | Lost]]
"""Connects and gives pictures as they come, until what it is given says true. May block; runs in the thread."""


@dataclass(frozen=True)
class StreamStats:
    """What a stream did so far.

    frames_read: pictures that came. dropped: those of a camera that were stale before anybody asked. skipped: left
    out by every, fps, start or end. broken: could not be decoded. reconnects: times a camera came back. stuck:
    readers that never returned and still wait. lag_s: age of the latest frame when it was handed out, NaN for files.
    """

    frames_read: int = 0
    dropped: int = 0
    skipped: int = 0
    broken: int = 0
    reconnects: int = 0
    stuck: int = 0
    lag_s: float = float("nan")


class Wake:
    """Ends a wait from any thread, or from a signal handler of the thread that waits: there an Event would deadlock."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[None] = SimpleQueue()  # its put may interrupt its get

    def set(self) -> None:
        """Ends the wait that is, or the next one."""
        self._calls.put(None)

    def clear(self) -> None:
        """Forgets the calls so far."""
        with suppress(Empty):
            while True:
                self._calls.get_nowait()

    def wait(self, timeout_s: float) -> None:
        """Returns after a call, or after so many seconds."""
        with suppress(Empty):
            self._calls.get(timeout=timeout_s)


class Tally:
    """Counts of one source, written by its readers."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.read = self.dropped = self.skipped = self.broken = 0


@dataclass(frozen=True, eq=False)
class Arrival:
    """A picture that came. number: of its source, from 0. received: by the clock of the source, seconds."""

    shot: Shot
    number: int
    received: float


class Reader:
    """A thread that reads one connection until it ends, fails or is told to stop.

    life: when it last gave a picture, or began. ended: the thread has nothing more to say; error: why, if it failed.
    """

    def __init__(
        self,
        opener: Opener,
        takes: Callable[[float], bool],
        tally: Tally,
        clock: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._opener, self._takes, self._tally, self._clock, self._wake = opener, takes, tally, clock, wake
        self._newest: Arrival | None = None
        self._stopped = False
        self.gave = False
        self.ended = False
        self.error: BaseException | None = None
        self.life = clock()
        # A daemon: FFmpeg may block for ever, and must not keep the program from ending.
        self._thread = threading.Thread(target=self._run, name="read-camera", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def take(self) -> Arrival | None:
        """The newest picture, once."""
        with self._tally.lock:
            newest, self._newest = self._newest, None
        return newest

    def stop(self, wait_s: float = 0.0) -> None:
        """Tells the thread to end at its next packet, and waits for it so long."""
        self._stopped = True
        if wait_s:
            self._thread.join(wait_s)

    def _run(self) -> None:
        try:
            shots = self._opener(lambda: self._stopped)
            for shot in shots:
                if self._stopped:
                    break
                self._note(shot)
        except BaseException as error:  # the consumer decides what it means
            self.error = error
        self.ended = True
        self._wake()

    def _note(self, shot: Shot | Lost) -> None:
        now, tally = self._clock(), self._tally
        with tally.lock:
            if shot is Lost.BROKEN:
                tally.broken += 1
                return
            number = tally.read
            tally.read += 1
            if isinstance(shot, Lost):
                tally.dropped += 1
                return
            self.life, self.gave = now, True
            if not self._takes(now):
                tally.skipped += 1
                return
            tally.dropped += self._newest is not None
            self._newest = Arrival(shot, number, now)
        self._wake()
