"""The command `stream` over films made on the spot: files, exit codes, a stop signal, a full disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recognition.outputs.live_folder import STATS
from recognition.outputs.tables import read_planogram

ROOT = Path(__file__).parents[2]
SLOW_READER = """
import sys, time
import recognition.sources.video as video
whole = video.Film.take
def slow(self):
    time.sleep(0.02)
    return whole(self)
video.Film.take = slow
sys.path.insert(0, "tests")
from fakes import FakeDetector, FakeEncoder
import recognition.run, recognize
recognition.run.load_encoder = lambda settings, *rest, **more: FakeEncoder()
boxes = {(200, 300): [(20, 60, 80, 150), (100, 60, 160, 150)]}
recognition.run.YoloDetector = lambda path, settings: FakeDetector(boxes)
recognize.main()
"""


def film(shop, name: str, *seeds: int, frames: int = 20) -> Path:
    """A folder of equal frames, 25 a second."""
    first = shop.photo(f"{name}/0.png", *seeds)
    for number in range(1, frames):
        shutil.copy(first, first.with_name(f"{number}.png"))
    return first.parent


@pytest.fixture
def ready(shop, cli):
    """A shop whose database holds SKUs S1 to S4."""
    assert cli("skus", "build", shop.catalog(1, 2, 3, 4), "--images", shop.folder).code == 0
    return shop


def events(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]


def test_a_film_leaves_events_planogram_and_figures(ready, cli) -> None:
    folder, out = film(ready, "film", 1, 2, 3), ready.folder / "out"
    done = cli("stream", folder, "--out", out)
    assert done.code == 0, done.err
    found = events(out)
    assert [(e["event"], e["sku"]) for e in found] == [
        (kind, sku) for kind in ("appeared", "recognized") for sku in ("S1", "S2", "S3")
    ]
    assert [row.sku for row in read_planogram(out / "planogram.csv")] == ["S1", "S2", "S3"]
    stats = json.loads((out / STATS).read_text())
    assert stats["state"] == "done" and stats["frames_read"] == 20 == stats["processed"] + stats["skipped"]
    assert stats["embeddings"] == 3
    assert "appeared S1" in done.out and "20 frames, 3 products" in done.out
    assert cli("stream", folder, "--out", out).code == 2
    assert cli("stream", folder, "--out", out, "--overwrite", "--resume").code == 2
    assert cli("stream", folder, "--out", out, "--resume").code == 0
    assert len(events(out)) == 12


def test_two_films_share_models_and_keep_their_products_apart(ready, cli) -> None:
    one, two, out = film(ready, "one", 1, 2, 3), film(ready, "two", 4, 2), ready.folder / "out"
    done = cli("stream", one, two, "--out", out, "--json", "--save-video", "--no-blur-faces")
    assert done.code == 0, done.err
    printed = [json.loads(line) for line in done.out.splitlines()]
    assert printed == events(out)
    tracks = {str(one): set(), str(two): set()}
    for event in printed:
        tracks[event["source"]].add(event["track"])
    assert tracks[str(one)] == {1, 2, 3} and min(tracks[str(two)]) == 1
    assert {row.source for row in read_planogram(out / "planogram.csv")} == {str(one), str(two)}
    assert len(list((out / "video").glob("*.mkv"))) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere.mp4"], 1, "nowhere.mp4"),
        (["film", "film"], 2, "given twice"),
        (["film", "--save-video"], 2, "--out"),
        (["film", "--every", "2", "--fps", "3"], 2, "exclude each other"),
        (["film", "--start", "9", "--end", "3"], 2, "end"),
        (["film", "--interval", "0"], 2, "interval_s"),
        (["film", "--start", "9"], 1, "every frame was left out"),
    ],
)
def test_what_makes_no_sense_is_said(ready, cli, arguments: list[str], code: int, words: str) -> None:
    film(ready, "film", 1, frames=2)
    done = cli("stream", *arguments)
    assert done.code == code and words in done.err


def test_without_a_folder_events_are_printed(ready, cli) -> None:
    done = cli("stream", film(ready, "film", 1, 2, 3), "--every", "2", "--page", "0")
    assert done.code == 0 and done.out.count("recognized") == 3
    assert sorted(path.name for path in ready.folder.iterdir()) == ["catalog.csv", "film", "packs", "sku_db"]


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_stop_signal_ends_it_cleanly(ready, number: int) -> None:
    folder, out = film(ready, "film", 1, 2, frames=600), ready.folder / "out"
    command = [sys.executable, "-c", SLOW_READER, "stream", folder, "--db", ready.folder / "sku_db", "--out", out]
    process = subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while not ((out / "events.jsonl").exists() and events(out)) and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, errors.decode()
    stats = json.loads((out / STATS).read_text())
    assert stats["state"] == "stopped" and 0 < stats["frames_read"] < 600
    assert len(read_planogram(out / "planogram.csv")) == 2 and len(events(out)) == 4


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_ends_it_with_an_error_and_whole_files(ready, cli) -> None:
    out = ready.folder / "small"
    out.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", out], capture_output=True).returncode:
        pytest.skip("no tmpfs here")
    try:
        (out / "filler").write_bytes(bytes(64 * 1024 - 2 * 4096))
        live = out / "live"
        done = cli("stream", film(ready, "film", 1, 2, 3), "--out", live, "--save-video", "--no-blur-faces")
        assert done.code == 1 and "free some space" in done.err
        text = (live / "events.jsonl").read_text() if (live / "events.jsonl").exists() else ""
        assert all(json.loads(line) for line in text.splitlines())
    finally:
        subprocess.run(["umount", out], check=True)
