"""The loop of a stream: reads the sources, steps the engine, writes what happened, until all end or it is stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from recognition.live.engine import Engine
from recognition.live.session import Session
from recognition.outputs.live_events import Event
from recognition.outputs.live_folder import LiveFolder, SourceStats
from recognition.outputs.live_pictures import LivePictures
from recognition.sources.several import Item, merge_sources
from recognition.sources.several import Stream as Source
from recognition.types import Failure, Frame, FrameResult, Gap

_NO_CLOCK_S = 1.0  # seconds between frames of a source that has no times


@dataclass(frozen=True)
class Sinks:
    """Where results go. on_event: called after each event is on the disk, and for each failure of a source."""

    folder: LiveFolder | None
    pictures: LivePictures | None
    on_event: Callable[[Event | Failure], None]
    interval_s: float


class Stream:
    """Sources, the sessions that go with them, and the engine they share."""

    def __init__(
        self,
        sources: Sequence[Source],
        sessions: Sequence[Session],
        engine: Engine,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """clock: seconds that never go back. now: seconds since the epoch, which a camera's frames carry."""
        self._sources, self.sessions, self._engine = list(sources), list(sessions), engine
        self._numbers = {source.source: number for number, source in enumerate(sources)}
        self._clock, self._now = clock, now
        self._begun = clock()
        self._lags: list[float | None] = [None] * len(sources)
        self.failures = 0

    def run(self, sinks: Sinks, stopped: Callable[[], bool] = lambda: False) -> None:
        """Runs until every source has ended; files are complete then. stopped: whether somebody ended them.

        Raises:
            RecognitionError: the models or the database fail, or the disk is full. What was written before stays whole,
            and stats.json says `failed` where it can still be written.
        """
        state, written = "failed", -math.inf
        try:
            for moment in merge_sources(self._sources):
                self._moment(moment, sinks)
                if self._clock() - written >= sinks.interval_s:
                    self._write(sinks)
                    written = self._clock()
            state = "stopped" if stopped() else "done"
        finally:
            self._close(sinks, state)

    def stats(self) -> list[SourceStats]:
        """Figures of each source."""
        seconds = max(self._clock() - self._begun, 1e-6)
        return [
            SourceStats(
                source=source.source,
                frames_read=source.stats.frames_read,
                dropped=source.stats.dropped,
                left_out=source.stats.skipped,
                broken=source.stats.broken,
                reconnects=source.stats.reconnects,
                processed=session.processed,
                skipped=session.skipped,
                failed=session.failed,
                boxes=session.boxes,
                embeddings=session.embeddings,
                gaps=session.gaps,
                products=len(session.shelf.present),
                held=len(session.shelf.items) + len(session.tracks),
                fps=round((session.processed + session.skipped) / seconds, 2),
                lag_s=lag,
            )
            for source, session, lag in zip(self._sources, self.sessions, self._lags, strict=True)
        ]

    def shelves(self) -> list[FrameResult]:
        """What stands on the shelf of each source that has given a frame."""
        return [shelf for session in self.sessions if (shelf := session.planogram()) is not None]

    def _moment(self, moment: Sequence[Item], sinks: Sinks) -> None:
        frames = [(self._numbers[item.source], _timed(item)) for item in moment if isinstance(item, Frame)]
        events = [self.sessions[self._numbers[gap.source]].gap(gap) for gap in moment if isinstance(gap, Gap)]
        for item in moment:
            if isinstance(item, Failure) and not isinstance(item, Gap):
                self._fail(item, sinks)
        events += self._engine.step([(self.sessions[number], frame) for number, frame in frames])
        if sinks.folder is not None:
            sinks.folder.write(events)
        for event in events:
            sinks.on_event(event)
        for number, frame in frames:
            live = self._sources[number].live
            self._lags[number] = round(self._now() - frame.seconds, 3) if live else None
            if sinks.pictures is not None and sinks.pictures.due(number, frame.seconds, live):
                picture = self.sessions[number].picture()
                if picture is not None:
                    sinks.pictures.add(number, picture)

    def _fail(self, failure: Failure, sinks: Sinks) -> None:
        self.failures += 1
        if sinks.folder is not None:
            sinks.folder.fail(failure)
        sinks.on_event(failure)

    def _write(self, sinks: Sinks) -> None:
        stats = self.stats()
        if sinks.folder is not None:
            sinks.folder.show(self.shelves(), stats)
        if sinks.pictures is not None and sinks.pictures.page is not None:
            sinks.pictures.page.tell(stats)

    def _close(self, sinks: Sinks, state: str) -> None:
        with ExitStack() as stack:
            if sinks.folder is not None:
                stack.callback(sinks.folder.close, self.shelves(), self.stats(), state)
            if sinks.pictures is not None:
                stack.callback(sinks.pictures.close)


def _timed(frame: Frame) -> Frame:
    return replace(frame, seconds=frame.index * _NO_CLOCK_S) if math.isnan(frame.seconds) else frame
