"""The --out folder of a stream: events.jsonl, planogram.csv and stats.json, readable at any instant, whatever ends it.

Events are on the disk when `write` returns. The planogram and the figures are replaced as a whole, at an interval and
at the end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from recognition.errors import OutputError, UsageError
from recognition.outputs import tables
from recognition.outputs.files import PARTIAL, partial, replace_file, writing
from recognition.outputs.live_events import EVENTS, Event, EventLog, older_logs
from recognition.outputs.writer import PLANOGRAM, Mode
from recognition.types import Failure, FrameResult

STATS, VIDEOS = "stats.json", "video"
_MEGABYTE = 1_000_000
_MOST_FAILURES = 100


@dataclass(frozen=True)
class SourceStats:
    """Figures of one source. frames_read = dropped + left_out + broken + processed + skipped + failed, but for those in
    hand.

    dropped: stale frames of a camera. left_out: by --every, --fps, --start. broken: could not be decoded. processed:
    products were searched for; skipped: the picture did not change; failed: a model failed. boxes: products found,
    summed over frames; embeddings: crops embedded. products: on the shelf now. held: products, candidates, empty
    places and tracks in memory. fps: frames handled a second since the start. lag_s: age of the newest handled frame
    when it was done with, null for a film.
    """

    source: str
    frames_read: int
    dropped: int
    left_out: int
    broken: int
    processed: int
    skipped: int
    failed: int
    boxes: int
    embeddings: int
    reconnects: int
    gaps: int
    products: int
    held: int
    fps: float
    lag_s: float | None


class LiveFolder:
    """Writes what a stream finds. Made by `create`; `close` ends it."""

    def __init__(self, out: Path, events_mb: float) -> None:
        """Continues what the folder holds."""
        self._out, self._started_at = out, _now()
        self._failures: list[dict[str, object]] = []
        self._events = EventLog(out, round(events_mb * _MEGABYTE))

    @classmethod
    def create(cls, out: Path, mode: Mode, events_mb: float) -> LiveFolder:
        """Makes `out` ready. mode `resume` goes on with the events of the stream that the folder holds.

        Raises:
            UsageError: `out` is a file, or holds something that `mode` does not allow for.
            OutputError: the folder cannot be written.
        """
        if out.exists() and not out.is_dir():
            raise UsageError(f"--out {out} is a file", "name a folder")
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
            held = list(out.iterdir())
        if held and mode == "new":
            raise UsageError(
                f"--out {out} holds something already", "name another folder, or add --overwrite or --resume"
            )
        if held and not (out / STATS).exists():
            raise UsageError(f"--out {out} holds something that no stream wrote", "name another folder")
        if held and mode == "overwrite":
            _remove_former(out)
        return cls(out, events_mb)

    def write(self, events: Sequence[Event]) -> None:
        """Adds events; once this returns, no kill can lose them.

        Raises:
            OutputError: the disk is full or not writable.
        """
        self._events.write(events)

    def fail(self, failure: Failure) -> None:
        """Notes a failure of a source for stats.json, the latest hundred of them."""
        self._failures = [*self._failures, asdict(failure)][-_MOST_FAILURES:]

    def show(self, shelves: Sequence[FrameResult], stats: Sequence[SourceStats], state: str = "running") -> None:
        """Replaces planogram.csv by the shelves as they stand, one of each source, and stats.json.

        Raises:
            OutputError: the disk is full or not writable.
        """
        rows = [row for shelf in shelves for row in tables.planogram_rows(shelf)]
        replace_file(self._out / PLANOGRAM, tables.encode([tables.PLANOGRAM_COLUMNS, *rows]))
        self._write_stats(stats, state)

    def close(self, shelves: Sequence[FrameResult], stats: Sequence[SourceStats], state: str) -> None:
        """Writes everything a last time and closes the files. state: `done`, `stopped` or `failed`.

        Raises:
            OutputError: the disk is full or not writable; what was written before stays whole.
        """
        try:
            self.show(shelves, stats, state)
        except OutputError:
            for name in (PLANOGRAM, STATS):
                with writing(self._out):
                    partial(self._out / name).unlink(missing_ok=True)
            raise
        finally:
            self._events.close()

    def _write_stats(self, stats: Sequence[SourceStats], state: str) -> None:
        lags = [one.lag_s for one in stats if one.lag_s is not None]
        counted = ("frames_read", "dropped", "processed", "skipped", "failed", "boxes", "embeddings", "reconnects")
        content = {
            "state": state,
            "started_at": self._started_at,
            "updated_at": _now(),
            **{name: sum(getattr(one, name) for one in stats) for name in counted},
            "fps": round(sum(one.fps for one in stats), 2),
            "lag_s": round(max(lags), 3) if lags else None,
            "sources": [asdict(one) for one in stats],
            "failures": self._failures,
        }
        replace_file(self._out / STATS, json.dumps(content, indent=2).encode("ascii") + b"\n")


def _remove_former(out: Path) -> None:
    """Removes what a former stream left, its figures last."""
    with writing(out):
        for path in (*older_logs(out), out / EVENTS, out / PLANOGRAM, *(out / VIDEOS).glob("*.mkv")):
            path.unlink(missing_ok=True)
        for path in (*out.glob("*" + PARTIAL), out / STATS):
            path.unlink(missing_ok=True)


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
