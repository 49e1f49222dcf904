"""Writes five photos and kills itself at the n-th wait for the disk, for every n: run by test_writer_killed.py."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

from recognition.outputs import tables
from recognition.outputs.writer import RunSummary, RunWriter
from recognition.settings import Settings
from recognition.types import Detections, Failure, Frame, FrameResult, Matches, ShelfLayout, Slot, Status

SOURCES = [f"aisle{i}/shelf.jpg" for i in range(3)]
BROKEN = "broken.jpg"

drawing = ModuleType("recognition.outputs.pictures")
drawing.picture_bytes = lambda result, blur: result.frame.source.encode()  # type: ignore[attr-defined]
sys.modules[drawing.__name__] = drawing


def photo(source: str) -> FrameResult:
    one = np.ones(1, np.int32)
    matches = Matches(
        np.zeros(1, np.int8),
        np.full((1, 2), -1, np.int64),
        np.full((1, 2), -np.inf, np.float32),
        np.zeros(1, np.float32),
    )
    slots = (Slot(1, 1, 1, (0, 0, 9, 9), Status.UNKNOWN, members=(0,)),)
    layout = ShelfLayout(one, one.copy(), one.copy(), slots, np.zeros((1, 2, 2), np.float32))
    boxes = Detections(np.array([[0, 0, 9, 9]], np.float32), np.ones(1, np.float32))
    return FrameResult(Frame(source, 0, np.zeros((9, 9, 3), np.uint8)), boxes, matches, layout, {}, {})


def run(out: Path, mode: str) -> None:
    writer = RunWriter.create(out, mode, Settings(), {"database": "d1"})
    writer.fail(Failure(BROKEN, 0, "read", "it is empty"))
    for source in SOURCES:
        if not writer.done(source):
            writer.write(photo(source))
    writer.close(RunSummary(3, {}))


def run_until_killed(out: Path, n: int) -> bool:
    """Whether the kill came before the run was over."""
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    calls = [0]

    def fsync(handle: int) -> None:
        calls[0] += 1
        if calls[0] == n:
            os.kill(os.getpid(), signal.SIGKILL)

    os.fsync = fsync
    try:
        run(out, "new")
    finally:
        os._exit(0)


def check(out: Path, n: int) -> None:
    products = [row.source for row in tables.read_products(out / "products.csv")]
    planogram = [row.source for row in tables.read_planogram(out / "planogram.csv")]
    photos = [line.split(",")[0] for line in (out / "photos.csv").read_text().splitlines()[1:]]
    assert products == planogram == photos == SOURCES, (n, products, planogram, photos)
    failures = (out / "failures.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in failures] == [BROKEN], (n, failures)
    pictures = sorted((out / "pictures").iterdir())
    assert [p.read_text() for p in pictures] == SOURCES, (n, pictures)
    names = {path.name for path in out.iterdir()}
    tables_and_run = {"products.csv", "planogram.csv", "photos.csv", "failures.csv", "run.json"}
    assert names == {*tables_and_run, "pictures", ".journal.jsonl"}, (n, names)


def main(folder: Path) -> None:
    os.fsync = lambda handle: None  # a kill loses nothing that the system holds: no need to wait for a slow disk
    n = 1
    while run_until_killed(folder / str(n), n):
        run(folder / str(n), "resume")
        check(folder / str(n), n)
        n += 1
    check(folder / str(n), n)
    sys.stdout.write(f"{n - 1}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
