"""Several streams at once: what each has now, so that models and their batches can be shared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from recognition.sources.reader import StreamStats, Wake
from recognition.types import Failure, Frame

Item = Frame | Failure
"""What a stream gives: a Frame, a Gap that it survived, or a Failure."""

_PATIENCE_S = 0.1  # between two looks at streams that gave no sign, so that time-outs are noticed


class Stream(Protocol):
    """A film or camera. source: its name, passwords masked. live: frames are dropped when nobody asks in time.

    wake: set by the stream when it is worth asking; may be replaced by one that several streams share.
    """

    source: str
    live: bool
    wake: Wake

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""

    @property
    def stats(self) -> StreamStats:
        """Counts so far."""

    def take(self) -> Item | None:
        """The next item if there is one now; a camera never blocks here."""

    def close(self) -> None:
        """Ends the stream, from any thread, signal handler and state."""


def merge_sources(streams: Sequence[Stream]) -> Iterator[list[Item]]:
    """What the streams have now, at most one item of each, in their order; waits until there is one.

    No stream gets a second turn before every other that has something had one. Ends with the last stream, and
    closes all of them when it is left, also by an exception of one of them or of the consumer.
    """
    wake = Wake()
    for stream in streams:
        stream.wake = wake
    try:
        while running := [stream for stream in streams if not stream.ended]:
            wake.clear()
            items = [item for stream in running if (item := stream.take()) is not None]
            if items:
                yield items
            elif not all(stream.ended for stream in running):
                wake.wait(_PATIENCE_S)
    finally:
        for stream in streams:
            stream.close()


def one_by_one(stream: Stream) -> Iterator[Item]:
    """All items of one stream; waits for each, and closes the stream when it is left."""
    rounds = merge_sources([stream])
    try:
        for items in rounds:
            yield from items
    finally:
        stream.close()
