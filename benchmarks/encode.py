"""Crops in, vectors out: every runtime of this program beside the plain ways, in one run, ways taking turns.

`python -m benchmarks.encode --shapes siglip-b/16-256 starter --images 64 --repeats 5 --threads 2 --out F.json`

Shapes are true configurations with random weights, which is enough for speed; `starter` has its own, so that its
agreement of answers means something.
Each shape has a process of its own. CPU seconds beside those of the clock tell whether other work was on the machine.
Converted models go to a temporary folder: `open` is what a first use costs.

`python -m benchmarks.encode --clip-retrieval PYTHON --images 1000 --repeats 3` measures picture files instead, beside
clip-retrieval; see benchmarks/encode_files.py. PYTHON: of an environment that has it
(`uv venv --python 3.11 cr; uv pip install --python cr/bin/python clip-retrieval 'setuptools<81'`).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.encode_files import FileRow, files_table, measure_files
from benchmarks.encode_inputs import SHAPES
from benchmarks.encode_ways import CALIBRATION, NAIVE, PLAIN
from benchmarks.photo import Spread, run_child
from recognition.settings import EmbedSettings

Found = dict[str, dict[str, Any]]
"""Per way, the fields of `encode_ways.Measured`."""


@dataclass(frozen=True)
class Row:
    """One way of one shape. seconds: per image. times_naive, times_plain: how many times as fast as those ways, of the
    rounds' own pairs; cpu_naive: the same by CPU seconds, which other work on the machine disturbs less."""

    shape: str
    way: str
    seconds: Spread
    times_naive: Spread
    times_plain: Spread
    cpu_naive: Spread
    open_seconds: float
    cosine: float
    top1: float


def measure(shapes: Sequence[str], images: int, rounds: int, threads: int, batch: int) -> list[Row]:
    """Makes models and crops in a temporary folder, and measures shape after shape."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="encode-benchmark-") as folder:
        os.environ["SHELF_RECOGNITION_CACHE"] = str(Path(folder) / "cache")
        run_child("encode_inputs", threads, folder, str(images + CALIBRATION), *shapes)
        for shape in shapes:
            print(shape, file=sys.stderr, flush=True)
            found = run_child("encode_ways", threads, shape, folder, str(images), str(rounds), str(batch))
            rows += summarise(shape, found)
    return rows


def summarise(shape: str, found: Found) -> list[Row]:
    """Medians, spreads and ratios of what a process measured."""
    return [
        Row(
            shape, way, Spread.of(own["seconds"]), _times(found[NAIVE], own, "seconds"),
            _times(found[PLAIN], own, "seconds"), _times(found[NAIVE], own, "cpu_seconds"),
            own["open_seconds"], own["cosine"], own["top1"],
        )
        for way, own in found.items()
    ]  # fmt: skip


def _times(other: dict[str, Any], own: dict[str, Any], what: str) -> Spread:
    return Spread.of([a / b for a, b in zip(other[what], own[what], strict=True)])


def as_table(rows: Sequence[Row]) -> str:
    """For people: medians, with the least and the most."""
    head = f"{'shape':16} {'way':22} {'ms an image':24} {'times naive':22} {'by CPU':>7} {'plain':>6} {'open s':>7}"
    lines = [f"{head} {'cosine':>8} {'top-1':>6}"]
    for row in rows:
        ms = Spread(*(1000 * value for value in asdict(row.seconds).values()))
        times = _short(row.times_naive, 2)
        lines.append(
            f"{row.shape:16} {row.way:22} {_short(ms, 1):24} {times:22} {row.cpu_naive.median:7.2f} "
            f"{row.times_plain.median:6.2f} {row.open_seconds:7.1f} {row.cosine:8.5f} {row.top1:6.3f}"
        )
    return "\n".join(lines)


def _short(spread: Spread, digits: int) -> str:
    return f"{spread.median:.{digits}f} ({spread.min:.{digits}f}..{spread.max:.{digits}f})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--shapes", choices=SHAPES, nargs="+", default=list(SHAPES))
    parser.add_argument("--images", type=int, default=64, help="crops a round")
    parser.add_argument("--repeats", type=int, default=5, help="rounds in which ways take turns")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each way")
    parser.add_argument(
        "--batch", type=int, default=EmbedSettings().batch_size, help="crops at once, of every way but the naive one"
    )
    parser.add_argument(
        "--clip-retrieval", type=Path, metavar="PYTHON", help="measure files beside clip-retrieval of this environment"
    )
    parser.add_argument("--out", type=Path, help="also write the rows as JSON")
    given = parser.parse_args(arguments)
    if min(given.repeats, given.threads, given.batch) < 1 or given.images < 2:
        parser.error("--repeats, --threads and --batch: wanted 1 or more; --images: 2 or more")
    if given.clip_retrieval and not given.clip_retrieval.is_file():
        parser.error(f"--clip-retrieval {given.clip_retrieval}: no such file")
    rows: Sequence[Row | FileRow]
    sizes = given.images, given.repeats, given.threads, given.batch
    if given.clip_retrieval:
        rows = files = measure_files(given.clip_retrieval, *sizes)
        table = files_table(files)
    else:
        rows = crops = measure(given.shapes, *sizes)
        table = as_table(crops)
    if given.out:
        given.out.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
