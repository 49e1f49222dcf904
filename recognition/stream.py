"""One stream: opens models and database, keeps the shelf up to date until it is told to stop. What `stream` calls."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from recognition.errors import UsageError
from recognition.live.engine import Engine
from recognition.live.run import Sinks, Stream
from recognition.live.session import Session
from recognition.outputs.live_events import Event
from recognition.outputs.live_folder import LiveFolder, SourceStats
from recognition.outputs.live_pictures import LivePictures, PictureWishes
from recognition.outputs.writer import Mode
from recognition.run import open_recognizer
from recognition.settings import Settings
from recognition.sources.choice import ReadOptions
from recognition.sources.several import Stream as Source
from recognition.sources.video import open_stream
from recognition.types import Failure


def recognize_stream(
    names: Sequence[str],
    reading: ReadOptions,
    db: Path,
    out: Path | None,
    settings: Settings,
    mode: Mode,
    wishes: PictureWishes,
    on_event: Callable[[Event | Failure], None],
) -> tuple[list[SourceStats], int]:
    """Recognises what the sources show until they end, or SIGINT or SIGTERM comes; their figures and the exit code.

    names: paths, URLs, device numbers. out: folder for the results; without one they are only shown. on_event: called
    after each event is written, and for each failure of a source. Exit code: 0 done or stopped, 1 no frame could be
    used, 3 a source failed.

    Raises:
        RecognitionError: the stream as a whole cannot go on; what was written before stays whole.
    """
    if out is None and wishes.video:
        raise UsageError("--save-video needs a folder", "add --out")
    with ExitStack() as stack:
        sources = [stack.enter_context(closing(open_stream(name, reading))) for name in names]
        shown = [source.source for source in sources]
        if len(set(shown)) < len(shown):
            raise UsageError("a source is given twice", "name each once")
        stopped = stack.enter_context(_stop_signals(sources))
        recognizer, _ = stack.enter_context(open_recognizer(settings.for_stream, db))
        folder = LiveFolder.create(out, mode, settings.stream.events_mb) if out is not None else None
        pictures = LivePictures(wishes, out or Path(), shown, settings.stream) if wishes else None
        sessions = [Session(name, settings.stream, recognizer.describe) for name in shown]
        stream = Stream(sources, sessions, Engine(recognizer.detector, recognizer.match))
        stream.run(Sinks(folder, pictures, on_event, settings.stream.interval_s), stopped)
        stats = stream.stats()
        used = any(one.processed for one in stats)
        return stats, 0 if not stream.failures and (used or stopped()) else 3 if used else 1


@contextmanager
def _stop_signals(sources: Sequence[Source]) -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM end the sources inside the block, and thereby all that waits for them; a second one interrupts
    at once. Gives whether one came."""
    told = threading.Event()

    def tell(number: int, frame: object) -> None:
        if told.is_set():
            raise KeyboardInterrupt
        told.set()
        for source in sources:
            source.close()

    if threading.current_thread() is not threading.main_thread():
        yield told.is_set
        return
    former = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told.is_set
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
