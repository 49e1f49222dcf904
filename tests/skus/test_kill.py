"""Commands that really run in another process are killed at random moments, checked, run again, and compared."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

from recognition.errors import DatabaseMissingError
from recognition.skus.database import SkuDatabase
from recognition.skus.listing import Listing

BASE, MORE = 40, 20
COMMANDS = ("build", "add", "compact", "remove", "rewrite", "migrate")

# The libraries are loaded once; each line on stdin forks a child that runs one command.
NURSERY = """
import importlib.util, os, sys, traceback
from pathlib import Path
from recognition.skus import faiss_index, index_choice
from recognition.skus.build import build_database
from recognition.skus.catalog import read_catalog
from recognition.skus.compact import compact
from recognition.skus.migrate import Pictures, migrate_database
from recognition.skus.pictures import load_packshot
from recognition.skus.removal import remove_skus

spec = importlib.util.spec_from_file_location("fakes", sys.argv[1])
fakes = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fakes)
images = Path(sys.argv[2])
db = images / "db"
index_choice.EXACT_BELOW, index_choice.cells_for = 10, lambda rows: 2
names = {name: (images / f"{name}.csv").read_text().split() for name in ("base", "more")}
load_packshot(images / "0.png")

def said(words):
    os.write(1, f"{words}\\n".encode())  # a whole line at once: what kills it leaves none in halves

def build(name, keep):
    catalog = read_catalog(images / f"{name}.csv", None)
    build_database(catalog, db, fakes.TinyEncoder(), batch=3, keep=keep, on_commit=said)

def migrate():
    report = migrate_database(db, fakes.OtherEncoder(), Pictures(images), batch=3, on_commit=said)
    said(f"embedded {report.embedded}")

commands = {
    "build": lambda: build("base", False),
    "add": lambda: build("more", True),
    "compact": lambda: compact(db),
    "remove": lambda: remove_skus(db, [line.split(",")[0] for line in names["more"][1:]], said),
    "rewrite": lambda: compact(db, rewrite=True),
    "migrate": migrate,
}
for line in sys.stdin:
    child = os.fork()
    if not child:
        said(os.getpid())
        try:
            commands[line.strip()]()
            said("done")
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    os.waitpid(child, 0)
    said("over")
"""


@dataclass
class Nursery:
    """The process that forks the commands. finished, embedded: of the latest one, when it was not killed."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def run(self, command: str, kill_after: float | None = None) -> int:
        """Runs a command, killed after some seconds; the last number that it acknowledged."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{command}\n")
        child = int(self.process.stdout.readline())
        if kill_after is not None:
            time.sleep(kill_after)
            with suppress(ProcessLookupError):  # it has ended
                os.kill(child, signal.SIGKILL)
        self.said = list(iter(self.process.stdout.readline, "over\n"))
        return max((int(line) for line in self.said if line.strip().isdigit()), default=0)

    @property
    def finished(self) -> bool:
        """Whether the latest command came to its end."""
        return "done\n" in self.said


@pytest.fixture
def nursery(tmp_path: Path, picture: Callable[..., Path]) -> Iterator[Nursery]:
    for name, numbers in (("base", range(BASE)), ("more", range(BASE, BASE + MORE))):
        rows = [f"S{n},{picture(tmp_path / f'{n}.png', n).name}\n" for n in numbers]
        (tmp_path / f"{name}.csv").write_text("sku,image\n" + "".join(rows))
    command = [sys.executable, "-c", NURSERY, str(Path(__file__).with_name("conftest.py")), str(tmp_path)]
    paths = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, env=paths, text=True, bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Nursery(process)
        process.kill()


Content = dict[str, bytes]
"""SKU to its vector: each has one reference here."""


def content(folder: Path) -> tuple[str, Content]:
    """The encoder's name and everything that a database holds, held against its check sums."""
    try:
        with SkuDatabase.open(folder) as database, Listing(folder) as listing:
            database.verify()
            found = {one.sku.sku: listing.vectors[one.row].tobytes() for one in listing.references()}
            assert len(found) == database.count()
            queries = database.vectors(database.live_rows())
            assert (database.search(queries, 1).scores > 0.99).all()
            return database.info().encoder, found
    except DatabaseMissingError:
        return "tiny", {}


def durations(nursery: Nursery, folder: Path) -> dict[str, float]:
    """Seconds that each command takes on this machine at its load now, so that kills come while it is at work."""
    shutil.rmtree(folder, ignore_errors=True)
    taken = {}
    for command in COMMANDS:
        begun = time.perf_counter()
        nursery.run(command)
        taken[command] = time.perf_counter() - begun
    return taken


def day(
    nursery: Nursery, folder: Path, truth: dict[str, Content], dice: random.Random, seconds: dict[str, float]
) -> int:
    """Every command is killed once, then run to its end; how many were killed before they had finished."""
    shutil.rmtree(folder, ignore_errors=True)
    base, everything = ([f"S{n}" for n in range(top)] for top in (BASE, BASE + MORE))
    goal = {"build": base, "add": everything, "compact": everything, "remove": base, "rewrite": base, "migrate": base}
    former: list[str] = []
    unfinished = 0
    for command in COMMANDS:
        acknowledged = nursery.run(command, dice.uniform(0, seconds[command]))
        unfinished += not nursery.finished
        encoder, found = content(folder)
        assert found == {sku: truth[encoder][sku] for sku in found}, command
        assert encoder == "tiny" or command == "migrate"
        if command in ("build", "add"):
            assert set(former) <= set(found) <= set(goal[command]) and len(found) >= acknowledged, command
        else:
            assert sorted(found) in (sorted(former), sorted(goal[command])), command
        if command == "remove" and acknowledged:
            assert sorted(found) == sorted(base)
        nursery.run(command)
        assert nursery.finished, f"{command} could not be finished"
        if command == "migrate":
            embedded = next(int(line.split()[1]) for line in nursery.said if line.startswith("embedded"))
            assert embedded <= BASE - acknowledged, "what was acknowledged was embedded again"
        encoder, found = content(folder)
        assert encoder == ("other" if command == "migrate" else "tiny")
        assert found == {sku: truth[encoder][sku] for sku in goal[command]}, command
        former = goal[command]
    assert len(list(folder.glob("vectors-*"))) == len(list(folder.glob("index-*"))) == 1
    return unfinished


@pytest.fixture
def truth(tmp_path: Path, encoder: object, other_encoder: object, nursery: Nursery) -> dict[str, Content]:
    """What an uninterrupted run of either encoder makes of the pictures."""
    pictures = {f"S{n}": np.array(Pictures.open(tmp_path / f"{n}.png")) for n in range(BASE + MORE)}
    return {
        made.name: {sku: made.encode([image])[0].astype("<f2").tobytes() for sku, image in pictures.items()}
        for made in (encoder, other_encoder)
    }


def test_what_was_acknowledged_survives_every_kill(tmp_path: Path, nursery: Nursery, truth: dict[str, Content]) -> None:
    # Measured on a busy machine, durations may be so long that every command ends before its kill: then once more.
    db, dice = tmp_path / "db", random.Random()
    days = (day(nursery, db, truth, dice, durations(nursery, db)) for _ in range(4))
    assert any(days), "every command had ended before it was killed"


@pytest.mark.slow
def test_a_hundred_kills(tmp_path: Path, nursery: Nursery, truth: dict[str, Content]) -> None:
    dice = random.Random()
    seconds = durations(nursery, tmp_path / "db")
    unfinished = [day(nursery, tmp_path / "db", truth, dice, seconds) for _ in range(17)]
    assert sum(unfinished) > 30, "most commands had ended before they were killed"
