"""A build that really runs in another process is killed at random moments."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recognition.errors import DatabaseMissingError
from recognition.skus.build import build_database
from recognition.skus.catalog import read_catalog
from recognition.skus.database import SkuDatabase

ROWS = 60
ROUNDS = 24

# The libraries are loaded once; each line on stdin forks a child that builds, then publishes index after index.
NURSERY = """
import importlib.util, os, sys
from pathlib import Path
from recognition.skus import faiss_index, writer
from recognition.skus.build import build_database, load_packshot
from recognition.skus.catalog import read_catalog

spec = importlib.util.spec_from_file_location("fakes", sys.argv[1])
fakes = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fakes)
encoder, folder = fakes.TinyEncoder(), Path(sys.argv[3])
writer.EXACT_BELOW, faiss_index.cells_for = 10, lambda rows: 2
catalog = read_catalog(Path(sys.argv[2]), None)
load_packshot(catalog.rows[0].image)
for line in sys.stdin:
    child = os.fork()
    if not child:
        print(os.getpid(), flush=True)
        build_database(catalog, folder, encoder, batch=3, on_commit=lambda count: print(count, flush=True))
        while True:
            with writer.DatabaseWriter(folder, encoder.name, encoder.dim, encoder.fingerprint) as again:
                again.build_index()
                print(again.count(), flush=True)
    os.waitpid(child, 0)
    print("over", flush=True)
"""


@pytest.fixture
def nursery(tmp_path: Path, picture: Callable[..., Path]) -> Iterator[subprocess.Popen[str]]:
    rows = [f"S{n},{picture(tmp_path / f'{n}.png', n).name}\n" for n in range(ROWS)]
    (tmp_path / "catalog.csv").write_text("sku,image\n" + "".join(rows))
    fakes = Path(__file__).with_name("conftest.py")
    command = [sys.executable, "-c", NURSERY, str(fakes), str(tmp_path / "catalog.csv"), str(tmp_path / "db")]
    paths = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=paths, text=True, bufsize=1, **pipes) as process:
        yield process
        process.kill()


def run_and_kill(nursery: subprocess.Popen[str], steps: int, seconds: float) -> int:
    """Kills a build some time after some commits; returns the last number of references that it acknowledged."""
    assert nursery.stdin is not None and nursery.stdout is not None
    nursery.stdin.write("go\n")
    child = int(nursery.stdout.readline())
    acknowledged = max([int(nursery.stdout.readline()) for _ in range(steps)], default=0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    while (line := nursery.stdout.readline()) != "over\n":
        acknowledged = int(line)
    return acknowledged


def test_what_was_acknowledged_survives_every_kill(
    tmp_path: Path, nursery: subprocess.Popen[str], encoder: object
) -> None:
    folder, dice, counts, generations = tmp_path / "db", random.Random(), [0], [0]
    for _ in range(ROUNDS):
        acknowledged = run_and_kill(nursery, dice.randrange(5), dice.uniform(0, 0.03))
        try:
            with SkuDatabase.open(folder) as database:
                database.verify()
                counts.append(database.count())
                generations.append(database.info().generation)
        except DatabaseMissingError:
            counts.append(0)
        assert counts[-1] >= max(acknowledged, counts[-2])
    assert any(0 < count < ROWS for count in counts), "no kill came in the middle of the build"
    catalog = read_catalog(tmp_path / "catalog.csv", None)
    report = build_database(catalog, folder, encoder)
    assert (report.added, report.unchanged, report.embedded) == (ROWS - counts[-1], counts[-1], ROWS - counts[-1])
    with SkuDatabase.open(folder) as database:
        database.verify()
        assert database.info().skus == database.count() == ROWS
        assert (folder / "vectors-1.f16").stat().st_size == ROWS * encoder.dim * 2
    assert max(generations) > 2, "no kill came after indexes had been published"
