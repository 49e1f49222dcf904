"""Memory over many photos, stage by stage: does it stay flat?

`python -m benchmarks.memory --db sku_db --photos 1000 [--json] PHOTO...`

The photos are taken in turn, again and again: read alone; read and detected; the whole `Recognizer.run`. Each kind
runs in this one process after the other, and says how much memory the process holds after a tenth, half and all.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

import recognition.run as runs
from recognition.settings import Settings
from recognition.sources.photos import read_photos
from recognition.types import Failure, Frame

PAGE_KIB = 4
TENTH, HALF, ALL = 0.1, 0.5, 1.0


@dataclass(frozen=True)
class Row:
    """MiB held after a tenth, half and all of the photos, and what each further 1,000 photos add from a tenth on."""

    stage: str
    photos: int
    tenth_mib: float
    half_mib: float
    all_mib: float
    per_thousand_mib: float


def held_mib() -> float:
    """What this process holds now, MiB (Linux)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_KIB / 1024


def measure(photos: Sequence[str], db: Path, count: int) -> Iterator[Row]:
    """A row per stage, as it is done."""
    with runs.open_recognizer(Settings(), db) as (recognizer, _):
        yield _row("read", _frames(photos, count), count)
        found = (recognizer.detector.detect([f.image]) for f in _frames(photos, count) if isinstance(f, Frame))
        yield _row("read, detect", found, count)
        with closing(recognizer.run(_frames(photos, count))) as results:
            yield _row("read to lay out", results, count)


def _frames(photos: Sequence[str], count: int) -> Iterator[Frame | Failure]:
    for photo in islice(cycle(photos), count):
        with closing(read_photos([photo])) as frames:
            yield from frames


def _row(stage: str, results: Iterable[object], count: int) -> Row:
    marks = {max(1, round(part * count)): part for part in (TENTH, HALF, ALL)}
    held = dict.fromkeys((TENTH, HALF, ALL), 0.0)
    for done, _ in enumerate(results, start=1):
        if done in marks:
            held[marks[done]] = held_mib()
    grown = 1000 * (held[ALL] - held[TENTH]) / max(count * (ALL - TENTH), 1)
    return Row(stage, count, held[TENTH], held[HALF], held[ALL], grown)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line, measures, prints a line per stage."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("photo", nargs="+", help="photos, taken in turn")
    parser.add_argument("--db", type=Path, required=True, help="SKU database")
    parser.add_argument("--photos", type=int, default=1000, help="how many each stage takes, 10 or more")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(arguments)
    if given.photos < TENTH * 100:
        parser.error("--photos: wanted 10 or more")
    for row in measure(given.photo, given.db, given.photos):
        text = f"{row.stage:18} {row.photos} photos: {row.tenth_mib:.0f}, {row.half_mib:.0f}, {row.all_mib:.0f} MiB"
        print(json.dumps(asdict(row)) if given.json else f"{text}; {row.per_thousand_mib:+.1f} per 1,000", flush=True)


if __name__ == "__main__":
    main()
