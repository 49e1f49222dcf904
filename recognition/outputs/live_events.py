"""events.jsonl: what happens on a shelf, one JSON object a line, each on the disk before it counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from recognition.outputs.files import GrowingFile, sync_folder, writing

EVENTS = "events.jsonl"
_OLDER = "events-{:06d}.jsonl"


class EventKind(StrEnum):
    """appeared: a product stands where none was known. recognized: its SKU is known now. changed: another SKU than
    before stands there. moved: it stands elsewhere. disappeared: its place was seen without it. restocked: the SKU that
    had disappeared is back in its place. gap: the source gave no pictures for a while."""

    APPEARED = "appeared"
    RECOGNIZED = "recognized"
    CHANGED = "changed"
    MOVED = "moved"
    DISAPPEARED = "disappeared"
    RESTOCKED = "restocked"
    GAP = "gap"


Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Event:
    """One line. time: ISO 8601 with offset, or "" when the source has no clock; seconds: of the source's own time.

    Both say when it began, which is up to a second or so before it is sure and written. track: number of the product
    within its source and run, from 1; 0 for a gap. box: pixels of the shelf as the source first saw it, or None for a
    gap. sku: "" when unknown. confidence: of the SKU, 0..1, or None. was: former SKU of `changed`, former box of
    `moved`, cause of a gap; else None.
    """

    time: str
    seconds: float
    source: str
    event: EventKind
    track: int = 0
    box: Box | None = None
    sku: str = ""
    confidence: float | None = None
    was: str | Box | None = None

    def line(self) -> bytes:
        """The line in ASCII, with its end; numbers are rounded, and an unknown time is null."""
        values = asdict(self)
        values["seconds"] = round(self.seconds, 3) if self.seconds == self.seconds else None
        values["confidence"] = None if self.confidence is None else round(self.confidence, 4)
        for name in ("box", "was"):
            if isinstance(values[name], tuple):
                values[name] = [round(edge, 1) for edge in values[name]]
        return json.dumps(values).encode("ascii") + b"\n"


class EventLog:
    """The events of a stream. When events.jsonl is full it becomes events-000001.jsonl and so on; none is removed."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """Goes on with what the folder holds; a line cut short by a kill is cut off. most_bytes: 0 for no limit.

        Raises:
            OutputError: the folder cannot be written.
        """
        self._folder, self._most = folder, most_bytes
        path = folder / EVENTS
        self._file = GrowingFile(path, _whole_lines(path))

    def write(self, events: Sequence[Event]) -> None:
        """Adds lines; once this returns, no kill can lose them.

        Raises:
            OutputError: the disk is full or not writable; what was written before stays whole.
        """
        if not events:
            return
        piece = b"".join(event.line() for event in events)
        if self._most and self._file.length and self._file.length + len(piece) > self._most:
            self._rotate()
        self._file.commit(self._file.put(piece))

    def close(self) -> None:
        """Closes the file; an unfinished line of a failed write is cut off."""
        self._file.cut()
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        path = self._folder / EVENTS
        older = older_logs(self._folder)
        # Not their count: somebody may have taken the first ones away.
        number = int(older[-1].stem.rpartition("-")[2]) + 1 if older else 1
        with writing(path):
            path.rename(self._folder / _OLDER.format(number))
            sync_folder(self._folder)
        self._file = GrowingFile(path)


def older_logs(folder: Path) -> list[Path]:
    """Full logs, oldest first."""
    return sorted(folder.glob(_OLDER.replace("{:06d}", "[0-9]" * 6)))


def _whole_lines(path: Path) -> int:
    """Length of a log up to its last line end, bytes; only its last 64 KiB are read."""
    if not path.exists():
        return 0
    with writing(path), path.open("rb") as file:
        length = file.seek(0, 2)
        file.seek(max(0, length - 65536))
        return length - len(file.read().rpartition(b"\n")[2])
